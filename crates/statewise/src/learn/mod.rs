//! Learning: everything that moves parameters. No learner knows a model by name.

mod alignment;
mod assignment;
mod cross_validation;
mod em;
mod fit_report;
mod gradient;
mod kmeans;
mod lbfgs;
mod learnable;
mod learner;
mod line_search;
mod minibatch;
mod numerical_m_step;
mod objective;
mod online_em;
mod optimizer;
mod quasi_newton;
mod restarts;
mod schedule;
mod selection;
mod step_size;
mod stochastic_em;

pub use alignment::{
    find_permutation, order_by, order_by_parameter, permute_params, permute_properties, state_overlap,
};
pub use assignment::assign;
pub use cross_validation::{Candidate, CrossValidated, Folds, cross_validate};
pub use em::Em;
pub use fit_report::{FitReport, Progress};
pub use gradient::{GradientDescent, GradientFit, GradientState};
pub use kmeans::{Clusters, kmeans};
pub use lbfgs::{Lbfgs, Minimum};
pub use learnable::{Learnable, MStepOutcome, Statistics};
pub use learner::Learner;
pub(crate) use learner::prepare;
pub(crate) use numerical_m_step::maximise_numerically;
pub use objective::{Evaluation, Objective};
pub use online_em::{OnlineEm, OnlineUpdate};
pub use optimizer::{Adagrad, Adam, AdamW, Optimizer, OptimizerState, RmsProp, Rule, Sgd, UpdateRule};
pub use quasi_newton::QuasiNewton;
pub use restarts::{Restarts, fit_restarts};
pub use schedule::Schedule;
pub use selection::{InformationCriteria, information_criteria};
pub use step_size::StepSize;
pub use stochastic_em::StochasticEm;

//! What `statewise fit` starts from: a model, starting parameters, and the learner that suits it.

use statewise::Seed;
use statewise::learn::{Em, Learner, QuasiNewton};
use statewise::model::hmm::{self, Hmm};
use statewise::model::linear_gaussian::{self, LinearGaussianSpec, LinearGaussianSsm};
use statewise::model::structural::StructuralTimeSeries;
use statewise::params::{Params, Properties};

use crate::args::{FitArgs, Method};
use crate::components;
use crate::failure::Failure;
use crate::gaussian::GaussianModel;
use crate::kind::Model;
use crate::model::{self, LINEAR_GAUSSIAN, Request, STRUCTURAL};
use crate::source::Source;

/// A model with where its fits start and how they are made.
pub(crate) struct Starts {
    pub(crate) model: Model,
    pub(crate) name: String,
    pub(crate) properties: Properties,
    pub(crate) params: Vec<Params>,
    pub(crate) learner: Box<dyn Learner>,
}

impl Starts {
    /// The model of the command line, for the columns of the data.
    pub(crate) fn new(args: &FitArgs, source: &Source) -> Result<Self, Failure> {
        let (model, name) = match args.model.as_str() {
            LINEAR_GAUSSIAN => (
                Model::Gaussian(GaussianModel::Linear(Box::new(linear_gaussian(args, source)?))),
                "LinearGaussianSSM".into(),
            ),
            STRUCTURAL => (
                Model::Gaussian(GaussianModel::Structural(structural(args, source)?)),
                "StructuralTimeSeries".into(),
            ),
            _ => {
                let (hmm, name) = hidden_markov(args, source)?;
                (Model::Hmm(hmm), name)
            }
        };
        source.check_text(&model, &args.model)?;
        let data = &source.data.dataset;
        model.learnable().check_data(data)?;
        let restarts = 0..args.restarts.max(1) as u64;
        let params =
            restarts.map(|restart| start(&model, args, source, restart)).collect::<Result<_, _>>()?;
        let properties = Properties::trainable(model.learnable().schema());
        let (num_iters, prior) = (args.iterations, !args.no_prior);
        let learner: Box<dyn Learner> = match &model {
            Model::Gaussian(GaussianModel::Structural(_)) => {
                let usual = QuasiNewton::default();
                Box::new(QuasiNewton {
                    num_iters,
                    prior,
                    tolerance: args.tolerance.or(usual.tolerance),
                    ..usual
                })
            }
            _ => Box::new(Em { num_iters, prior, tolerance: args.tolerance.or(Em::default().tolerance) }),
        };
        Ok(Starts { model, name, properties, params, learner })
    }
}

/// Starting parameters; those of later starts are drawn.
fn start(model: &Model, args: &FitArgs, source: &Source, restart: u64) -> Result<Params, Failure> {
    let data = &source.data.dataset;
    let seed = if restart == 0 { Seed(args.seed) } else { Seed(args.seed).child("restart", restart) };
    let (params, _) = match model {
        Model::Hmm(hmm) => {
            let start = match args.method.unwrap_or(Method::Kmeans) {
                Method::Kmeans => hmm::Start::KMeans(data),
                Method::Prior => hmm::Start::Prior,
                _ => return Err(no_method("kmeans or prior")),
            };
            hmm.initialize(start, seed, &[])?
        }
        Model::Gaussian(GaussianModel::Linear(model)) => {
            let start = match args.method.unwrap_or(Method::Pca) {
                Method::Kmeans | Method::Prior => return Err(no_method("default, pca or subspace")),
                Method::Pca if restart == 0 => linear_gaussian::Start::Pca(data),
                Method::Subspace if restart == 0 => linear_gaussian::Start::Subspace(data),
                _ => linear_gaussian::Start::Default,
            };
            model.initialize(start, seed, &[])?
        }
        Model::Gaussian(GaussianModel::Structural(model)) => {
            if args.method.is_some() {
                return Err(no_method("none, structural models start by the scale of the data"));
            }
            model.initialize(data, (restart > 0).then_some(seed), &[])?
        }
    };
    Ok(params)
}

fn no_method(expected: &str) -> Failure {
    Failure::new(format!("--method: expected {expected} for this model"))
}

fn hidden_markov(args: &FitArgs, source: &Source) -> Result<(Hmm, String), Failure> {
    let data = &source.data.dataset;
    let classes: Vec<usize> = (0..data.width())
        .map(|c| match source.data.labels.get(&source.selection.columns[c]) {
            Some(labels) => labels.len(),
            None => {
                data.rows()[c..].iter().step_by(data.width()).fold(0.0f64, |max, x| max.max(*x)) as usize
                    + 1
            }
        })
        .collect();
    model::build(&Request {
        model: &args.model,
        num_states: num_states(args)?,
        classes: &classes,
        input_dim: data.input_dim(),
        settings: &args.set,
    })
}

fn linear_gaussian(args: &FitArgs, source: &Source) -> Result<LinearGaussianSsm, Failure> {
    let data = &source.data.dataset;
    let mut spec = model::members(serde_json::json!({
        "state_dim": num_states(args)?,
        "emission_dim": data.width(),
        "input_dim": data.input_dim(),
    }));
    spec.extend(args.set.iter().cloned());
    Ok(LinearGaussianSsm::new(model::read::<LinearGaussianSpec>(spec)?)?)
}

fn structural(args: &FitArgs, source: &Source) -> Result<StructuralTimeSeries, Failure> {
    let data = &source.data.dataset;
    components::build(&args.components, data.width(), data.input_dim(), &args.set)
}

fn num_states(args: &FitArgs) -> Result<usize, Failure> {
    let hint = "--components are for structural; this model needs --states K";
    args.states.ok_or_else(|| Failure::hinted("how many states?", hint))
}

//! A model of any kind: the one place that tells kinds apart.

use statewise::learn::Learnable;
use statewise::model::hmm::Hmm;
use statewise::output::{ModelFile, ModelSpec};
use statewise::params::Params;

use crate::failure::Failure;
use crate::gaussian::GaussianModel;

/// A model as the commands use it.
pub(crate) enum Model {
    /// Discrete states.
    Hmm(Hmm),
    /// A continuous state.
    Gaussian(GaussianModel),
}

impl Model {
    /// The model of a file.
    pub(crate) fn of(file: &ModelFile) -> Result<Self, Failure> {
        Ok(match &file.spec {
            ModelSpec::LinearGaussian(_) => {
                Model::Gaussian(GaussianModel::Linear(Box::new(file.build_linear_gaussian()?)))
            }
            ModelSpec::Structural(_) => {
                Model::Gaussian(GaussianModel::Structural(file.build_structural()?))
            }
            _ => Model::Hmm(file.build_hmm()?),
        })
    }

    /// The file of the model.
    pub(crate) fn file(&self, name: &str, params: Params) -> ModelFile {
        match self {
            Model::Hmm(hmm) => ModelFile::hmm(name, hmm, params),
            Model::Gaussian(GaussianModel::Linear(model)) => {
                ModelFile::linear_gaussian(name, model, params)
            }
            Model::Gaussian(GaussianModel::Structural(model)) => ModelFile::structural(name, model, params),
        }
    }

    /// The model as learners see it.
    pub(crate) fn learnable(&self) -> &dyn Learnable {
        match self {
            Model::Hmm(hmm) => hmm,
            Model::Gaussian(GaussianModel::Linear(model)) => &**model,
            Model::Gaussian(GaussianModel::Structural(model)) => model,
        }
    }

    /// The model with discrete states, for commands that need them.
    pub(crate) fn discrete(&self, command: &str) -> Result<&Hmm, Failure> {
        match self {
            Model::Hmm(hmm) => Ok(hmm),
            Model::Gaussian(_) => Err(Failure::hinted(
                format!(
                    "{command} is for models with discrete states, and this one has a continuous state"
                ),
                "smooth gives its means and standard deviations",
            )),
        }
    }

    /// What the model is made of: `with 2 states`, `of level, seasonal`.
    pub(crate) fn size(&self) -> String {
        let count = |n: usize| format!("with {n} state{}", if n == 1 { "" } else { "s" });
        match self {
            Model::Hmm(hmm) => count(hmm.num_states()),
            Model::Gaussian(GaussianModel::Linear(model)) => count(model.spec().state_dim),
            Model::Gaussian(GaussianModel::Structural(model)) => {
                format!("of {}", model.component_names().join(", "))
            }
        }
    }

    /// U.
    pub(crate) fn input_dim(&self) -> usize {
        match self {
            Model::Hmm(hmm) => hmm.input_dim(),
            Model::Gaussian(model) => model.input_dim(),
        }
    }

    /// Values in one row of emissions.
    pub(crate) fn width(&self) -> usize {
        match self {
            Model::Hmm(hmm) => hmm.emission_width(),
            Model::Gaussian(model) => model.emission_dim(),
        }
    }
}

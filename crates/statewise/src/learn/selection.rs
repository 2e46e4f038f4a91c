//! Information criteria: how many states the data pay for.

use super::Learnable;
use crate::data::Dataset;
use crate::error::Result;
use crate::params::{FreeSpace, Params, Properties};

/// Criteria of one fitted model; smaller is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InformationCriteria {
    /// log p(y | θ), priors left out.
    pub marginal_loglik: f64,
    /// p, the number of free parameters: fixed ones do not count, tied ones count once.
    pub num_parameters: usize,
    /// n, the number of time steps with any observation, weighted as the sequences are.
    pub num_observations: f64,
    /// −2 log p(y | θ) + 2 p.
    pub aic: f64,
    /// AIC + 2 p (p + 1) / (n − p − 1), for short series; ∞ where n ≤ p + 1.
    pub aicc: f64,
    /// −2 log p(y | θ) + p log n.
    pub bic: f64,
    /// −2 log p(y | θ) + 2 p log log n, between AIC and BIC; no penalty where n < e.
    pub hqic: f64,
    /// −2 log p(y, ẑ | θ) + p log n with ẑ the most likely path (Viterbi), so that states which the
    /// data do not tell apart cost something; `None` where the model has no discrete states.
    pub icl: Option<f64>,
}

/// Computes AIC, AICc, BIC, HQIC and ICL at `params`.
///
/// The criteria presume maximum likelihood: fit with the prior switched off. Diffuse states of a structural
/// model do not count as parameters; [`InformationCriteria::counting`] makes them.
///
/// # Errors
/// Parameters, properties or data that do not fit, or a sequence that can't be explained.
///
/// # Source
/// Akaike (1974); Hurvich and Tsai (1989) for AICc; Schwarz (1978); Hannan and Quinn (1979);
/// Biernacki, Celeux and Govaert (2000), with the classification likelihood of the most likely path.
pub fn information_criteria(
    model: &dyn Learnable,
    params: &Params,
    properties: &Properties,
    data: &Dataset<'_>,
) -> Result<InformationCriteria> {
    let params = &super::learner::prepare(model, params, properties, data)?;
    let marginal_loglik = model.e_step(params, data)?.marginal_loglik;
    let num_parameters = FreeSpace::new(model.schema(), properties, params).dim();
    let num_observations = observed_steps(data);
    let joint = model.classification_log_prob(params, data)?;
    Ok(InformationCriteria::of(marginal_loglik, num_parameters, num_observations, joint))
}

impl InformationCriteria {
    fn of(marginal_loglik: f64, num_parameters: usize, num_observations: f64, joint: Option<f64>) -> Self {
        let p = num_parameters as f64;
        let penalty = p * num_observations.ln();
        let aic = -2.0 * marginal_loglik + 2.0 * p;
        let spare = num_observations - p - 1.0;
        let log_log = num_observations.max(std::f64::consts::E).ln().ln();
        InformationCriteria {
            marginal_loglik,
            num_parameters,
            num_observations,
            aic,
            aicc: if spare > 0.0 { aic + 2.0 * p * (p + 1.0) / spare } else { f64::INFINITY },
            bic: -2.0 * marginal_loglik + penalty,
            hqic: -2.0 * marginal_loglik + 2.0 * p * log_log,
            icl: joint.map(|joint| -2.0 * joint + penalty),
        }
    }

    /// The criteria with `more` parameters counted: those of statsmodels, which counts every diffuse state as
    /// one. Models with different diffuse parts have likelihoods of different data; counting their states
    /// makes up for most of that.
    pub fn counting(&self, more: usize) -> Self {
        let penalty = self.num_parameters as f64 * self.num_observations.ln();
        let joint = self.icl.map(|icl| -0.5 * (icl - penalty));
        Self::of(self.marginal_loglik, self.num_parameters + more, self.num_observations, joint)
    }
}

fn observed_steps(data: &Dataset<'_>) -> f64 {
    let seen = |n: usize| {
        let rows = data.sequence(n).emissions.chunks_exact(data.width());
        data.weight(n) * rows.filter(|row| row.iter().any(|y| !y.is_nan())).count() as f64
    };
    (0..data.num_sequences()).map(seen).sum()
}

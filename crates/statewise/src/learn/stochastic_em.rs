//! EM on minibatches of sequences: statistics are blended, not parameters.
//!
//! S ← (1 − γ_t) S + γ_t N/|B| Σ_{n∈B} s_n(θ),  θ ← argmax Q(θ; S)

use statewise_kernels::random::Seed;

use super::learner::prepare;
use super::minibatch::Minibatches;
use super::step_size::Blend;
use super::{FitReport, Learnable, Learner, Progress, Statistics, StepSize};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::params::{Params, Properties};

/// Settings of minibatch EM.
///
/// Where a family's statistics are those of a bound at the parameters of the E-step (softmax
/// regressions, Student's t), blended statistics mix bounds made at different parameters. Each still
/// lies below its likelihood, so the method climbs a blend of bounds: the fixed points stay the
/// same, but steps near the start are shorter than those of EM.
///
/// A single long sequence is one minibatch; cut it into pieces first.
#[derive(Clone, Debug)]
pub struct StochasticEm {
    /// Passes over the data.
    pub num_epochs: usize,
    /// |B|, sequences in a minibatch; the last of a pass may be shorter, and is scaled up.
    pub batch_size: usize,
    /// Whether each pass takes the sequences in a new order.
    pub shuffle: bool,
    /// Where the orders come from.
    pub seed: Seed,
    /// γ_t.
    pub step_size: StepSize,
    /// Whether the priors count (MAP) or not (maximum likelihood).
    pub prior: bool,
}

impl Default for StochasticEm {
    fn default() -> Self {
        StochasticEm {
            num_epochs: 50,
            batch_size: 1,
            shuffle: true,
            seed: Seed(0),
            step_size: StepSize::default(),
            prior: true,
        }
    }
}

impl Learner for StochasticEm {
    /// `log_probs` are Σ_n log p(y_n | θ) with each minibatch at the parameters it met, plus the
    /// log prior at the start of the pass where it counts; no tolerance ends the fit.
    ///
    /// # Source
    /// Cappé and Moulines (2009), Online EM algorithm for latent data models, §2.
    fn fit(
        &self,
        model: &dyn Learnable,
        start: &Params,
        properties: &Properties,
        data: &Dataset<'_>,
        observe: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<FitReport> {
        let start = &prepare(model, start, properties, data)?;
        self.step_size.check()?;
        if self.batch_size == 0 {
            return Err(Error::argument("batch_size", 0, "at least 1"));
        }
        let minibatches = Minibatches {
            num_sequences: data.num_sequences(),
            batch_size: self.batch_size,
            shuffle: self.shuffle,
            seed: self.seed,
        };
        let mut report = FitReport::start(start, self.num_epochs);
        let mut blend = Blend::default();
        for iteration in 0..self.num_epochs {
            let mut log_prob = if self.prior { model.log_prior(&report.params) } else { 0.0 };
            let mut seen: Option<Statistics> = None;
            for batch in minibatches.of_epoch(iteration as u64) {
                let mut statistics = model.e_step(&report.params, &data.select(&batch))?;
                log_prob += statistics.marginal_loglik;
                match &mut seen {
                    Some(seen) => seen.merge(&statistics),
                    None => seen = Some(statistics.clone()),
                }
                statistics.scale(data.num_sequences() as f64 / batch.len() as f64);
                blend.add(&self.step_size, statistics);
                if let Some(statistics) = &blend.statistics {
                    let outcome = model.m_step(&report.params, properties, statistics, self.prior)?;
                    report.params = outcome.params;
                    report.repairs += outcome.repairs;
                }
            }
            report.warnings = seen.map_or(vec![], |seen| model.warnings(&seen));
            report.log_probs.push(log_prob);
            let num_iters = self.num_epochs;
            if !observe(Progress { iteration, num_iters, log_prob, params: &report.params }) {
                report.interrupted = true;
                break;
            }
        }
        report.warn_of_repairs();
        report.warn_of_identical_states(model.schema(), properties);
        Ok(report)
    }

    fn prior(&self) -> bool {
        self.prior
    }
}

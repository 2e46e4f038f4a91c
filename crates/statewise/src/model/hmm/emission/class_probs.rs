//! Class probabilities, the parameters that categorical and multinomial emissions share.
//!
//! Q(p) = Σ_kdc N_kdc ln p_kdc,  p_kd ~ Dirichlet(α),  N the expected counts

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::priors::{DirichletPrior, ratio, xlogy};

use crate::error::Result;
use crate::model::hmm::component::{MStep, Maximised, check_positive, check_size};
use crate::params::{Array, Constraint, ParamSpec};

/// Sizes and prior of class probabilities of shape \[K, Dm, C\].
///
/// Expected counts are laid out \[Dm, C, K\], so that one observation adds to a row of states.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassProbs {
    /// K.
    pub(super) num_states: usize,
    /// Dm.
    pub(super) emission_dim: usize,
    /// C.
    pub(super) num_classes: usize,
    /// p(p_kd).
    pub(super) prior: DirichletPrior,
}

impl ClassProbs {
    pub(super) fn schema(self) -> Vec<ParamSpec> {
        vec![ParamSpec::new("emissions.probs", "emission_probs", &self.shape(), Constraint::Simplex)]
    }

    fn shape(self) -> [usize; 3] {
        [self.num_states, self.emission_dim, self.num_classes]
    }

    pub(super) fn len(self) -> usize {
        self.shape().iter().product()
    }

    pub(super) fn check_hyperparameters(self) -> Result<()> {
        check_size("num_states", self.num_states)?;
        check_size("emission_dim", self.emission_dim)?;
        check_size("num_classes", self.num_classes)?;
        check_positive("emission_prior_concentration", self.prior.concentration)
    }

    /// The expected counts of the classes in (state, dimension) number `row`.
    fn counts(self, stats: &[f64], row: usize) -> impl Iterator<Item = f64> + Clone + '_ {
        let (k, d) = (row / self.emission_dim, row % self.emission_dim);
        (0..self.num_classes).map(move |c| stats[(d * self.num_classes + c) * self.num_states + k])
    }

    pub(super) fn expected_log_prob(self, params: &[Array], stats: &[f64]) -> f64 {
        let rows = params[0].values().chunks_exact(self.num_classes).enumerate();
        rows.flat_map(|(row, p)| self.counts(stats, row).zip(p)).map(|(n, p)| xlogy(n, *p)).sum()
    }

    pub(super) fn expected_log_prob_gradient(
        self,
        params: &[Array],
        stats: &[f64],
        gradient: &mut [Array],
    ) {
        let rows = params[0].values().chunks_exact(self.num_classes).enumerate();
        let slopes = rows.flat_map(|(row, p)| self.counts(stats, row).zip(p)).map(|(n, p)| ratio(n, *p));
        gradient[0].values_mut().iter_mut().zip(slopes).for_each(|(g, s)| *g += s);
    }

    pub(super) fn log_prior(self, params: &[Array]) -> f64 {
        self.prior.log_density(params[0].values(), self.num_classes)
    }

    pub(super) fn log_prior_gradient(self, params: &[Array], gradient: &mut [Array]) {
        self.prior.add_slope(params[0].values(), gradient[0].values_mut());
    }

    /// p_kdc ∝ α − 1 + N_kdc, the mode of the Dirichlet posterior.
    pub(super) fn maximise(self, step: &MStep<'_>, params: &mut [Array]) -> Maximised {
        if !step.is_whole() {
            return Maximised::NoClosedForm;
        }
        if !step.moves(0) {
            return Maximised::Done { repairs: 0 };
        }
        let prior = if step.prior { self.prior } else { DirichletPrior::FLAT };
        let mut repairs = 0;
        for (row, p) in params[0].values_mut().chunks_exact_mut(self.num_classes).enumerate() {
            repairs += prior.mode(self.counts(step.stats, row), p);
        }
        Maximised::Done { repairs }
    }

    pub(super) fn sample_prior(self, rng: &mut ChaCha8Rng) -> Vec<Array> {
        let mut probs = Array::zeros(&self.shape());
        self.prior.draw(probs.values_mut(), self.num_classes, rng);
        vec![probs]
    }

    /// Starts every state at the overall frequencies, times random factors that tell states apart
    /// whatever the length of the data; `totals` are counts of the classes, shape \[Dm, C\].
    pub(super) fn perturbed_frequencies(self, totals: &[f64], rng: &mut ChaCha8Rng) -> Vec<Array> {
        let mut probs = Array::zeros(&self.shape());
        for (row, p) in probs.values_mut().chunks_exact_mut(self.num_classes).enumerate() {
            let first = (row % self.emission_dim) * self.num_classes;
            let factor = |_| 0.1 - (1.0 - rng.random::<f64>()).ln();
            let weights = totals[first..].iter().zip((0..p.len()).map(factor)).map(|(n, f)| (n + 1.0) * f);
            p.iter_mut().zip(weights).for_each(|(p, w)| *p = w);
            let total: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= total);
        }
        vec![probs]
    }
}

//! The M-step of one regression: weights given the noise, then the noise given the weights.
//!
//! Σ = S(W) / n,  in the form that Σ has (`covariance_step.rs`); with a conjugate prior both sums include its share.
//!
//! Where all weights move, both are at their joint maximum; where some are fixed or tied this is ECM,
//! which never goes down either.
//!
//! # Source
//! Shumway and Stoffer (1982); Holmes, Ward and Scheuerell (2012) for constraints; Meng and Rubin
//! (1993) for the order.

use super::covariance::Precision;
use super::least_squares::{Movement, increment};
use super::regression::Regression;
use crate::params::{Array, ParamProperties};

impl Regression {
    /// Maximises in place and answers the number of repairs.
    ///
    /// A variance of zero stays zero, and its row of W stays as it is: EM cannot move either.
    pub(super) fn maximise(
        &self,
        stats: &[f64],
        prior: bool,
        properties: &[ParamProperties],
        params: &mut [Array],
    ) -> usize {
        let sums = self.sums_with_prior(stats, prior);
        if sums.counts.iter().any(|count| count.is_nan() || *count <= 0.0) {
            return 0;
        }
        let (n, p) = (self.outputs, self.regressors());
        let before = self.precision(params);
        let start = self.weights(params);
        let variances = self.form.variances(params[self.cov].values(), n);
        let movement = Movement::new(self, properties).without_rows(|i| variances[i] == 0.0, n, p);
        let mut weights = start.clone();
        if !movement.is_none() {
            let step = increment(self, &sums, &start, &movement, before.as_ref());
            weights.iter_mut().zip(step).for_each(|(w, s)| *w += s);
        }
        let old_cov = params[self.cov].clone();
        let mut repairs = self.maximise_cov(&sums, &weights, before.is_some(), properties, params);
        let falls = |after: &Precision| {
            let start = before.as_ref().map(|before| self.objective(&sums, &start, before));
            let reached = self.objective(&sums, &weights, after);
            start.is_some_and(|start| reached < start - 1e-12 * (1.0 + start.abs()))
        };
        // Only what was repaired, or sums without digits, can lead downhill.
        if self.precision(params).as_ref().is_some_and(falls) {
            params[self.cov] = old_cov;
            repairs = repairs.max(1);
            let kept = before.as_ref().map(|b| (self.objective(&sums, &start, b), b));
            if kept.is_some_and(|(start, b)| self.objective(&sums, &weights, b) < start) {
                return repairs;
            }
        }
        self.set_weights(&weights, params);
        repairs
    }
}

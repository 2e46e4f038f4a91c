//! Draws of a regression's weights and noise from their conjugate posterior.
//!
//! With all weights free, Σ first and W given it: Σ ~ InverseWishart(ν', Ψ'), W | Σ ~ MN(M', Σ, V'⁻¹). With
//! entries fixed or tied, W | Σ (the normal distribution whose mean the M-step takes) and then Σ | W.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, StandardNormal};
use statewise_kernels::linalg::cholesky;

use super::covariance_blocks::Kind;
use super::inverse_wishart::InverseWishart;
use super::least_squares::{Grouped, Movement, Semidefinite, increment};
use super::matrix::product;
use super::regression::{Regression, Sums};
use crate::error::{Error, Result};
use crate::params::{Array, ParamProperties};

impl Regression {
    /// Draws what may move, given statistics of known states; the other entries of `params` stay.
    ///
    /// # Errors
    /// A model without priors, or a covariance that is singular though it may move.
    pub(super) fn draw(
        &self,
        stats: &[f64],
        properties: &[ParamProperties],
        params: &mut [Array],
        rng: &mut ChaCha8Rng,
    ) -> Result<()> {
        if self.prior.is_none() {
            return Err(Error::argument(
                "model",
                "no prior",
                "conjugate priors (`prior` of the specification)",
            ));
        }
        let sums = self.sums_with_prior(stats, true);
        let (n, p) = (self.outputs, self.regressors());
        let variances = self.form.variances(params[self.cov].values(), n);
        let movement = Movement::new(self, properties).without_rows(|i| variances[i] == 0.0, n, p);
        let property = &properties[self.cov];
        let regular = variances.iter().all(|v| *v > 0.0);
        if matches!(movement, Movement::All) && property.is_plain() && regular {
            let mut mean = self.weights(params);
            let step = increment(self, &sums, &mean, &movement, None);
            mean.iter_mut().zip(step).for_each(|(w, s)| *w += s);
            let residual = self.residual(&sums, &mean);
            self.draw_cov(&residual, &sums, p as f64, property, params, rng)?;
            let weights = self.draw_free_weights(&sums, &mean, params, rng)?;
            self.set_weights(&weights, params);
            return Ok(());
        }
        if let Movement::Groups(groups) = &movement
            && !groups.is_empty()
        {
            let weights = self.draw_grouped_weights(&sums, groups, params, rng)?;
            self.set_weights(&weights, params);
        } else if matches!(movement, Movement::All) {
            let mut mean = self.weights(params);
            let step = increment(self, &sums, &mean, &movement, None);
            mean.iter_mut().zip(step).for_each(|(w, s)| *w += s);
            let weights = self.draw_free_weights(&sums, &mean, params, rng)?;
            self.set_weights(&weights, params);
        }
        let residual = self.residual(&sums, &self.weights(params));
        self.draw_cov(&residual, &sums, 0.0, property, params, rng)
    }

    /// W ~ MN(mean, Σ, Sxx⁻¹).
    fn draw_free_weights(
        &self,
        sums: &Sums,
        mean: &[f64],
        params: &[Array],
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<f64>> {
        let (n, p) = (self.outputs, self.regressors());
        let mut chol = self.form.matrix_of(params[self.cov].values(), n);
        cholesky(&mut chol, n).map_err(|e| self.singular(e))?;
        let solver = Semidefinite::new(sums.xx.clone(), p);
        let mut z: Vec<f64> = (0..n * p).map(|_| StandardNormal.sample(rng)).collect();
        z.chunks_exact_mut(p).for_each(|row| solver.colour(row));
        let mut weights = product(&chol, &z, n, n, p);
        weights.iter_mut().zip(mean).for_each(|(w, m)| *w += m);
        Ok(weights)
    }

    fn draw_grouped_weights(
        &self,
        sums: &Sums,
        groups: &[Vec<usize>],
        params: &[Array],
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<f64>> {
        let precision = self.precision(params).ok_or_else(|| self.singular("a singular matrix"))?;
        let mut weights = self.weights(params);
        let movement = Movement::Groups(groups.to_vec());
        let step = increment(self, sums, &weights, &movement, Some(&precision));
        weights.iter_mut().zip(step).for_each(|(w, s)| *w += s);
        let grouped = Grouped { groups, precision: &precision, xx: &sums.xx, p: self.regressors() };
        for part in grouped.parts(self.outputs) {
            let solver = Semidefinite::new(grouped.normal_matrix(&part), part.len());
            let mut z: Vec<f64> = part.iter().map(|_| StandardNormal.sample(rng)).collect();
            solver.colour(&mut z);
            for (g, z) in part.iter().zip(z) {
                groups[*g].iter().for_each(|at| weights[*at] += z);
            }
        }
        Ok(weights)
    }

    /// Σ of density ∝ |Σ|^(−n/2) exp(−½ tr Σ⁻¹ S), in the form that it has.
    ///
    /// * `lost` – by how much n is less than the count of the sums.
    fn draw_cov(
        &self,
        residual: &[f64],
        sums: &Sums,
        lost: f64,
        property: &ParamProperties,
        params: &mut [Array],
        rng: &mut ChaCha8Rng,
    ) -> Result<()> {
        let values = params[self.cov].values_mut();
        for group in self.moving_groups(property) {
            let count: f64 = group.copies.iter().map(|copy| sums.counts[copy[0]] - lost).sum();
            let scale = group.sum_of(residual, self.outputs);
            let size = group.size();
            if group.kind != Kind::Variance {
                let scale = Array::new(&[size, size], scale);
                let drawn = InverseWishart { df: count - size as f64 - 1.0, scale }.sample(rng)?;
                self.set_value(&group, &drawn, values);
            } else if self.value(&group, values)[0] != 0.0 {
                let shape = 0.5 * count - 1.0;
                let gamma = Gamma::new(shape, 1.0)
                    .map_err(|_| Error::argument("prior", shape, "an inverse gamma of positive shape"))?;
                let variance = 0.5 * scale[0] / gamma.sample(rng).max(f64::MIN_POSITIVE);
                self.set_value(&group, &[variance.clamp(1e-300, 1e300)], values);
            }
        }
        Ok(())
    }

    fn singular(&self, found: impl std::fmt::Display) -> Error {
        Error::argument(
            "params",
            format!("a noise covariance that is not regular: {found}"),
            "variances above 0",
        )
    }
}

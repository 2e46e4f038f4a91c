//! The proper start beside a diffuse one.

use super::directions::Directions;
use crate::gaussian::system::{GaussianError, Noise, System};
use crate::linalg::semidefinite_cholesky;

/// z_1 = m + A δ + N(0, P) with δ flat.
///
/// Where R is singular, an observation could pin δ down without any error, which rows of least squares can't
/// say. There P gives way to P + c P∞: a flat δ with some noise added is as flat as before, and
/// then every entry that sees δ has a variance given δ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiffuseStart {
    cov: Vec<f64>,
    /// A, \[D, q\].
    factor: Vec<f64>,
    state_dim: usize,
}

impl DiffuseStart {
    /// The start of a system; `None` where it is proper.
    ///
    /// # Errors
    /// P∞ or R not positive semi-definite.
    pub fn of(system: &System<'_>) -> Result<Option<Self>, GaussianError> {
        let (Some(diffuse), d) = (system.initial_diffuse, system.state_dim) else { return Ok(None) };
        let mut square = diffuse.to_vec();
        let rank = semidefinite_cholesky(&mut square, d).map_err(|e| GaussianError::Indefinite {
            argument: "initial_diffuse",
            t: 0,
            pivot: e.pivot,
        })?;
        let kept: Vec<usize> = (0..d).filter(|j| square[j * d + j] > 0.0).collect();
        let factor = (0..d * rank).map(|ij| square[ij / rank * d + kept[ij % rank]]).collect();
        let mut cov = system.initial_cov.to_vec();
        if rank > 0 && is_singular(system)? {
            let largest = |values: &[f64]| values.iter().fold(0.0f64, |a, x| a.max(x.abs()));
            let known =
                [cov.as_slice(), system.transition_cov.values(), system.emission_cov.steps().values()];
            let scale = known.map(largest).into_iter().fold(0.0, f64::max);
            let scale = if scale > 0.0 { scale } else { 1.0 };
            let weight = scale / largest(diffuse);
            cov.iter_mut().zip(diffuse).for_each(|(p, x)| *p += weight * x);
        }
        Ok(Some(DiffuseStart { cov, factor, state_dim: d }))
    }

    /// P, or P + c P∞, \[D, D\].
    pub fn cov(&self) -> &[f64] {
        &self.cov
    }

    /// δ before any observation.
    pub fn directions(&self) -> Directions {
        Directions::new(&self.factor, self.state_dim)
    }

    /// A V R⁻¹, column by column, \[D\] each: starts with which δ, as far as it is identified, has
    /// covariance I.
    pub fn columns(&self, directions: &Directions) -> Vec<Vec<f64>> {
        let rows = directions.in_units(&self.factor, self.state_dim);
        let rank = directions.rank();
        (0..rank).map(|j| (0..self.state_dim).map(|i| rows[i * rank + j]).collect()).collect()
    }

    /// m + A V R⁻¹ z, the mean of z_1 where δ is the `estimate`.
    pub fn mean(&self, directions: &Directions, initial_mean: &[f64], estimate: &[f64]) -> Vec<f64> {
        let mut mean = initial_mean.to_vec();
        for (column, z) in self.columns(directions).iter().zip(estimate) {
            mean.iter_mut().zip(column).for_each(|(x, a)| *x += z * a);
        }
        mean
    }
}

/// Whether R of some step is singular.
fn is_singular(system: &System<'_>) -> Result<bool, GaussianError> {
    let m = system.emission_dim;
    match system.emission_cov {
        Noise::Diagonal(r) => Ok(r.values().iter().any(|x| *x <= 0.0)),
        Noise::Full(r) => {
            for (t, r) in r.values().chunks_exact(m * m).enumerate() {
                let rank = semidefinite_cholesky(&mut r.to_vec(), m).map_err(|e| {
                    GaussianError::Indefinite { argument: "emission_cov", t, pivot: e.pivot }
                })?;
                if rank < m {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

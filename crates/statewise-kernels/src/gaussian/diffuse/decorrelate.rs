//! Observations of one step as scalars with independent noise.
//!
//! R = C D Cᵀ with C unit lower triangular:  y' = C⁻¹ (y − d) = (C⁻¹ H) z + N(0, D)
//!
//! C has determinant one and mixes an entry with earlier ones only, so densities of entries given
//! earlier entries, and their factors of κ, are those of y itself.

use crate::gaussian::small::add;
use crate::gaussian::system::{GaussianError, Noise, System};

/// A pivot of R below this share of its variance is zero.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// A pivot of R below minus this share of its variance is an error.
const NEGATIVE: f64 = 1e-9;

/// The scalars of a step; rows of missing entries are those of the identity, with variance 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Scalars {
    /// C⁻¹, \[M, M\]; empty if it is the identity.
    pub(super) inverse: Vec<f64>,
    /// C⁻¹ H, \[M, D\].
    pub(super) emission: Vec<f64>,
    /// The diagonal of D, \[M\].
    pub(super) variances: Vec<f64>,
}

impl Scalars {
    /// Those of step t, whose `observed` entries count.
    pub(super) fn of(system: &System<'_>, t: usize, observed: &[bool]) -> Result<Self, GaussianError> {
        let (d, m) = (system.state_dim, system.emission_dim);
        let h = system.emission.at(t);
        let r = match system.emission_cov {
            Noise::Diagonal(r) => {
                return Ok(Scalars { inverse: vec![], emission: h.to_vec(), variances: r.at(t).to_vec() });
            }
            Noise::Full(r) => r.at(t),
        };
        let (mut c, mut inverse) = (vec![0.0; m * m], vec![0.0; m * m]);
        let (mut emission, mut variances) = (h.to_vec(), vec![0.0; m]);
        for i in 0..m {
            inverse[i * m + i] = 1.0;
            if !observed[i] {
                continue;
            }
            let mut pivot = r[i * m + i];
            for j in (0..i).filter(|j| observed[*j]) {
                let taken: f64 = (0..j).map(|k| c[i * m + k] * variances[k] * c[j * m + k]).sum();
                let loading = if variances[j] > 0.0 { (r[i * m + j] - taken) / variances[j] } else { 0.0 };
                c[i * m + j] = loading;
                pivot -= loading * loading * variances[j];
                let (head, tail) = inverse.split_at_mut(i * m);
                add(tail, -loading, &head[j * m..(j + 1) * m]);
                let (head, tail) = emission.split_at_mut(i * d);
                add(&mut tail[..d], -loading, &head[j * d..(j + 1) * d]);
            }
            if pivot.is_nan() || pivot < -NEGATIVE * r[i * m + i] {
                return Err(GaussianError::Indefinite { argument: "emission_cov", t, pivot });
            }
            variances[i] = if pivot > ROUNDING * m as f64 * r[i * m + i] { pivot } else { 0.0 };
        }
        Ok(Scalars { inverse, emission, variances })
    }
}

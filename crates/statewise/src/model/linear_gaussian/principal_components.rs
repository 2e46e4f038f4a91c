//! A start from principal components.
//!
//! z_t = Λ^(−½) Vᵀ (y_t, …, y_{t-l+1}), with the first D eigenvalues and eigenvectors of the covariance of l
//! neighbouring steps, l the least with l M ≥ D.

use statewise_kernels::linalg::symmetric_eigen;

use super::lagged_moments::LaggedMoments;
use super::spec::LinearGaussianSpec;
use super::start::{Estimate, regress};
use crate::data::Dataset;
use crate::error::{Error, Result};

/// Share of an observation's variance that is taken for noise at least.
const NOISE: f64 = 0.05;

pub(super) fn principal_components(spec: &LinearGaussianSpec, data: &Dataset<'_>) -> Result<Estimate> {
    let (d, m, u) = (spec.state_dim, spec.emission_dim, spec.input_dim);
    let lags = d.div_ceil(m);
    if data.lengths().max().unwrap_or(0) < lags + 2 {
        let found = format!("at most {} steps", data.lengths().max().unwrap_or(0));
        return Err(Error::argument(
            "emissions",
            found,
            format!("a sequence of at least {} steps", lags + 2),
        ));
    }
    let moments = LaggedMoments::new(data, lags, spec.has_emissions_bias)?;
    let stack = moments.emissions((0..lags).map(|l| -(l as isize)));
    let size = lags * m;
    let eigen = symmetric_eigen(&moments.cov(&stack, &stack), size)
        .map_err(|e| Error::argument("emissions", e, "moments that are finite"))?;
    let greatest = eigen.values.last().copied().unwrap_or(0.0);
    if greatest.is_nan() || greatest <= 0.0 {
        return Err(Error::argument("emissions", "data without variance", "data that vary"));
    }
    let mut scores = vec![0.0; d * size];
    for (k, row) in scores.chunks_exact_mut(size).enumerate() {
        let column = size - 1 - k;
        let scale = eigen.values[column].max(1e-10 * greatest).sqrt();
        (0..size).for_each(|i| row[i] = eigen.vectors[i * size + column] / scale);
    }
    let state = moments.map(&scores, &stack, d);
    let before = moments.map(&scores, &moments.emissions((0..lags).map(|l| -1 - l as isize)), d);
    let inputs = moments.inputs(std::iter::once(0));
    let y = moments.emissions(std::iter::once(0));
    let x = [before, inputs.clone()].concat();
    let state_cov = moments.cov(&state, &state);
    let (dynamics, mut transition_cov) =
        regress(&state_cov, &moments.cov(&state, &x), &moments.cov(&x, &x), d, d + u);
    let x = [state, inputs].concat();
    let variance = moments.cov(&y, &y);
    let (emissions, mut emission_cov) =
        regress(&variance, &moments.cov(&y, &x), &moments.cov(&x, &x), m, d + u);
    (0..d).for_each(|i| transition_cov[i * d + i] += 1e-3 * state_cov[i * d + i]);
    (0..m).for_each(|i| emission_cov[i * m + i] += NOISE * variance[i * m + i].max(1e-12 * greatest));
    let columns = |w: &[f64], from: usize, to: usize| -> Vec<f64> {
        w.chunks_exact(d + u).flat_map(|row| row[from..to].to_vec()).collect()
    };
    Ok(Estimate {
        transition: columns(&dynamics, 0, d),
        transition_inputs: columns(&dynamics, d, d + u),
        transition_cov: super::subspace::positive(&transition_cov, d, 1e-6)?,
        emission: columns(&emissions, 0, d),
        emission_inputs: columns(&emissions, d, d + u),
        emission_cov: super::subspace::positive(&emission_cov, m, 1e-6)?,
        state_cov: super::subspace::positive(&state_cov, d, 1e-3)?,
        mean: moments.mean.clone(),
    })
}

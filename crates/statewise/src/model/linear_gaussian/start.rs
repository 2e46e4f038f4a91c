//! Starting parameters: Dynamax's defaults, principal components, or subspace identification.

use rand_distr::{Distribution, StandardNormal};
use statewise_kernels::linalg::svd;
use statewise_kernels::random::Seed;

use super::covariance::CovarianceForm;
use super::matrix::{product, product_transposed, transpose};
use super::principal_components::principal_components;
use super::ssm::LinearGaussianSsm;
use super::subspace::subspace;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::learn::Em;
use crate::params::{Array, Params, Properties, set_given};

/// Iterations of EM for covariances after a start from data.
const SETTLING: usize = 5;

/// How parameters are started where no values are given.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, 'b> {
    /// As Dynamax: m = 0, S = I, F = 0.99 I, Q = R = 0.1 I, H of standard normals, all else 0.
    Default,
    /// States are the first principal components of the data (of a few neighbouring steps where
    /// D > M), with unit variance; the rest by regression, covariances by a few iterations of EM.
    Pca(&'a Dataset<'b>),
    /// Subspace identification: states of unit variance are what past observations and inputs best tell
    /// of future observations; covariances by a few iterations of EM.
    Subspace(&'a Dataset<'b>),
}

/// Matrices of a start; covariances are full here.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    /// F, \[D, D\].
    pub(super) transition: Vec<f64>,
    /// B, \[D, U\].
    pub(super) transition_inputs: Vec<f64>,
    /// Q.
    pub(super) transition_cov: Vec<f64>,
    /// H, \[M, D\].
    pub(super) emission: Vec<f64>,
    /// D, \[M, U\].
    pub(super) emission_inputs: Vec<f64>,
    /// R.
    pub(super) emission_cov: Vec<f64>,
    /// Cov(z).
    pub(super) state_cov: Vec<f64>,
    /// Means of y and u that were subtracted, \[M + U\].
    pub(super) mean: Vec<f64>,
}

impl LinearGaussianSsm {
    /// Computes starting parameters; `given` values are taken as they are, by path or keyword.
    ///
    /// The states of a start from data have coordinates of their own: values given beside one are right
    /// only where they do not depend on them (biases and covariances of the emissions, say).
    ///
    /// # Errors
    /// A given value that does not fit, a path the model does not have, or data that do not fit or are
    /// too short.
    pub fn initialize(
        &self,
        start: Start<'_, '_>,
        seed: Seed,
        given: &[(String, Array)],
    ) -> Result<(Params, Properties)> {
        let estimate = match start {
            Start::Default => self.default_estimate(seed),
            Start::Pca(data) => {
                self.check_data(data)?;
                principal_components(self.spec(), data)?
            }
            Start::Subspace(data) => {
                self.check_data(data)?;
                subspace(self.spec(), data)?
            }
        };
        let mut arrays = self.arrays_of(&estimate)?;
        if let Start::Pca(data) | Start::Subspace(data) = start {
            arrays = self.settle_noise(arrays, data);
        }
        set_given(self.schema(), &mut arrays, given)?;
        let params = Params::new(arrays);
        params.check(self.schema())?;
        Ok((params, Properties::trainable(self.schema())))
    }

    /// A few iterations of EM that move covariances only: regressions on estimated states tell the share of
    /// noise in dynamics and emissions badly. Where EM can't start, the arrays stay as they are.
    fn settle_noise(&self, arrays: Vec<Array>, data: &Dataset<'_>) -> Vec<Array> {
        let mut properties = Properties::trainable(self.schema());
        for (property, spec) in properties.0.iter_mut().zip(self.schema()) {
            property.trainable = spec.path.ends_with(".cov");
        }
        let start = Params::new(arrays);
        let em = Em { num_iters: SETTLING, tolerance: None, prior: false };
        match em.fit(self, &start, &properties, data, &mut |_| true) {
            Ok(report) => report.params.arrays().to_vec(),
            Err(_) => start.arrays().to_vec(),
        }
    }

    fn default_estimate(&self, seed: Seed) -> Estimate {
        let spec = self.spec();
        let (d, m, u) = (spec.state_dim, spec.emission_dim, spec.input_dim);
        let scaled = |n: usize, scale: f64| CovarianceForm::Full.array_of_diagonal(&vec![scale; n]);
        let mut rng = seed.stream("initialize", 0);
        Estimate {
            transition: scaled(d, 0.99),
            transition_inputs: vec![0.0; d * u],
            transition_cov: scaled(d, 0.1),
            emission: (0..m * d).map(|_| StandardNormal.sample(&mut rng)).collect(),
            emission_inputs: vec![0.0; m * u],
            emission_cov: scaled(m, 0.1),
            state_cov: scaled(d, 1.0),
            mean: vec![0.0; m + u],
        }
    }

    /// The arrays of an estimate, with biases such that states and observations have their means.
    fn arrays_of(&self, estimate: &Estimate) -> Result<Vec<Array>> {
        let spec = self.spec();
        let (d, m, u) = (spec.state_dim, spec.emission_dim, spec.input_dim);
        let (y_mean, u_mean) = estimate.mean.split_at(m);
        let drift = product(&estimate.transition_inputs, u_mean, d, u, 1);
        let mut state_mean = vec![0.0; d];
        if !spec.has_dynamics_bias && u > 0 {
            // z̄ = F z̄ + B ū.
            let mut gap = CovarianceForm::Full.array_of_diagonal(&vec![1.0; d]);
            gap.iter_mut().zip(&estimate.transition).for_each(|(g, f)| *g -= f);
            state_mean = product(&pseudo_inverse(&gap, d, d, 1e-6)?, &drift, d, d, 1);
        }
        let through_state = product(&estimate.emission, &state_mean, m, d, 1);
        let through_inputs = product(&estimate.emission_inputs, u_mean, m, u, 1);
        let array = |path: &str, shape: &[usize]| -> Array {
            let values = match path {
                "initial.mean" => state_mean.clone(),
                "initial.cov" => spec.initial_cov.array_of_full(&estimate.state_cov, d),
                "dynamics.weights" => estimate.transition.clone(),
                "dynamics.input_weights" => estimate.transition_inputs.clone(),
                "dynamics.bias" => drift.iter().map(|x| -x).collect(),
                "dynamics.cov" => spec.dynamics_cov.array_of_full(&estimate.transition_cov, d),
                "emissions.weights" => estimate.emission.clone(),
                "emissions.input_weights" => estimate.emission_inputs.clone(),
                "emissions.bias" => {
                    (0..m).map(|i| y_mean[i] - through_state[i] - through_inputs[i]).collect()
                }
                _ => spec.emissions_cov.array_of_full(&estimate.emission_cov, m),
            };
            Array::new(shape, values)
        };
        Ok(self.schema().iter().map(|spec| array(&spec.path, &spec.shape)).collect())
    }
}

/// A⁺ of A, \[m, n\], without singular values below `cut` times the greatest.
pub(super) fn pseudo_inverse(a: &[f64], m: usize, n: usize, cut: f64) -> Result<Vec<f64>> {
    let parts = svd(a, m, n).map_err(|e| Error::argument("emissions", e, "moments that are finite"))?;
    let r = m.min(n);
    let least = cut * parts.values.first().copied().unwrap_or(0.0);
    let mut right = parts.right;
    for (at, x) in right.iter_mut().enumerate() {
        let value = parts.values[at % r];
        *x *= if value > least { 1.0 / value } else { 0.0 };
    }
    Ok(product_transposed(&right, &parts.left, n, r, m))
}

/// The regression of y on x from their covariances: (W, Cov(y − W x)), directions of x without variance left
/// out. `yx` is \[n, p\].
pub(super) fn regress(yy: &[f64], yx: &[f64], xx: &[f64], n: usize, p: usize) -> (Vec<f64>, Vec<f64>) {
    let solver = super::least_squares::Semidefinite::new(xx.to_vec(), p);
    let mut weights = yx.to_vec();
    weights.chunks_exact_mut(p.max(1)).for_each(|row| solver.solve(row));
    let explained = product(&weights, &transpose(yx, n, p), n, p, n);
    let mut residual: Vec<f64> = yy.iter().zip(explained).map(|(y, e)| y - e).collect();
    super::matrix::symmetrise(&mut residual, n);
    (weights, residual)
}

//! What the blocks of a structural model have in common.
//!
//! A block has a state of its own, z_t = F(θ, Δ) z_{t-1} + η_t with Cov η_t = Σ_k σ²_k G_k(θ, Δ), and adds
//! hᵀ z_t to a series. It starts diffuse, or at its stationary law Σ_k σ²_k S_k(θ).

mod arma;
mod autoregressive;
mod brownian;
mod constant_acceleration;
mod constant_velocity;
mod cycle;
mod damped_trend;
mod intervention;
mod local_level;
mod local_linear_trend;
mod matern;
mod ornstein_uhlenbeck;
mod regression;
mod seasonal;
mod spec;
mod trigonometric_seasonal;

pub use arma::Arma;
pub use autoregressive::Autoregressive;
pub use brownian::Brownian;
pub use constant_acceleration::ConstantAcceleration;
pub use constant_velocity::ConstantVelocity;
pub use cycle::Cycle;
pub use damped_trend::DampedTrend;
pub use intervention::{Intervention, Shape};
pub use local_level::LocalLevel;
pub use local_linear_trend::LocalLinearTrend;
pub use matern::{Matern, Smoothness};
pub use ornstein_uhlenbeck::OrnsteinUhlenbeck;
pub use regression::Regression;
pub use seasonal::Seasonal;
pub use spec::BlockSpec;
pub use trigonometric_seasonal::TrigonometricSeasonal;

use std::ops::{Index, IndexMut};

use crate::dual::Real;
use crate::error::{Error, Result};
use crate::params::Constraint;

/// A square matrix, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Square<R> {
    /// Number of rows.
    pub n: usize,
    /// Entries, row by row.
    pub values: Vec<R>,
}

impl<R: Real> Square<R> {
    /// All zeros.
    pub(crate) fn zeros(n: usize) -> Self {
        Square { n, values: vec![R::constant(0.0); n * n] }
    }

    /// The identity.
    pub(crate) fn identity(n: usize) -> Self {
        Square::diagonal(vec![R::constant(1.0); n])
    }

    /// A diagonal matrix.
    pub(crate) fn diagonal(entries: Vec<R>) -> Self {
        let mut matrix = Square::zeros(entries.len());
        entries.into_iter().enumerate().for_each(|(i, x)| matrix[(i, i)] = x);
        matrix
    }

    /// e_i e_iᵀ.
    pub(crate) fn unit(n: usize, i: usize) -> Self {
        let mut matrix = Square::zeros(n);
        matrix[(i, i)] = R::constant(1.0);
        matrix
    }

    /// The rows given as constants.
    pub(crate) fn constants(n: usize, values: &[f64]) -> Self {
        Square { n, values: values.iter().map(|x| R::constant(*x)).collect() }
    }

    /// All entries times a factor.
    pub(crate) fn times(mut self, factor: R) -> Self {
        self.values.iter_mut().for_each(|x| *x = *x * factor);
        self
    }
}

impl<R> Index<(usize, usize)> for Square<R> {
    type Output = R;
    fn index(&self, (i, j): (usize, usize)) -> &R {
        &self.values[i * self.n + j]
    }
}

impl<R> IndexMut<(usize, usize)> for Square<R> {
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut R {
        &mut self.values[i * self.n + j]
    }
}

/// A parameter θ of a block that is no variance.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Its name within the component.
    pub name: &'static str,
    /// Number of values; `None` for a scalar.
    pub len: Option<usize>,
    /// Where the values live.
    pub constraint: Constraint,
}

/// Disturbances of a block that have one name: their variances are σ²_k for `count` k's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    /// What comes before `variance` or `covariance` in the parameter's name, with its underscore.
    pub prefix: &'static str,
    /// Number of disturbances; `None` for a single one, whose array has no axis for it.
    pub count: Option<usize>,
}

impl Disturbance {
    /// The one disturbance of a block, `variance`.
    pub(crate) const ONLY: Disturbance = Disturbance { prefix: "", count: None };

    /// Number of disturbances.
    pub(crate) fn len(&self) -> usize {
        self.count.unwrap_or(1)
    }
}

/// The matrices of a block over a step of length Δ.
#[derive(Clone, Debug)]
pub(crate) struct Matrices<R> {
    /// F.
    pub transition: Square<R>,
    /// G_k.
    pub noise: Vec<Square<R>>,
    /// S_k; empty where the block starts diffuse.
    pub start: Vec<Square<R>>,
    /// h; not read where the block has regressors.
    pub emission: Vec<R>,
}

/// On what the weights h_t of a block depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    /// On θ only.
    Fixed,
    /// On the number of the step.
    Step,
    /// On the inputs.
    Inputs,
}

/// What starting values are scaled by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Variance of a series.
    pub level: f64,
    /// Variance of its differences from row to row.
    pub change: f64,
    /// Mean Δ.
    pub step: f64,
    /// Length of the longest sequence, in the unit of Δ.
    pub span: f64,
}

/// Starting values of a block: θ, and σ²_k.
pub(crate) type Start = (Vec<f64>, Vec<f64>);

/// One block.
pub(crate) trait Block {
    /// Checks the specification; `path` leads to it.
    ///
    /// # Errors
    /// What is out of range.
    fn check(&self, path: &str) -> Result<()> {
        let _ = path;
        Ok(())
    }

    /// Names of the entries of the state, from the one on that the block is about.
    fn states(&self) -> Vec<String>;

    /// Number of entries of the state; cheaper than their names.
    fn state_dim(&self) -> usize;

    /// θ.
    fn parameters(&self) -> Vec<Parameter> {
        vec![]
    }

    /// σ².
    fn disturbances(&self) -> Vec<Disturbance>;

    /// Whether the whole state starts at its stationary law (else: diffuse).
    fn is_stationary(&self) -> bool {
        false
    }

    /// Entries that start diffuse though the block [`is_stationary`](Block::is_stationary).
    fn diffuse(&self) -> Vec<bool> {
        vec![!self.is_stationary(); self.state_dim()]
    }

    /// Whether the matrices depend on Δ.
    fn reads_time(&self) -> bool {
        false
    }

    /// The matrices at θ over a step of length Δ.
    fn matrices<R: Real>(&self, theta: &[R], step: f64) -> Matrices<R>;

    /// On what h depends.
    fn weights(&self) -> Weights {
        Weights::Fixed
    }

    /// Columns of the inputs that the block reads.
    fn inputs(&self) -> &[usize] {
        &[]
    }

    /// h_t where it is not fixed.
    fn emission(&self, t: usize, inputs: &[f64], out: &mut [f64]) {
        let _ = (t, inputs, out);
    }

    /// Starting values.
    fn start(&self, scale: &Scale) -> Start;
}

/// h = e_1, for the blocks that are about the first entry of their state.
fn first<R: Real>(n: usize) -> Vec<R> {
    let mut weights = vec![R::constant(0.0); n];
    weights[0] = R::constant(1.0);
    weights
}

/// Most entries of the state of a block.
pub(crate) const MAX_DIM: usize = 2048;

/// Checks a size.
fn size(path: &str, name: &str, found: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Error::argument(format!("{path}.{name}"), found, format!("from {least} to {most}")))
}

/// Serde's default for flags that are on unless said otherwise.
fn yes() -> bool {
    true
}

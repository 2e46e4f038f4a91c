//! The oracle of the Gaussian engines: one dense Gaussian of all states and observations.
//!
//! x = (z_1, …, z_T, y_1, …, y_T) = W e,  e = (z_1, b_2 + q_2, …, b_T + q_T, d_1 + r_1, …, d_T + r_T)
//!
//! The noises e are independent, so E x = W E e and Cov x = W blockdiag(P, Q_2, …, Q_T, R_1, …, R_T) Wᵀ.
//! Conditioning on the observed entries is Gaussian elimination in that matrix; nothing runs
//! over time. The arithmetic has 32 digits, hence singular and nearly singular covariances cost nothing.

use crate::GaussianProblem;
use crate::double_double::DoubleDouble as Real;

/// A pivot below this part of the entry's prior variance is zero: rounding leaves 1e-30 of it, the
/// smallest genuine one in the corpus 1e-14.
const ZERO_PIVOT: f64 = 1e-22;

/// Everything about a linear Gaussian model, by dense elimination.
///
/// With a diffuse start the moments are the finite parts, and the `_diffuse` fields the factors of κ, of
/// moments under z_1 ~ N(m, P + κ P∞) as κ → ∞.
#[derive(Clone, Debug, Default)]
pub struct JointGaussian {
    /// log p(y) of the observed entries.
    ///
    /// An entry that earlier ones determine (its variance is zero) does not count; it makes this −∞ if
    /// its value differs. A diffuse start gives the diffuse log-likelihood of Koopman and Durbin,
    /// lim log p_κ(y) + (d/2) log κ, d the number of directions of P∞ that the observations pin
    /// down: each entry that does so adds −(log 2π + log F∞)/2, with F∞ its factor of κ.
    pub marginal_loglik: f64,
    /// log p(y_{1:t}), shape \[T\].
    pub cumulative: Vec<f64>,
    /// E(z_t | y_{1:t-1}), shape \[T, D\].
    pub predicted_means: Vec<f64>,
    /// Cov(z_t | y_{1:t-1}), shape \[T, D, D\].
    pub predicted_covs: Vec<f64>,
    /// Its factor of κ, shape \[T, D, D\].
    pub predicted_diffuse: Vec<f64>,
    /// E(y_t | y_{1:t-1}), shape \[T, M\].
    pub predicted_emission_means: Vec<f64>,
    /// Cov(y_t | y_{1:t-1}), shape \[T, M, M\].
    pub predicted_emission_covs: Vec<f64>,
    /// E(z_t | y_{1:t}), shape \[T, D\].
    pub filtered_means: Vec<f64>,
    /// Cov(z_t | y_{1:t}), shape \[T, D, D\].
    pub filtered_covs: Vec<f64>,
    /// Its factor of κ, shape \[T, D, D\].
    pub filtered_diffuse: Vec<f64>,
    /// E(z_t | y_{1:T}), shape \[T, D\].
    pub smoothed_means: Vec<f64>,
    /// Cov(z_t | y_{1:T}), shape \[T, D, D\].
    pub smoothed_covs: Vec<f64>,
    /// Its factor of κ, shape \[T, D, D\]: zero if the observations pin down the start.
    pub smoothed_diffuse: Vec<f64>,
    /// Cov(z_t, z_{t+1} | y_{1:T}), shape \[T-1, D, D\].
    pub lag_one_covs: Vec<f64>,
    /// Cov(z_{1:T} | y_{1:T}), shape \[T D, T D\].
    pub path_cov: Vec<f64>,
    /// E(y_t | y_{1:T}), shape \[T, M\]: y where observed, the interpolation or forecast elsewhere.
    pub emission_means: Vec<f64>,
    /// Cov(y_t | y_{1:T}), shape \[T, M, M\]: zero in rows and columns that are observed.
    pub emission_covs: Vec<f64>,
}

/// Conditions the joint Gaussian of `problem` on its observations.
pub fn joint_gaussian(problem: &GaussianProblem) -> JointGaussian {
    let (d, m, num_steps) = (problem.state_dim, problem.emission_dim, problem.num_steps);
    let mut dense = Dense::of(problem);
    let mut out = JointGaussian::default();
    for t in 0..num_steps {
        let (z, y) = (t * d, num_steps * d + t * m);
        dense.mean_of(z, d, &mut out.predicted_means);
        block(&dense.cov, z, z, d, &mut out.predicted_covs);
        block(&dense.diffuse, z, z, d, &mut out.predicted_diffuse);
        dense.mean_of(y, m, &mut out.predicted_emission_means);
        block(&dense.cov, y, y, m, &mut out.predicted_emission_covs);
        for i in 0..m {
            dense.observe(y + i, problem.emissions[t * m + i]);
        }
        out.cumulative.push(dense.log_density);
        dense.mean_of(z, d, &mut out.filtered_means);
        block(&dense.cov, z, z, d, &mut out.filtered_covs);
        block(&dense.diffuse, z, z, d, &mut out.filtered_diffuse);
    }
    out.marginal_loglik = dense.log_density;
    for t in 0..num_steps {
        let (z, y) = (t * d, num_steps * d + t * m);
        dense.mean_of(z, d, &mut out.smoothed_means);
        block(&dense.cov, z, z, d, &mut out.smoothed_covs);
        block(&dense.diffuse, z, z, d, &mut out.smoothed_diffuse);
        if t + 1 < num_steps {
            block(&dense.cov, z, z + d, d, &mut out.lag_one_covs);
        }
        dense.mean_of(y, m, &mut out.emission_means);
        block(&dense.cov, y, y, m, &mut out.emission_covs);
    }
    block(&dense.cov, 0, 0, num_steps * d, &mut out.path_cov);
    out
}

/// log p(z_{1:T}, y) of `states`, shape \[T, D\], and the observed entries; variances of zero count
/// as in [`JointGaussian::marginal_loglik`].
pub fn joint_log_prob(problem: &GaussianProblem, states: &[f64]) -> f64 {
    let mut dense = Dense::of(problem);
    for (i, &value) in states.iter().chain(&problem.emissions).enumerate() {
        dense.observe(i, value);
    }
    dense.log_density
}

/// The Gaussian of x given what has been observed so far.
struct Dense {
    mean: Vec<Real>,
    cov: Matrix,
    diffuse: Matrix,
    prior_variance: Vec<f64>,
    prior_diffuse: Vec<f64>,
    log_density: f64,
}

impl Dense {
    /// The Gaussian of x before any observation.
    fn of(problem: &GaussianProblem) -> Self {
        let (d, m, num_steps) = (problem.state_dim, problem.emission_dim, problem.num_steps);
        let size = num_steps * (d + m);
        let (mut means, mut covs) = (problem.initial_mean.clone(), Matrix::zeros(size));
        covs.set_block(0, &problem.initial_cov, d);
        for t in 1..num_steps {
            means.extend(problem.transition_offset.at(t));
            covs.set_block(t * d, problem.transition_cov.at(t), d);
        }
        for t in 0..num_steps {
            means.extend(problem.emission_offset.at(t));
            covs.set_block(num_steps * d + t * m, &problem.noise(t), m);
        }
        let mut infinite = Matrix::zeros(size);
        if let Some(diffuse) = &problem.initial_diffuse {
            infinite.set_block(0, diffuse, d);
        }
        let weights = responses(problem);
        let inner = |row: &[Real]| {
            let products = row.iter().zip(&means).map(|(&w, &e)| w * e.into());
            products.fold(Real::ZERO, |sum, x| sum + x)
        };
        let (cov, diffuse) = (covs.congruence(&weights), infinite.congruence(&weights));
        Dense {
            mean: weights.0.iter().map(|row| inner(row)).collect(),
            prior_variance: cov.diagonal(),
            prior_diffuse: diffuse.diagonal(),
            cov,
            diffuse,
            log_density: 0.0,
        }
    }

    /// Conditions on x_i = `value`; a NaN is not observed.
    fn observe(&mut self, i: usize, value: f64) {
        if value.is_nan() {
            return;
        }
        let residual = Real::from(value) - self.mean[i];
        let (infinite, finite) = (self.diffuse.0[i][i], self.cov.0[i][i]);
        if infinite.rounded() > ZERO_PIVOT * self.prior_diffuse[i] {
            // κ → ∞ in x + c (y − x_i) / f with c = κ c∞ + c₀ and f = κ f∞ + f₀.
            let gain = self.diffuse.scaled_row(i, infinite);
            let row = self.cov.0[i].clone();
            self.cov.subtract_outer(&gain, &row);
            let column = self.cov.column(i);
            self.cov.subtract_outer(&column, &gain);
            let row = self.diffuse.0[i].clone();
            self.diffuse.subtract_outer(&gain, &row);
            self.forget_rounding();
            self.absorb(&gain, residual);
            self.log_density -= 0.5 * ((2.0 * std::f64::consts::PI).ln() + infinite.ln());
        } else if finite.rounded() > ZERO_PIVOT * self.prior_variance[i] {
            let gain = self.cov.scaled_row(i, finite);
            let row = self.cov.0[i].clone();
            self.cov.subtract_outer(&gain, &row);
            self.absorb(&gain, residual);
            let quadratic = (residual * residual / finite).rounded();
            self.log_density -= 0.5 * ((2.0 * std::f64::consts::PI).ln() + finite.ln() + quadratic);
        } else if residual.rounded().abs() > 1e-9 * (1.0 + value.abs()) {
            self.log_density = f64::NEG_INFINITY;
        }
    }

    /// Clears rows and columns of the factor of κ whose diagonal has only rounding left.
    fn forget_rounding(&mut self) {
        for i in 0..self.prior_diffuse.len() {
            if self.diffuse.0[i][i].rounded() <= ZERO_PIVOT * self.prior_diffuse[i] {
                self.diffuse.0[i].fill(Real::ZERO);
                self.diffuse.0.iter_mut().for_each(|row| row[i] = Real::ZERO);
            }
        }
    }

    /// mean += gain · residual.
    fn absorb(&mut self, gain: &[Real], residual: Real) {
        self.mean.iter_mut().zip(gain).for_each(|(x, &g)| *x = *x + g * residual);
    }

    fn mean_of(&self, start: usize, len: usize, out: &mut Vec<f64>) {
        out.extend(self.mean[start..start + len].iter().map(|x| x.rounded()));
    }
}

/// W: the block of z_t and e_s is F_t ⋯ F_{s+1}, that of y_t is H_t times it, and r_t enters y_t as it is.
fn responses(problem: &GaussianProblem) -> Matrix {
    let (d, m, num_steps) = (problem.state_dim, problem.emission_dim, problem.num_steps);
    let mut weights = Matrix::zeros(num_steps * (d + m));
    for s in 0..num_steps {
        let mut product = Matrix::identity(d);
        for t in s..num_steps {
            if t > s {
                product = times(problem.transition.at(t), d, &product);
            }
            weights.set(t * d, s * d, &product);
            let seen = times(problem.emission.at(t), m, &product);
            weights.set(num_steps * d + t * m, s * d, &seen);
        }
        let own = num_steps * d + s * m;
        weights.set(own, own, &Matrix::identity(m));
    }
    weights
}

/// Rows of numbers.
struct Matrix(Vec<Vec<Real>>);

impl Matrix {
    fn zeros(size: usize) -> Self {
        Matrix(vec![vec![Real::ZERO; size]; size])
    }

    fn identity(size: usize) -> Self {
        let mut out = Self::zeros(size);
        (0..size).for_each(|i| out.0[i][i] = Real::ONE);
        out
    }

    fn set(&mut self, row: usize, column: usize, values: &Matrix) {
        for (i, source) in values.0.iter().enumerate() {
            self.0[row + i][column..column + source.len()].copy_from_slice(source);
        }
    }

    /// Puts `values`, shape \[size, size\], on the diagonal.
    fn set_block(&mut self, start: usize, values: &[f64], size: usize) {
        for (i, source) in values.chunks_exact(size).enumerate() {
            for (j, &x) in source.iter().enumerate() {
                self.0[start + i][start + j] = x.into();
            }
        }
    }

    /// W self Wᵀ.
    fn congruence(&self, weights: &Matrix) -> Matrix {
        let dot = |a: &[Real], b: &[Real]| {
            let pairs = a.iter().zip(b).filter(|(x, y)| !x.is_zero() && !y.is_zero());
            pairs.fold(Real::ZERO, |sum, (&x, &y)| sum + x * y)
        };
        let half = |row: &Vec<Real>| self.0.iter().map(|column| dot(row, column)).collect::<Vec<_>>();
        let left: Vec<Vec<Real>> = weights.0.iter().map(half).collect();
        Matrix(left.iter().map(|a| weights.0.iter().map(|b| dot(a, b)).collect()).collect())
    }

    fn diagonal(&self) -> Vec<f64> {
        (0..self.0.len()).map(|i| self.0[i][i].rounded()).collect()
    }

    fn column(&self, j: usize) -> Vec<Real> {
        self.0.iter().map(|row| row[j]).collect()
    }

    fn scaled_row(&self, i: usize, pivot: Real) -> Vec<Real> {
        self.0[i].iter().map(|&x| x / pivot).collect()
    }

    /// self −= a bᵀ.
    fn subtract_outer(&mut self, a: &[Real], b: &[Real]) {
        for (row, &x) in self.0.iter_mut().zip(a).filter(|(_, x)| !x.is_zero()) {
            row.iter_mut().zip(b).for_each(|(out, &y)| *out = *out - x * y);
        }
    }
}

/// The product of a matrix with `rows` rows and `right`.
fn times(left: &[f64], rows: usize, right: &Matrix) -> Matrix {
    let width = right.0.len();
    let entry = |i: usize, j: usize| {
        let products = (0..width).map(|l| Real::from(left[i * width + l]) * right.0[l][j]);
        products.fold(Real::ZERO, |sum, x| sum + x)
    };
    Matrix((0..rows).map(|i| (0..width).map(|j| entry(i, j)).collect()).collect())
}

/// The block of `size` rows and columns at (row, column).
fn block(matrix: &Matrix, row: usize, column: usize, size: usize, out: &mut Vec<f64>) {
    for source in &matrix.0[row..row + size] {
        out.extend(source[column..column + size].iter().map(|x| x.rounded()));
    }
}

//! Gaussians whose precision is block-tridiagonal: the posterior of a chain of states, in one matrix.
//!
//! p(x_1, …, x_T) ∝ exp(−xᵀ J x / 2 + hᵀ x),  J with blocks J_t on the diagonal and J_{t+1,t} below it.

use super::GaussianError;
use super::square_root::kernels::{dot, multiply, multiply_columns};
use super::system::length;
use crate::linalg::{cholesky, solve_lower, solve_upper_transposed};

const HALF_LN_2PI: f64 = 0.918_938_533_204_672_8;

/// J and h. D is the size of a block, T their number.
#[derive(Clone, Copy, Debug)]
pub struct BlockTridiagonal<'a> {
    /// D.
    pub dim: usize,
    /// J_t, shape \[T, D, D\].
    pub diagonal: &'a [f64],
    /// J_{t+1,t}, shape \[T-1, D, D\]: rows of the later block.
    pub lower: &'a [f64],
    /// h_t, shape \[T, D\].
    pub linear: &'a [f64],
}

/// Where [`block_tridiagonal_expectations`] writes; what is `None` is not computed.
#[derive(Debug, Default)]
pub struct BlockTridiagonalMoments<'a> {
    /// E x_t, shape \[T, D\].
    pub means: Option<&'a mut [f64]>,
    /// Cov(x_t), shape \[T, D, D\].
    pub covs: Option<&'a mut [f64]>,
    /// Cov(x_{t+1}, x_t), shape \[T-1, D, D\].
    pub cross_covs: Option<&'a mut [f64]>,
    /// E x_t x_tᵀ, shape \[T, D, D\].
    pub second_moments: Option<&'a mut [f64]>,
    /// E x_{t+1} x_tᵀ, shape \[T-1, D, D\].
    pub cross_moments: Option<&'a mut [f64]>,
}

/// Buffers; they grow to the largest problem seen. Their contents mean nothing between calls.
#[derive(Clone, Debug, Default)]
pub struct BlockTridiagonalWorkspace {
    /// L_t and W_t = L_t⁻¹ J_{t+1,t}ᵀ, shape \[T, D, D\].
    roots: Vec<f64>,
    links: Vec<f64>,
    /// L_t⁻¹ h, shape \[T, D\].
    whitened: Vec<f64>,
    matrices: [Vec<f64>; 4],
    vectors: [Vec<f64>; 2],
}

/// Returns log ∫ exp(−xᵀ J x / 2 + hᵀ x) dx.
///
/// J = C Cᵀ with blocks L_t on C's diagonal and W_tᵀ below it: L_t L_tᵀ = J_t − W_{t-1}ᵀ W_{t-1},
/// W_t = L_t⁻¹ J_{t+1,t}ᵀ; log Z = T D/2 log 2π − Σ log |L_t| + |C⁻¹ h|²/2.
///
/// # Errors
/// [`GaussianError::Shape`]; [`GaussianError::Indefinite`] at the first block whose pivot is not positive.
///
/// # Source
/// Block Cholesky factorisation; O(T D³).
pub fn block_tridiagonal_log_normalizer(
    gaussian: &BlockTridiagonal<'_>,
    workspace: &mut BlockTridiagonalWorkspace,
) -> Result<f64, GaussianError> {
    let num_steps = gaussian.check()?;
    let d = gaussian.dim;
    let BlockTridiagonalWorkspace { roots, links, whitened, .. } = workspace;
    roots.resize(roots.len().max(num_steps * d * d), 0.0);
    links.resize(links.len().max(num_steps * d * d), 0.0);
    whitened.resize(whitened.len().max(num_steps * d), 0.0);
    let mut log_z = num_steps as f64 * d as f64 * HALF_LN_2PI;
    for t in 0..num_steps {
        let root = &mut roots[t * d * d..(t + 1) * d * d];
        root.copy_from_slice(&gaussian.diagonal[t * d * d..(t + 1) * d * d]);
        let (past, data) = whitened.split_at_mut(t * d);
        let data = &mut data[..d];
        data.copy_from_slice(&gaussian.linear[t * d..(t + 1) * d]);
        if t > 0 {
            // W is stored by rows: row k belongs to entry k of the earlier block.
            let link = &links[(t - 1) * d * d..t * d * d];
            for (row, x) in link.chunks_exact(d).zip(&past[(t - 1) * d..]) {
                for (i, w) in row.iter().enumerate() {
                    data[i] -= w * x;
                    root[i * d..(i + 1) * d].iter_mut().zip(row).for_each(|(r, v)| *r -= w * v);
                }
            }
        }
        cholesky(root, d).map_err(|error| GaussianError::Indefinite {
            argument: "diagonal",
            t,
            pivot: error.pivot,
        })?;
        solve_lower(root, d, data);
        log_z += 0.5 * dot(data, data);
        log_z -= (0..d).map(|i| root[i * d + i].ln()).sum::<f64>();
        if t + 1 < num_steps {
            let link = &mut links[t * d * d..(t + 1) * d * d];
            let lower = &gaussian.lower[t * d * d..(t + 1) * d * d];
            (0..d * d).for_each(|ij| link[ij] = lower[ij % d * d + ij / d]);
            solve_rows(root, d, link);
        }
    }
    if log_z.is_finite() { Ok(log_z) } else { Err(GaussianError::NotFinite { t: num_steps - 1 }) }
}

/// Writes moments of all blocks and neighbours and returns the log normaliser.
///
/// x_t given x_{t+1} has mean L_t⁻ᵀ (c_t − W_t x_{t+1}) and covariance (L_t L_tᵀ)⁻¹; backward with
/// G_t = −L_t⁻ᵀ W_t: E x_t = L_t⁻ᵀ c_t + G_t E x_{t+1}, Σ_t = (L_t L_tᵀ)⁻¹ + G_t Σ_{t+1} G_tᵀ,
/// Cov(x_{t+1}, x_t) = Σ_{t+1} G_tᵀ. Nothing is subtracted.
///
/// # Errors
/// Those of [`block_tridiagonal_log_normalizer`].
///
/// # Source
/// Rauch-Tung-Striebel on the factor; O(T D³), no allocation on a second call.
pub fn block_tridiagonal_expectations(
    gaussian: &BlockTridiagonal<'_>,
    workspace: &mut BlockTridiagonalWorkspace,
    mut out: BlockTridiagonalMoments<'_>,
) -> Result<f64, GaussianError> {
    let (num_steps, d) = (gaussian.check()?, gaussian.dim);
    out.check(num_steps, d)?;
    let log_z = block_tridiagonal_log_normalizer(gaussian, workspace)?;
    let BlockTridiagonalWorkspace { roots, links, whitened, matrices, vectors } = workspace;
    let [gain, cov, product, inverse] = matrices;
    let [mean, later] = vectors;
    for matrix in [&mut *gain, cov, product, inverse] {
        matrix.resize(d * d, 0.0);
    }
    mean.resize(d, 0.0);
    later.resize(d, 0.0);
    for t in (0..num_steps).rev() {
        let root = &roots[t * d * d..(t + 1) * d * d];
        later.copy_from_slice(mean);
        mean.copy_from_slice(&whitened[t * d..(t + 1) * d]);
        solve_upper_transposed(root, d, mean);
        // L⁻¹ by rows is L⁻ᵀ by columns, a root of the conditional covariance.
        inverse.fill(0.0);
        inverse.iter_mut().step_by(d + 1).for_each(|x| *x = 1.0);
        solve_rows(root, d, inverse);
        if t + 1 < num_steps {
            // Gᵀ = −Wᵀ L⁻¹, shape [later, earlier].
            multiply_columns(&links[t * d * d..(t + 1) * d * d], d, inverse, d, gain);
            gain.iter_mut().for_each(|x| *x = -*x);
            for (row, x) in gain.chunks_exact(d).zip(&*later) {
                mean.iter_mut().zip(row).for_each(|(m, g)| *m += g * x);
            }
            multiply(cov, d, gain, d, product);
            out.write_cross(t, mean, later, product);
            multiply_columns(gain, d, product, d, cov);
        } else {
            cov.fill(0.0);
        }
        for row in inverse.chunks_exact(d) {
            for (x, out) in row.iter().zip(cov.chunks_exact_mut(d)) {
                out.iter_mut().zip(row).for_each(|(o, y)| *o += x * y);
            }
        }
        // NUMERICS: G Σ Gᵀ is symmetric to rounding only, which would add up over the steps.
        for i in 0..d {
            for j in 0..i {
                let even = 0.5 * (cov[i * d + j] + cov[j * d + i]);
                (cov[i * d + j], cov[j * d + i]) = (even, even);
            }
        }
        out.write(t, mean, cov);
    }
    Ok(log_z)
}

impl BlockTridiagonal<'_> {
    /// Checks sizes; answers T.
    fn check(&self) -> Result<usize, GaussianError> {
        let d = self.dim.max(1);
        let num_steps = self.linear.len() / d;
        length("linear", self.linear.len(), num_steps.max(1) * d)?;
        length("diagonal", self.diagonal.len(), num_steps * d * d)?;
        length("lower", self.lower.len(), (num_steps - 1) * d * d)?;
        Ok(num_steps)
    }
}

impl BlockTridiagonalMoments<'_> {
    fn check(&self, num_steps: usize, d: usize) -> Result<(), GaussianError> {
        let slots = [
            ("means", &self.means, num_steps * d),
            ("covs", &self.covs, num_steps * d * d),
            ("cross_covs", &self.cross_covs, (num_steps - 1) * d * d),
            ("second_moments", &self.second_moments, num_steps * d * d),
            ("cross_moments", &self.cross_moments, (num_steps - 1) * d * d),
        ];
        slots.into_iter().try_for_each(|(argument, slot, expected)| match slot {
            Some(values) => length(argument, values.len(), expected),
            None => Ok(()),
        })
    }

    fn write(&mut self, t: usize, mean: &[f64], cov: &[f64]) {
        let d = mean.len();
        if let Some(means) = &mut self.means {
            means[t * d..(t + 1) * d].copy_from_slice(mean);
        }
        if let Some(covs) = &mut self.covs {
            covs[t * d * d..(t + 1) * d * d].copy_from_slice(cov);
        }
        if let Some(moments) = &mut self.second_moments {
            add_outer(&mut moments[t * d * d..(t + 1) * d * d], cov, mean, mean);
        }
    }

    fn write_cross(&mut self, t: usize, mean: &[f64], later: &[f64], cov: &[f64]) {
        let d = mean.len();
        if let Some(covs) = &mut self.cross_covs {
            covs[t * d * d..(t + 1) * d * d].copy_from_slice(cov);
        }
        if let Some(moments) = &mut self.cross_moments {
            add_outer(&mut moments[t * d * d..(t + 1) * d * d], cov, later, mean);
        }
    }
}

/// Overwrites out with C + a bᵀ.
fn add_outer(out: &mut [f64], c: &[f64], a: &[f64], b: &[f64]) {
    let n = b.len();
    (0..n * n).for_each(|ij| out[ij] = c[ij] + a[ij / n] * b[ij % n]);
}

/// Overwrites B, shape \[n, n\], with L⁻¹ B; L row-major.
fn solve_rows(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let (done, row) = b.split_at_mut(i * n);
        let row = &mut row[..n];
        for (done, x) in done.chunks_exact(n).zip(&l[i * n..]) {
            row.iter_mut().zip(done).for_each(|(r, d)| *r -= x * d);
        }
        row.iter_mut().for_each(|r| *r /= l[i * n + i]);
    }
}

//! The evidence of diffuse starts by generalised least squares.
//!
//! With P∞ = A Aᵀ, z_1 = m + A δ + N(0, P) and δ flat, standardised innovations are w + W δ, where w belongs
//! to δ = 0 and column j of W to a series of zeros that starts at A_j. With W = Q R,
//!
//! log p(y) = Σ_t log_norm_t − ½ |w − Q Qᵀ w|² − log det R
//!
//! in the convention of the exact diffuse recursions. Those lose digits where the first observations hardly
//! tell directions apart (a slow season, a regressor that does not move); here nothing large cancels.
//!
//! # Source
//! Rosenberg (1973); de Jong (1991, "The diffuse Kalman filter").

use statewise_kernels::gaussian::{
    Gains, GaussianError, MeanRows, MeanScratch, MeanState, Riccati, Series, System, advance_means,
};
use statewise_kernels::linalg::semidefinite_cholesky;

/// A column of W below this share of its norm tells nothing that earlier ones don't.
const UNIDENTIFIED: f64 = 1e-12;

/// What series of one pattern share.
pub(super) struct FlatStart<'a> {
    system: System<'a>,
    gains: Gains,
    /// Q, column by column, \[T, M\] each.
    columns: Vec<Vec<f64>>,
    /// A R⁻¹, column by column, \[D\] each: with these starts, δ given the data has covariance I.
    starts: Vec<Vec<f64>>,
    log_det: f64,
}

impl<'a> FlatStart<'a> {
    /// Prepares a group; `emissions` are those of one of its series. `None` where the start is proper, where
    /// the data do not pin it down, or where noise-free observations hold for one δ only.
    pub(super) fn new(
        system: &System<'a>,
        emissions: &[f64],
        steady_state: bool,
    ) -> Result<Option<Self>, GaussianError> {
        let Some(diffuse) = system.initial_diffuse else { return Ok(None) };
        let (d, steps) = (system.state_dim, emissions.len() / system.emission_dim);
        let mut factor = diffuse.to_vec();
        if semidefinite_cholesky(&mut factor, d).is_err() {
            return Ok(None);
        }
        let system = System { initial_diffuse: None, ..*system };
        let (mut riccati, mut gains) = (Riccati::default(), Gains::default());
        riccati.start(&system, system.initial_cov, steady_state);
        riccati.advance(&system, emissions, 0..steps, &mut gains)?;
        let zeros: Vec<f64> = emissions.iter().map(|y| if y.is_nan() { *y } else { 0.0 }).collect();
        let mut flat = FlatStart { system, gains, columns: Vec::new(), starts: Vec::new(), log_det: 0.0 };
        for j in (0..d).filter(|j| factor[j * d + j] > 0.0) {
            let mut start: Vec<f64> = (0..d).map(|i| factor[i * d + j]).collect();
            let Some((_, mut column)) = flat.innovations(&Series::new(&zeros), &start)? else {
                return Ok(None);
            };
            let before = norm(&column);
            for (share, other) in flat.project_out(&mut column).into_iter().zip(&flat.starts) {
                start.iter_mut().zip(other).for_each(|(x, other)| *x -= share * other);
            }
            let left = norm(&column);
            if left <= UNIDENTIFIED * before || left == 0.0 {
                return Ok(None);
            }
            column.iter_mut().chain(&mut start).for_each(|x| *x /= left);
            flat.log_det += left.ln();
            flat.starts.push(start);
            flat.columns.push(column);
        }
        Ok(Some(flat))
    }

    /// log p(y_{1:T}) of one series, and the mean of z_1 given all its observations; `None` where noise-free
    /// observations hold for one δ only.
    pub(super) fn evidence_and_start(
        &self,
        series: &Series<'_>,
    ) -> Result<Option<(f64, Vec<f64>)>, GaussianError> {
        let mut mean = self.system.initial_mean.to_vec();
        let Some((loglik, mut w)) = self.innovations(series, &mean)? else {
            return Ok(None);
        };
        let before = norm(&w);
        for (share, start) in self.project_out(&mut w).into_iter().zip(&self.starts) {
            mean.iter_mut().zip(start).for_each(|(x, a)| *x -= share * a);
        }
        let left = norm(&w);
        Ok(Some((loglik + 0.5 * (before - left) * (before + left) - self.log_det, mean)))
    }

    /// Evidence and standardised innovations, \[T, M\], of a series that starts at this mean.
    fn innovations(
        &self,
        series: &Series<'_>,
        mean: &[f64],
    ) -> Result<Option<(f64, Vec<f64>)>, GaussianError> {
        let mut state = MeanState::start(mean);
        let mut innovations = vec![0.0; series.emissions.len()];
        let rows = MeanRows { predicted: &mut [], filtered: &mut [], innovations: &mut innovations };
        let steps = 0..self.gains.num_steps();
        let scratch = &mut MeanScratch::default();
        match advance_means(&self.system, series, steps, &self.gains, &mut state, rows, scratch) {
            Ok(()) => Ok(Some((state.marginal_loglik(), innovations))),
            Err(GaussianError::ImpossibleObservation { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The system with a proper start.
    pub(super) fn system(&self) -> &System<'a> {
        &self.system
    }

    /// Its gains.
    pub(super) fn gains(&self) -> &Gains {
        &self.gains
    }

    /// A R⁻¹, column by column.
    pub(super) fn starts(&self) -> &[Vec<f64>] {
        &self.starts
    }

    /// Takes the span of the columns so far out of `w` (modified Gram and Schmidt) and answers the shares.
    fn project_out(&self, w: &mut [f64]) -> Vec<f64> {
        let mut shares = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let share: f64 = column.iter().zip(&*w).map(|(q, w)| q * w).sum();
            w.iter_mut().zip(column).for_each(|(w, q)| *w -= share * q);
            shares.push(share);
        }
        shares
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

//! Groups that go by square roots of covariances: sequence by sequence, whatever the conditioning.

use statewise_kernels::gaussian::{
    Estimates, SquareRootAdjoints, SquareRootFiltered, SquareRootSmoothed, SystemGradient,
    square_root_filter, square_root_gradient, square_root_smoother,
};

use super::RootBuffers;
use super::plan::Group;
use super::smooth::LotRows;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::linear_gaussian::LgssmParams;
use crate::workspace::Loan;

/// Slices of one kind, one per sequence, handed out in order; `None` where nobody asked.
type Slices<'a> = std::vec::IntoIter<&'a mut [f64]>;

fn some(slice: &mut [f64]) -> Option<&mut [f64]> {
    (!slice.is_empty()).then_some(slice)
}

impl LgssmParams {
    /// Filters a group; its covariances are those of its first sequence.
    pub(super) fn filter_by_roots(
        &self,
        data: &Dataset<'_>,
        group: &Group,
        [mut filtered, mut predicted]: [Slices<'_>; 2],
        [filtered_covs, predicted_covs]: [&mut [f64]; 2],
    ) -> Result<Vec<f64>> {
        let mut buffers = Loan::<RootBuffers>::take();
        let system = self.system();
        let mut logliks = Vec::with_capacity(group.sequences.len());
        for (i, &n) in group.sequences.iter().enumerate() {
            let offsets = self.offsets(data.sequence(n));
            let out = SquareRootFiltered {
                filtered: Estimates {
                    means: filtered.next(),
                    covs: if i == 0 { some(&mut *filtered_covs) } else { None },
                    chol_covs: None,
                },
                predicted: Estimates {
                    means: predicted.next(),
                    covs: if i == 0 { some(&mut *predicted_covs) } else { None },
                    chol_covs: None,
                },
            };
            let report = square_root_filter(&system, &offsets.series(), &mut buffers.roots, out)
                .map_err(Error::in_series(n))?;
            logliks.push(report.marginal_loglik);
        }
        Ok(logliks)
    }

    /// Smooths sequences of a group; covariances, of its first sequence, go where there is room for them:
    /// filtered, smoothed and lag-one.
    pub(super) fn smooth_by_roots(
        &self,
        data: &Dataset<'_>,
        sequences: &[usize],
        rows: LotRows<'_>,
        [filtered_covs, smoothed_covs, lag_one_covs]: [&mut [f64]; 3],
    ) -> Result<Vec<f64>> {
        let mut buffers = Loan::<RootBuffers>::take();
        let (system, d) = (self.system(), self.state_dim());
        let mut filtered = rows.filtered.into_iter();
        let mut smoothed = rows.smoothed.into_iter();
        let lag_len = lag_one_covs.len().saturating_sub(d * d);
        lag_one_covs[lag_len..].fill(0.0);
        let mut logliks = Vec::with_capacity(sequences.len());
        for (i, &n) in sequences.iter().enumerate() {
            let offsets = self.offsets(data.sequence(n));
            let has_lag = i == 0 && !lag_one_covs.is_empty();
            let out = SquareRootSmoothed {
                smoothed: Estimates {
                    means: smoothed.next(),
                    covs: if i == 0 { some(&mut *smoothed_covs) } else { None },
                    chol_covs: None,
                },
                lag_one_covs: if has_lag { Some(&mut lag_one_covs[..lag_len]) } else { None },
                filtered: Estimates {
                    means: filtered.next(),
                    covs: if i == 0 { some(&mut *filtered_covs) } else { None },
                    chol_covs: None,
                },
                predicted: Estimates::default(),
            };
            let report = square_root_smoother(&system, &offsets.series(), &mut buffers.roots, out)
                .map_err(Error::in_series(n))?;
            logliks.push(report.marginal_loglik);
        }
        Ok(logliks)
    }

    /// Adds the gradient of sequences of a group; smoothed means and adjoints go into `rows`.
    pub(super) fn gradient_by_roots(
        &self,
        data: &Dataset<'_>,
        sequences: &[usize],
        rows: LotRows<'_>,
        gradient: &mut SystemGradient,
    ) -> Result<Vec<f64>> {
        let mut buffers = Loan::<RootBuffers>::take();
        let system = self.system();
        let mut kinds = [rows.smoothed, rows.states, rows.emissions].map(Vec::into_iter);
        let mut logliks = Vec::with_capacity(sequences.len());
        for &n in sequences {
            let offsets = self.offsets(data.sequence(n));
            let [smoothed, states, emissions] = kinds.each_mut().map(Iterator::next);
            let out = SquareRootAdjoints { smoothed, states, emissions };
            let (series, weight) = (offsets.series(), data.weight(n));
            let report = square_root_gradient(&system, &series, weight, &mut buffers.roots, gradient, out)
                .map_err(Error::in_series(n))?;
            logliks.push(report.marginal_loglik);
        }
        Ok(logliks)
    }
}

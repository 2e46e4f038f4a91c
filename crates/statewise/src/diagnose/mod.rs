//! Diagnosis: what residuals, forecasts and the likelihood say about a fitted model.

mod autocorrelation;
mod auxiliary;
mod backtest;
mod backtest_scores;
mod estimate;
mod hypothesis;
mod information;
mod innovations;
mod periodogram;
mod scores;
mod uncertainty;

pub use autocorrelation::{AcfBounds, Autocorrelation, autocorrelation};
pub use auxiliary::AuxiliaryResiduals;
pub use backtest::{BacktestOptions, Refit};
pub use backtest_scores::{Backtest, ForecastScores};
pub use estimate::{DeltaEstimates, Estimate};
pub use hypothesis::{
    Alternative, Consistency, Normality, Portmanteau, TestResult, chi_squared_bounds, consistency,
    heteroskedasticity, normality, portmanteau,
};
pub use information::ScoreUnits;
pub use innovations::{Innovations, Nees, nees};
pub use periodogram::{Periodogram, periodogram};
pub use scores::{gaussian_crps, gaussian_log_score, gaussian_pit};
pub use uncertainty::{CovarianceMethod, FlatDirection, Uncertainty, uncertainty};

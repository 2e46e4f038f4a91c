//! Laws of diagnosis: residuals, tests, standard errors and backtests against independent routes.

#[path = "../gaussian_common/mod.rs"]
mod gaussian_common;

mod backtest;
mod hypothesis;
mod local_level;
mod nile;
mod residuals;
mod scores;
mod uncertainty;

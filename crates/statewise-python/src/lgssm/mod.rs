//! Linear Gaussian state space models.

pub(crate) mod draws;
pub(crate) mod gibbs;
pub(crate) mod infer;
pub(crate) mod information;
mod model;
pub(crate) mod parallel;
mod params;
pub(crate) mod predict;
mod stream;

pub(crate) use infer::options;
pub(crate) use information::LgssmInfo;
pub(crate) use model::LinearGaussianSsm;
pub(crate) use params::Lgssm;
pub(crate) use predict::{ForecastTuple, forecast_tuples};
pub(crate) use stream::LgssmOnline;

//! `statewise._native`: the Rust library for the Python package, which is its only caller.
//!
//! Conversion only. Arrays are taken and given without copies where memory allows, engines run
//! without the GIL, and every error becomes `statewise.StatewiseError`.
#![allow(missing_docs, reason = "docstrings are for Python; the crate is not published")]

mod convert;
mod diagnose;
mod dmm;
mod file;
mod hmm;
mod learn;
mod learner;
mod lgssm;
mod model;
mod online;
mod select;
mod structural;
mod threads;

use pyo3::prelude::*;

/// Private: use the functions and classes of `statewise`.
#[pymodule]
mod _native {
    /// The version of the package.
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the name that Python gives it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_export]
    use super::diagnose::backtest::{lgssm_backtest, refitted_backtest};
    #[pymodule_export]
    use super::diagnose::residuals::{lgssm_auxiliary_residuals, lgssm_innovations};
    #[pymodule_export]
    use super::diagnose::tests::{
        autocorrelation, consistency, heteroskedasticity, nees, normality, periodogram, portmanteau,
    };
    #[pymodule_export]
    use super::diagnose::uncertainty::uncertainty;
    #[pymodule_export]
    use super::dmm::data::{piano_rolls, read_arrays, synthetic, synthetic_lgssm, synthetic_model};
    #[pymodule_export]
    use super::dmm::evaluate::{dmm_bound, dmm_importance_sampling, dmm_particle_bound};
    #[pymodule_export]
    use super::dmm::fit::dmm_fit;
    #[pymodule_export]
    use super::dmm::generate::{dmm_forecast, dmm_sample};
    #[pymodule_export]
    use super::dmm::infer::{dmm_infer, dmm_reconstruct};
    #[pymodule_export]
    use super::dmm::midi::{read_midi, read_midi_folder, write_midi};
    #[pymodule_export]
    use super::dmm::model::{dmm_config, dmm_fit_options};
    #[pymodule_export]
    use super::dmm::{Dmm, DmmStream};
    #[pymodule_export]
    use super::file::{load, save};
    #[pymodule_export]
    use super::hmm::Hmm;
    #[pymodule_export]
    use super::hmm::chain::{
        chain_backward_filter, chain_filter, chain_fixed_lag_windows, chain_pairwise, chain_sample_paths,
        chain_smoother, chain_viterbi, expected_dwell_times, stationary_distribution,
    };
    #[pymodule_export]
    use super::hmm::infer::{
        filter, fixed_lag_smoother, forecast, k_best_states, log_prob, marginal_log_prob,
        most_likely_states, pairwise, posterior_sample, sample, smoother,
    };
    #[pymodule_export]
    use super::hmm::stream::OnlineFilter;
    #[pymodule_export]
    use super::learn::{
        e_step, fit, fit_em_with, fit_restarts, fit_sgd, log_prior_gradient, m_step, score,
    };
    #[pymodule_export]
    use super::lgssm::draws::{lgssm_log_prob, lgssm_posterior_sample, lgssm_sample};
    #[pymodule_export]
    use super::lgssm::gibbs::fit_blocked_gibbs;
    #[pymodule_export]
    use super::lgssm::infer::{lgssm_filter, lgssm_marginal_log_prob, lgssm_smoother};
    #[pymodule_export]
    use super::lgssm::information::{info_to_moment_form, lgssm_info_filter, lgssm_info_smoother};
    #[pymodule_export]
    use super::lgssm::parallel::{
        parallel_lgssm_filter, parallel_lgssm_posterior_sample, parallel_lgssm_smoother,
    };
    #[pymodule_export]
    use super::lgssm::predict::{lgssm_forecast, lgssm_gradient, lgssm_posterior_predictive};
    #[pymodule_export]
    use super::lgssm::{Lgssm, LgssmInfo, LgssmOnline, LinearGaussianSsm};
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::online::OnlineEm;
    #[pymodule_export]
    use super::select::{
        cross_validate, find_permutation, information_criteria, order_by_parameter, permute, state_overlap,
    };
    #[pymodule_export]
    use super::structural::{
        StructuralTimeSeries, structural_coefficients, structural_decompose, structural_forecast,
    };
    #[pymodule_export]
    use super::threads::{forget_threads, groups, num_threads, set_num_threads};
}

//! Engines on plain arrays: an initial distribution, transition matrices, log-likelihoods.

use numpy::{PyArrayDyn, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rand::RngExt;
use statewise::threads;
use statewise_kernels::discrete::{self, Chain, LogObs, Smoothed, Transitions, Workspace, scan};
use statewise_kernels::random::Seed;

use crate::convert::{error, shaped, slice};

type Array<'py> = Bound<'py, PyArrayDyn<f64>>;

/// The three arrays of a chain: π [K], A [K, K] or [T − 1, K, K], log b [T, K].
struct Arrays<'a> {
    initial: &'a [f64],
    transitions: Transitions<'a>,
    observations: LogObs<'a>,
}

impl<'a> Arrays<'a> {
    fn new(
        initial: &'a [f64],
        matrix: &'a PyReadonlyArrayDyn<'_, f64>,
        log_likelihoods: &'a PyReadonlyArray2<'_, f64>,
    ) -> PyResult<Self> {
        let values = slice(matrix)?;
        let per_step = matrix.ndim() == 3;
        Ok(Arrays {
            initial,
            transitions: if per_step { Transitions::PerStep(values) } else { Transitions::Static(values) },
            observations: LogObs {
                values: slice(log_likelihoods)?,
                num_states: log_likelihoods.shape()[1],
            },
        })
    }

    fn chain(&self) -> Chain<'_> {
        Chain { initial: self.initial, transitions: self.transitions, observations: &self.observations }
    }

    fn shape(&self) -> [usize; 2] {
        let k = self.observations.num_states;
        [self.observations.values.len() / k, k]
    }

    fn zeros(&self) -> Vec<f64> {
        vec![0.0; self.observations.values.len()]
    }
}

/// (marginal_loglik, filtered_probs [T, K], predicted_probs [T, K]); `parallel` scans over time.
#[pyfunction]
#[pyo3(signature = (initial: "NDArray[float64]", matrix: "NDArray[float64]", log_likelihoods: "NDArray[float64]", parallel: "bool") -> "tuple[float, NDArray[float64], NDArray[float64]]")]
pub(crate) fn chain_filter<'py>(
    py: Python<'py>,
    initial: PyReadonlyArray1<'_, f64>,
    matrix: PyReadonlyArrayDyn<'_, f64>,
    log_likelihoods: PyReadonlyArray2<'_, f64>,
    parallel: bool,
) -> PyResult<(f64, Array<'py>, Array<'py>)> {
    let arrays = Arrays::new(slice(&initial)?, &matrix, &log_likelihoods)?;
    let (mut filtered, mut predicted) = (arrays.zeros(), arrays.zeros());
    let loglik = py
        .detach(|| {
            let (chain, predicted) = (arrays.chain(), Some(&mut predicted[..]));
            if parallel {
                threads::install(|| scan::filter(&chain, &mut filtered, predicted))
            } else {
                discrete::filter(&chain, &mut Workspace::default(), &mut filtered, predicted)
            }
        })
        .map_err(error)?;
    Ok((loglik, shaped(py, filtered, &arrays.shape()), shaped(py, predicted, &arrays.shape())))
}

/// (marginal_loglik, filtered, predicted, smoothed [T, K] each, summed pair marginals [K, K]);
/// `parallel` scans over time.
#[pyfunction]
#[pyo3(signature = (initial: "NDArray[float64]", matrix: "NDArray[float64]", log_likelihoods: "NDArray[float64]", parallel: "bool") -> "tuple[float, NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]]")]
pub(crate) fn chain_smoother<'py>(
    py: Python<'py>,
    initial: PyReadonlyArray1<'_, f64>,
    matrix: PyReadonlyArrayDyn<'_, f64>,
    log_likelihoods: PyReadonlyArray2<'_, f64>,
    parallel: bool,
) -> PyResult<(f64, Array<'py>, Array<'py>, Array<'py>, Array<'py>)> {
    let arrays = Arrays::new(slice(&initial)?, &matrix, &log_likelihoods)?;
    let (mut smoothed, mut filtered, mut predicted) = (arrays.zeros(), arrays.zeros(), arrays.zeros());
    let [_, k] = arrays.shape();
    let mut pair_sum = vec![0.0; k * k];
    let out = Smoothed {
        smoothed: &mut smoothed,
        filtered: Some(&mut filtered),
        predicted: Some(&mut predicted),
        pair_sum: Some(&mut pair_sum),
    };
    let loglik = py
        .detach(|| {
            if parallel {
                threads::install(|| scan::smooth(&arrays.chain(), out))
            } else {
                discrete::smooth(&arrays.chain(), &mut Workspace::default(), out)
            }
        })
        .map_err(error)?;
    let shape = arrays.shape();
    Ok((
        loglik,
        shaped(py, filtered, &shape),
        shaped(py, predicted, &shape),
        shaped(py, smoothed, &shape),
        shaped(py, pair_sum, &[k, k]),
    ))
}

/// p(z_t = i, z_{t+1} = j | y), [T − 1, K, K].
#[pyfunction]
#[pyo3(signature = (initial: "NDArray[float64]", matrix: "NDArray[float64]", log_likelihoods: "NDArray[float64]") -> "NDArray[float64]")]
pub(crate) fn chain_pairwise<'py>(
    py: Python<'py>,
    initial: PyReadonlyArray1<'_, f64>,
    matrix: PyReadonlyArrayDyn<'_, f64>,
    log_likelihoods: PyReadonlyArray2<'_, f64>,
) -> PyResult<Array<'py>> {
    let arrays = Arrays::new(slice(&initial)?, &matrix, &log_likelihoods)?;
    let [num_steps, k] = arrays.shape();
    let size = k * k;
    let mut pairs = vec![0.0; (num_steps - 1) * size];
    py.detach(|| {
        let mut keep = |t: usize, xi: &[f64]| pairs[(t - 1) * size..t * size].copy_from_slice(xi);
        discrete::pairwise(&arrays.chain(), &mut Workspace::default(), &mut keep)
    })
    .map_err(error)?;
    Ok(shaped(py, pairs, &[num_steps - 1, k, k]))
}

/// The most likely path [T] and its log p(z, y).
#[pyfunction]
#[pyo3(signature = (initial: "NDArray[float64]", matrix: "NDArray[float64]", log_likelihoods: "NDArray[float64]") -> "tuple[NDArray[uint32], float]")]
pub(crate) fn chain_viterbi<'py>(
    py: Python<'py>,
    initial: PyReadonlyArray1<'_, f64>,
    matrix: PyReadonlyArrayDyn<'_, f64>,
    log_likelihoods: PyReadonlyArray2<'_, f64>,
) -> PyResult<(Bound<'py, PyArrayDyn<u32>>, f64)> {
    let arrays = Arrays::new(slice(&initial)?, &matrix, &log_likelihoods)?;
    let [num_steps, _] = arrays.shape();
    let mut path = vec![0; num_steps];
    let log_prob = py
        .detach(|| discrete::viterbi(&arrays.chain(), &mut Workspace::default(), &mut path))
        .map_err(error)?;
    Ok((shaped(py, path, &[num_steps]), log_prob))
}

/// (marginal_loglik, paths [num_samples, T]) drawn from p(z | y).
#[pyfunction]
#[pyo3(signature = (seed: "int", initial: "NDArray[float64]", matrix: "NDArray[float64]", log_likelihoods: "NDArray[float64]", num_samples: "int") -> "tuple[float, NDArray[uint32]]")]
pub(crate) fn chain_sample_paths<'py>(
    py: Python<'py>,
    seed: u64,
    initial: PyReadonlyArray1<'_, f64>,
    matrix: PyReadonlyArrayDyn<'_, f64>,
    log_likelihoods: PyReadonlyArray2<'_, f64>,
    num_samples: usize,
) -> PyResult<(f64, Bound<'py, PyArrayDyn<u32>>)> {
    let arrays = Arrays::new(slice(&initial)?, &matrix, &log_likelihoods)?;
    let [num_steps, _] = arrays.shape();
    let mut paths = vec![0; num_samples * num_steps];
    let mut rng = Seed(seed).stream("posterior_sample", 0);
    let loglik = py
        .detach(|| {
            let mut uniform = || rng.random();
            discrete::sample_paths(
                &arrays.chain(),
                &mut Workspace::default(),
                num_samples,
                &mut uniform,
                &mut paths,
            )
        })
        .map_err(error)?;
    Ok((loglik, shaped(py, paths, &[num_samples, num_steps])))
}

/// (log normaliser, messages [T, K]) of the backward filter.
#[pyfunction]
#[pyo3(signature = (matrix: "NDArray[float64]", log_likelihoods: "NDArray[float64]") -> "tuple[float, NDArray[float64]]")]
pub(crate) fn chain_backward_filter<'py>(
    py: Python<'py>,
    matrix: PyReadonlyArrayDyn<'_, f64>,
    log_likelihoods: PyReadonlyArray2<'_, f64>,
) -> PyResult<(f64, Array<'py>)> {
    let no_initial = vec![0.0; log_likelihoods.shape()[1]];
    let arrays = Arrays::new(&no_initial, &matrix, &log_likelihoods)?;
    let mut messages = arrays.zeros();
    let log_normaliser =
        py.detach(|| discrete::backward_filter(&arrays.chain(), &mut messages)).map_err(error)?;
    Ok((log_normaliser, shaped(py, messages, &arrays.shape())))
}

/// (log p(y_{1:t}) [T], p(z_{t-W+1+j} | y_{1:t}) at [t, j], [T, W, K]).
#[pyfunction]
#[pyo3(signature = (initial: "NDArray[float64]", matrix: "NDArray[float64]", log_likelihoods: "NDArray[float64]", window: "int") -> "tuple[NDArray[float64], NDArray[float64]]")]
pub(crate) fn chain_fixed_lag_windows<'py>(
    py: Python<'py>,
    initial: PyReadonlyArray1<'_, f64>,
    matrix: PyReadonlyArrayDyn<'_, f64>,
    log_likelihoods: PyReadonlyArray2<'_, f64>,
    window: usize,
) -> PyResult<(Array<'py>, Array<'py>)> {
    let arrays = Arrays::new(slice(&initial)?, &matrix, &log_likelihoods)?;
    let [num_steps, k] = arrays.shape();
    let mut smoothed = vec![0.0; num_steps * window * k];
    let mut cumulative = vec![0.0; num_steps];
    py.detach(|| {
        let workspace = &mut Workspace::default();
        discrete::fixed_lag_windows(&arrays.chain(), workspace, window, &mut smoothed, &mut cumulative)
    })
    .map_err(error)?;
    Ok((shaped(py, cumulative, &[num_steps]), shaped(py, smoothed, &[num_steps, window, k])))
}

/// π with π = π A, [K].
#[pyfunction]
#[pyo3(signature = (matrix: "NDArray[float64]") -> "NDArray[float64]")]
pub(crate) fn stationary_distribution<'py>(
    py: Python<'py>,
    matrix: PyReadonlyArray2<'_, f64>,
) -> PyResult<Array<'py>> {
    let k = matrix.shape()[0];
    let probs = discrete::stationary_distribution(slice(&matrix)?, k).map_err(error)?;
    Ok(shaped(py, probs, &[k]))
}

/// Expected steps in a state before leaving it, [K].
#[pyfunction]
#[pyo3(signature = (matrix: "NDArray[float64]") -> "NDArray[float64]")]
pub(crate) fn expected_dwell_times<'py>(
    py: Python<'py>,
    matrix: PyReadonlyArray2<'_, f64>,
) -> PyResult<Array<'py>> {
    let k = matrix.shape()[0];
    let times = discrete::expected_dwell_times(slice(&matrix)?, k).map_err(error)?;
    Ok(shaped(py, times, &[k]))
}

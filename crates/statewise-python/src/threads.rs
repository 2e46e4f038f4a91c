//! The number of threads, and how sequences are shared out.

use pyo3::prelude::*;
use statewise::threads;

/// Sets the number of threads for all later work; 0 goes back to the default.
#[pyfunction]
#[pyo3(signature = (num_threads: "int"))]
pub(crate) fn set_num_threads(py: Python<'_>, num_threads: usize) {
    py.detach(|| threads::set_num_threads(num_threads));
}

/// The number of threads that work.
#[pyfunction]
pub(crate) fn num_threads(py: Python<'_>) -> usize {
    py.detach(threads::num_threads)
}

/// Forgets threads that a fork left behind in the parent.
#[pyfunction]
pub(crate) fn forget_threads() {
    threads::forget_after_fork();
}

/// The ends of the groups of sequences whose statistics are merged in order.
#[pyfunction]
#[pyo3(signature = (lengths: "Sequence[int]") -> "list[int]")]
pub(crate) fn groups(lengths: Vec<usize>) -> Vec<usize> {
    threads::groups(lengths.into_iter()).into_iter().map(|group| group.end).collect()
}

"""EM with its E-steps on other processes: the same bits as on this one."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import statewise as sw


@pytest.fixture(scope="module")
def problem():
    hmm = sw.GaussianHMM(3, 2)
    params, props = hmm.initialize(0)
    # Ragged, with gaps, and more rows than one group holds.
    rng = np.random.default_rng(1)
    y = [rng.normal(size=(length, 2)) for length in rng.integers(50, 900, size=60)]
    y[3][5] = np.nan
    start, _ = hmm.initialize(2, method="kmeans", emissions=y)
    return hmm, start, props, y


def same_as_alone(problem, executor, **options):
    hmm, start, props, y = problem
    alone = hmm.fit_em(start, props, y, num_iters=6, tol=None)
    there = hmm.fit_em(start, props, y, num_iters=6, tol=None, executor=executor, **options)
    assert there.params == alone.params
    np.testing.assert_array_equal(there.log_probs, alone.log_probs)


@pytest.mark.parametrize("num_partitions", [None, 1, 2, 5, 100])
def test_threads_give_the_same_bits(problem, num_partitions):
    with ThreadPoolExecutor(2) as executor:
        same_as_alone(problem, executor, num_partitions=num_partitions)


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_a_process_pool_gives_the_same_bits(problem, method):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        same_as_alone(problem, executor)


def test_a_local_dask_cluster_gives_the_same_bits(problem):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
        same_as_alone(problem, client.get_executor(), num_partitions=3)


def test_an_error_on_a_worker_is_raised_here(problem):
    hmm, start, props, _ = problem
    bad = [np.array([[0.0, 1.0], [np.inf, 0.0]])]
    with ThreadPoolExecutor(1) as executor, pytest.raises(sw.StatewiseError, match="row 1, column 0"):
        hmm.fit_em(start, props, bad, executor=executor)


def test_ctrl_c_during_a_remote_e_step_returns_what_was_reached(problem):
    hmm, start, props, y = problem

    class Interrupting(ThreadPoolExecutor):
        calls = 0

        def submit(self, *args, **kwargs):
            self.calls += 1
            if self.calls == 4:
                raise KeyboardInterrupt
            return super().submit(*args, **kwargs)

    with Interrupting(1) as executor:
        fit = hmm.fit_em(start, props, y, executor=executor, num_partitions=1, tol=None)
    assert fit.interrupted and fit.iterations == 3
    assert fit.params == hmm.fit_em(start, props, y, num_iters=3, tol=None).params

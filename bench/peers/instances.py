"""The instances: data, operations, reference answers, targets, and who can run what.

Operations
  loglik   marginal log-likelihood only
  filter   filtered probabilities (means and covariances) of every step, kept
  smooth   smoothed probabilities (means and covariances) of every step, kept
  viterbi  most likely states of every sequence
  em20     20 EM iterations without priors from the `*_init` values, by the library's fit function
  value_and_gradient  log-likelihood at the `*_init` values and its gradient in A, C and m0
  epoch    one pass of stochastic gradient steps over the data

Answers: `loglik`; `weight` = sum over t and k of k p(z_t = k | ...); `path_sum` and `path_log_joint` of the
Viterbi paths; `loglik_after` = log-likelihood of the parameters after the 20th update. The references were
agreed on by numba_ref, hmmlearn and Dynamax; `filter` by Dynamax alone.

Linear Gaussian models: `abs_means` = sum of |m| over all entries of all means, `traces` = sum of the traces of all
covariances; `norm_A`, `norm_C`, `norm_m0` of the gradient. The references were agreed on by numba_ref, statsmodels
without its steady state, pykalman and filterpy; the gradient by cuthbert, Dynamax and statsmodels.

Deep Markov models: `loss` = negative annealed bound per step, averaged over the first epoch. Weights and noise are drawn
by every library's own generator, so it agrees to a few percent only; torch gave the reference.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

import data
import lgssm_data
import piano_data

TOLERANCE = 1e-9
"""Largest relative difference from the reference answer that counts as agreement."""

LOOSE = 1e-6
"""The same for the Gaussian peers: Dynamax adds 1e-9 to diagonals, statsmodels stops at its own steady state."""

STOCHASTIC = 0.05
"""The same where every library draws its own weights and noise."""

COLD_START_TARGET_S = 0.4
"""Most seconds statewise may need to import and run its small example in a fresh process."""


@dataclass(frozen=True)
class Instance:
    """One data set with the operations timed on it."""

    workload: str
    name: str
    make: Callable[[], data.Data]
    fingerprint: str
    answers: dict[str, dict[str, float]]  # operation -> reference answers
    # operation, or operation:variant of statewise -> fastest peer / statewise, at least
    targets: dict[str, float] = field(default_factory=dict)
    quick: bool = False
    adapters: str = "adapters"  # package
    peer_tolerance: float = TOLERANCE
    own_tolerance: float = TOLERANCE

    def tolerance(self, library: str) -> float:
        """Returns how far the answer of a library may be from the reference."""
        return self.own_tolerance if library in ("statewise", "numba_ref") else self.peer_tolerance


def _forward_backward(loglik: float, filtered: float, smoothed: float) -> dict[str, dict[str, float]]:
    return {
        "loglik": {"loglik": loglik},
        "filter": {"loglik": loglik, "weight": filtered},
        "smooth": {"loglik": loglik, "weight": smoothed},
    }


def _viterbi(path_sum: int, path_log_joint: float) -> dict[str, dict[str, float]]:
    return {"viterbi": {"path_sum": path_sum, "path_log_joint": path_log_joint}}


def _em(loglik_after: float) -> dict[str, dict[str, float]]:
    return {"em20": {"loglik_after": loglik_after}}


def _kalman(
    loglik: float, filtered: tuple[float, float], smoothed: tuple[float, float]
) -> dict[str, dict[str, float]]:
    def of(means: float, traces: float) -> dict[str, float]:
        return {"loglik": loglik, "abs_means": means, "traces": traces}

    return {"loglik": {"loglik": loglik}, "filter": of(*filtered), "smooth": of(*smoothed)}


_gaussian = partial(Instance, adapters="adapters.lgssm", peer_tolerance=LOOSE)


_K3_LONG = partial(data.gaussian_hmm, 3, 2, [100_000])
_K16_LONG = partial(data.gaussian_hmm, 16, 8, [100_000])
_K64_LONG = partial(data.gaussian_hmm, 64, 8, [20_000])
_K3_ONE = partial(data.gaussian_hmm, 3, 2, [1000])
_K3_BATCH = partial(data.gaussian_hmm, 3, 2, [1000] * 200)
_K16_BATCH = partial(data.gaussian_hmm, 16, 8, [1000] * 100)

INSTANCES = [
    Instance("W1", "gauss_k3_e2_t1e5", _K3_LONG, "e808e3cb3187",
             _forward_backward(-311861.2942, 127123.134128, 126926.757608), {"smooth": 3}, quick=True),
    Instance("W1", "gauss_k16_e8_t1e5", _K16_LONG, "91d5206d80f1",
             _forward_backward(-1254441.68539, 709808.443934, 709507.70047), {"smooth": 8}),
    Instance("W1", "gauss_k64_e8_t2e4", _K64_LONG, "387a60187a68",
             _forward_backward(-254945.512749, 643164.67208, 643081.713446), {"smooth": 8}),
    Instance("W1", "cat_k8_v50_t1e6", partial(data.categorical_hmm, 8, 50, 1_000_000), "8004a4e0c6c8",
             _forward_backward(-3504500.84337, 3449201.43003, 3449121.18612), {"smooth": 4}),
    Instance("W2", "em_k3_e2_1x1000", _K3_ONE, "b91c85240298", _em(-3147.30357261), quick=True),
    Instance("W2", "em_k3_e2_200x1000", _K3_BATCH, "460eaee2d626", _em(-625486.255451), {"em20": 6}),
    Instance("W2", "em_k16_e8_100x1000", _K16_BATCH, "e512acce1aac", _em(-1254282.93956), {"em20": 8}),
    Instance("W2b", "vit_k3_e2_1x1000", _K3_ONE, "b91c85240298",
             _viterbi(1437, -3155.91166717), {"viterbi": 3}, quick=True),
    Instance("W2b", "vit_k3_e2_200x1000", _K3_BATCH, "460eaee2d626",
             _viterbi(253964, -625777.191297), {"viterbi": 3}, quick=True),
    Instance("W2b", "vit_k16_e8_100x1000", _K16_BATCH, "e512acce1aac",
             _viterbi(700055, -1254873.24274), {"viterbi": 4}),
    Instance("W2b", "vit_k16_e8_t1e5", _K16_LONG, "91d5206d80f1",
             _viterbi(709429, -1254522.52354), {"viterbi": 4}),
    Instance("W2b", "vit_k64_e8_t2e4", _K64_LONG, "387a60187a68",
             _viterbi(643058, -254995.017459), {"viterbi": 4}),
    Instance("W2c", "ragged_k3_e2_200seq", data.ragged_gaussian_hmm, "6b8a166d929f",
             {"loglik": {"loglik": -720526.421289},
              "smooth": {"loglik": -720526.421289, "weight": 204693.341698},
              **_em(-720517.626168)}, {"em20": 10}),
    _gaussian("W3", "cv_d4_e2_t1e5", partial(lgssm_data.tracking, 100_000), "310b4a6a2277",
              _kalman(-239629.155589, (31871919168.6, 96984.5923652), (31871919679.5, 26173.8644397)),
              {"filter": 8, "smooth": 8}, quick=True),
    _gaussian("W3", "rand_d16_e8_t1e4", partial(lgssm_data.random_system, 16, 8, 10_000), "2ce67a15a6c4",
              _kalman(-108146.480241, (172270.20347, 49948.8180549), (177865.015628, 28537.9852063)),
              {"filter": 5, "smooth": 5}, quick=True),
    _gaussian("W3", "rand_d64_e32_t1e3", partial(lgssm_data.random_system, 64, 32, 1000), "cd29afb56e78",
              _kalman(-43789.2036936, (77715.489222, 22491.2746805), (80573.5400219, 12876.6442194)),
              {"filter": 2, "smooth": 2}),
    _gaussian("W3b", "cv_d4_e2_256x1000", partial(lgssm_data.tracking, 1000, 256), "74f23bb6360c",
              _kalman(-613951.851938, (68070038.2943, 251371.891617), (68086496.5029, 68213.4647387)),
              {"filter": 8, "smooth": 8, "filter:separate": 3, "smooth:separate": 3}),
    _gaussian("W4", "em_d4_e2_t1e4", partial(lgssm_data.oscillators, 10_000), "d3f4cbff4744",
              _em(-23007.0674148), {"em20": 10}),
    _gaussian("W4", "em_d4_e2_64x1000", partial(lgssm_data.oscillators, 1000, 64), "a91a7495d519",
              _em(-147061.542412), quick=True),
    _gaussian("W4b", "grad_d4_e2_t1e4", partial(lgssm_data.oscillators, 10_000), "d3f4cbff4744",
              {"value_and_gradient": {"loglik": -28182.4973514, "norm_A": 11196.55365, "norm_C": 1227.28860455,
                                      "norm_m0": 0.696924092956}}, {"value_and_gradient": 15}, quick=True),
    Instance("W9", "dmm_jsb_like", piano_data.piano_rolls, "bbf06b54ac6c", {"epoch": {"loss": 63.4}}, {"epoch": 2.5},
             adapters="adapters.dmm", peer_tolerance=STOCHASTIC, own_tolerance=STOCHASTIC),
]

COLD_START = ("import", "example")
"""Operations of W10: whole fresh processes that import the library, and that also run its small example."""

KALMAN = ("loglik", "filter", "smooth")
"""Operations of W3."""

LIBRARIES: dict[str, dict[str, tuple[str, ...]]] = {
    "statewise": {
        "W1": ("loglik", "filter", "smooth"), "W2": ("em20",), "W2b": ("viterbi",),
        "W2c": ("loglik", "smooth", "em20"), "W10": COLD_START,
        "W3": KALMAN, "W3b": KALMAN, "W4": ("em20",), "W4b": ("value_and_gradient",), "W9": ("epoch",),
    },
    "statewise:all-fields": {"W1": ("smooth",)},
    "statewise:separate": {"W3b": ("filter", "smooth")},
    "dynamax": {
        "W1": ("loglik", "filter", "smooth"), "W2": ("em20",), "W2b": ("viterbi",),
        "W10": COLD_START,
        "W3": KALMAN, "W3b": KALMAN, "W4": ("em20",), "W4b": ("value_and_gradient",),
    },
    "dynamax:step-jitted-once": {"W2": ("em20",), "W4": ("em20",)},
    "dynamax:loop": {"W2c": ("loglik",)},
    "dynamax:padded": {"W2c": ("loglik", "smooth")},
    "hmmlearn": {
        "W1": ("loglik", "smooth"), "W2": ("em20",), "W2b": ("viterbi",),
        "W2c": ("loglik", "smooth", "em20"), "W10": COLD_START,
    },
    "statsmodels": {"W3": KALMAN, "W3b": KALMAN, "W4b": ("value_and_gradient",)},
    "statsmodels:no-steady-state": {"W3": KALMAN, "W3b": KALMAN},
    "simdkalman": {"W3": ("filter", "smooth"), "W3b": ("filter", "smooth")},
    "pykalman": {"W3": ("filter", "smooth")},
    "pyro": {"W4b": ("value_and_gradient",), "W9": ("epoch",)},
    "torch_raw": {"W9": ("epoch",)},
    "numba_ref": {
        "W1": ("loglik", "smooth"), "W2": ("em20",), "W2b": ("viterbi",), "W2c": ("loglik", "smooth", "em20"),
        "W3": KALMAN, "W3b": KALMAN, "W4": ("em20",),
    },
}
"""Library, or library:variant -> workload -> operations. numba_ref is a yardstick, not a peer."""


def by_name(name: str) -> Instance:
    """Returns the instance with this name."""
    return next(instance for instance in INSTANCES if instance.name == name)


def worst_relative_error(answer: dict[str, float], reference: dict[str, float]) -> float:
    """Returns the largest relative difference between an answer and the reference, NaN if any answer is NaN.

    A library may leave out what it does not compute, but not everything.
    """
    return float(np.max([abs(answer[key] - reference[key]) / abs(reference[key]) for key in answer]))

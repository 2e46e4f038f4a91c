"""Writes dynamax_hmm.json: Dynamax 1.0.3 in double precision on closed-form data.

    python testdata/golden/make_dynamax.py

Every number that also stands in dynamax_records.json (an earlier, independent run, ten digits) is compared
with it first; a difference beyond those digits stops the script.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import dynamax.hidden_markov_model as dx  # noqa: E402 (needs the precision set)
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

HERE = Path(__file__).resolve().parent
RECORDS = json.loads((HERE / "dynamax_records.json").read_text())
PRINTED_DIGITS = 1e-9
"""Relative difference that ten printed digits can hide."""
RECORD_ERRORS = {
    "lowrank_gaussian_em_adam": 1e-6, "diag_gmm_em": 1e-6, "poisson_em_quakes30": 1e-7, "bernoulli_em": 1e-4,
}
"""Records whose log prior is less accurate: the Dynamax that made them evaluated it in single precision."""
LOG_PRIOR_ERRORS = {
    "GaussianHMM": 1e-4, "SharedCovarianceGaussianHMM": 1e-4, "GaussianMixtureHMM": 2e-4,
    "LogisticRegressionHMM": 1e-5, "SphericalGaussianHMM": 1e-6,
}
"""Bound on Dynamax's own error: 1e-9 is added to the scale of an inverse Wishart (2e-5 per covariance at the
default scale of 1e-4), and the priors of the last two are evaluated in single precision."""
SMALLEST_PREDICTION = 1e-8
"""Dynamax treats predicted probabilities below this as zero; the cases must stay above it."""
ADAM = 1
"""Iterations where Dynamax updates the emissions by 50 Adam steps, which nobody need reproduce."""

ROLLS = np.array([5, 5, 2, 5, 5, 0, 5, 3, 5, 5, 1, 0, 4, 2, 3, 0, 1, 4, 2, 3, 5, 0, 2, 1, 4, 3, 0, 5, 5, 5])
EARTHQUAKES = np.array([13, 14, 8, 10, 16, 26, 32, 27, 18, 32, 36, 24, 22, 23, 22,
                        18, 25, 21, 21, 14, 8, 11, 14, 23, 18, 17, 19, 20, 22, 19])


class Case(NamedTuple):
    """One family with its start, its data, and its run of EM."""

    name: str
    model: str
    constructor: dict[str, int]
    emissions_params: dict[str, Any]  # keyword of `initialize` -> value
    emissions: np.ndarray
    record: str  # name in dynamax_records.json
    initial: Any = (0.5, 0.5)
    transitions: Any = ((0.9, 0.1), (0.2, 0.8))
    inputs: np.ndarray | None = None
    num_iters: int = 5  # ADAM: only the log joint of the start is recorded


def main() -> None:
    """Writes all goldens."""
    models = [model_golden(case) for case in cases()]
    functions = [casino(), generic("hmm_generic", varying=False), generic("hmm_generic_tv", varying=True)]
    lines = ",\n".join(json.dumps(golden) for golden in models)
    more = ",\n".join(json.dumps(golden) for golden in functions)
    text = f'{{"source": "Dynamax 1.0.3, double precision",\n"models": [\n{lines}\n],\n"functions": [\n{more}\n]}}\n'
    (HERE / "dynamax_hmm.json").write_text(text)


def wave(num_steps: int) -> np.ndarray:
    """y_t = (sin 0.3t + 0.5 cos 1.1t, cos 0.2t - 0.3 sin 0.9t), shape [T, 2]."""
    t = np.arange(num_steps)
    return np.stack([np.sin(0.3 * t) + 0.5 * np.cos(1.1 * t), np.cos(0.2 * t) - 0.3 * np.sin(0.9 * t)], 1)


def input_wave(num_steps: int) -> np.ndarray:
    """u_t = (cos 0.5t, sin 0.7t), shape [T, 2]."""
    t = np.arange(num_steps)
    return np.stack([np.cos(0.5 * t), np.sin(0.7 * t)], 1)


def cases() -> list[Case]:
    """Lists the sixteen families, and the full Gaussian once more on a batch."""
    return [*gaussian_cases(), *count_cases(), *regression_cases()]


def gaussian_cases() -> list[Case]:
    """Three states on `wave(60)`."""
    chain = {"initial": np.full(3, 1 / 3), "transitions": 0.85 * np.eye(3) + 0.05}
    size = {"num_states": 3, "emission_dim": 2}
    y = wave(60)
    means = np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    covariance = 0.5 * np.eye(2)
    full = {"emission_means": means, "emission_covariances": np.tile(covariance, (3, 1, 1))}
    mixture = {"emission_weights": np.tile([0.6, 0.4], (3, 1)), "emission_means": np.stack([means, means + 0.5], 1)}
    return [
        Case("gaussian", "GaussianHMM", size, full, y, "gaussian_em", **chain),
        Case("gaussian_batch", "GaussianHMM", size, full, np.stack([y, y[::-1]]), "gaussian_em_batch2", **chain,
             num_iters=3),
        Case("diagonal_gaussian", "DiagonalGaussianHMM", size,
             {"emission_means": means, "emission_scale_diags": np.full((3, 2), 0.7)}, y, "diag_gaussian_em", **chain),
        Case("spherical_gaussian", "SphericalGaussianHMM", size,
             {"emission_means": means, "emission_scales": np.full(3, 0.7)}, y, "spherical_gaussian_em_adam", **chain,
             num_iters=ADAM),
        Case("shared_covariance_gaussian", "SharedCovarianceGaussianHMM", size,
             {"emission_means": means, "emission_covariance": covariance}, y, "shared_gaussian_em", **chain),
        Case("low_rank_gaussian", "LowRankGaussianHMM", {**size, "emission_rank": 1},
             {"emission_means": means, "emission_cov_diag_factors": np.full((3, 2), 0.5),
              "emission_cov_low_rank_factors": np.full((3, 2, 1), 0.3)}, y, "lowrank_gaussian_em_adam", **chain,
             num_iters=ADAM),
        Case("gaussian_mixture", "GaussianMixtureHMM", {**size, "num_components": 2},
             {**mixture, "emission_covariances": np.tile(covariance, (3, 2, 1, 1))}, y, "gmm_em", **chain, num_iters=3),
        Case("diagonal_gaussian_mixture", "DiagonalGaussianMixtureHMM", {**size, "num_components": 2},
             {**mixture, "emission_scale_diags": np.full((3, 2, 2), 0.7)}, y, "diag_gmm_em", **chain, num_iters=3),
    ]


def count_cases() -> list[Case]:
    """Two states and discrete or positive observations."""
    t = np.arange(40)
    first, second = t // 7 % 2, t**2 // 5 % 2
    bits = np.stack([first, second, first ^ (t % 5 == 0)], 1)
    t = np.arange(20)
    ones, twos = 1 + 2 * (t // 5 % 2), 2 + t % 2
    counts = np.stack([ones, twos, 6 - ones - twos], 1)[:, None]
    t = np.arange(30)
    positive = np.where(t // 6 % 2 == 0, 1 + 0.3 * np.sin(t), 4 + np.cos(t))
    faces = [[[0.2, 0.2, 0.15, 0.15, 0.15, 0.15]], [[0.1, 0.1, 0.15, 0.15, 0.2, 0.3]]]
    return [
        Case("categorical", "CategoricalHMM", {"num_states": 2, "emission_dim": 1, "num_classes": 6},
             {"emission_probs": faces}, ROLLS[:, None], "categorical_em", transitions=((0.8, 0.2), (0.3, 0.7))),
        Case("poisson", "PoissonHMM", {"num_states": 2, "emission_dim": 1},
             {"emission_rates": [[15.0], [25.0]]}, EARTHQUAKES[:, None], "poisson_em_quakes30"),
        Case("bernoulli", "BernoulliHMM", {"num_states": 2, "emission_dim": 3},
             {"emission_probs": [[0.3, 0.4, 0.3], [0.7, 0.5, 0.6]]}, bits, "bernoulli_em"),
        Case("multinomial", "MultinomialHMM", {"num_states": 2, "emission_dim": 1, "num_classes": 3, "num_trials": 6},
             {"emission_probs": [[[0.3, 0.3, 0.4]], [[0.5, 0.3, 0.2]]]}, counts, "multinomial_em"),
        Case("gamma", "GammaHMM", {"num_states": 2},
             {"emission_concentrations": [2.0, 4.0], "emission_rates": [1.5, 1.0]}, positive, "gamma_em_adam",
             num_iters=ADAM),
    ]


def regression_cases() -> list[Case]:
    """Two states and observations that depend on inputs."""
    u, even_block = input_wave(60), (np.arange(60) // 10 % 2 == 0)[:, None]
    line = np.where(even_block, u @ [[1, 0.5], [-0.3, 0.8]], u @ [[-1, 0.2], [0.6, -0.4]] + 0.5) + 0.1 * wave(60)
    t, u40 = np.arange(40), input_wave(40)
    y = wave(50)
    lags = np.asarray(dx.LinearAutoregressiveHMM(2, 2, num_lags=2).compute_inputs(jnp.asarray(y)))
    lag_one = np.hstack([0.9 * np.eye(2), np.zeros((2, 2))])
    return [
        Case("linear_regression", "LinearRegressionHMM", {"num_states": 2, "input_dim": 2, "emission_dim": 2},
             {"emission_weights": np.stack([0.5 * np.eye(2), -0.5 * np.eye(2)]), "emission_biases": np.zeros((2, 2)),
              "emission_covariances": np.stack([np.eye(2)] * 2)}, line, "linreg_em", inputs=u),
        Case("logistic_regression", "LogisticRegressionHMM", {"num_states": 2, "input_dim": 2},
             {"emission_weights": [[1.0, 0.0], [-0.5, 0.3]], "emission_biases": [0.1, -0.2]},
             (u40[:, 0] + 0.3 * np.sin(1.3 * t) > 0).astype(int), "logreg_em_adam", inputs=u40, num_iters=ADAM),
        Case("categorical_regression", "CategoricalRegressionHMM",
             {"num_states": 2, "num_classes": 3, "input_dim": 2},
             {"emission_weights": np.sin(np.arange(12.0)).reshape(2, 3, 2), "emission_biases": np.zeros((2, 3))},
             7 * t // 3 % 3, "catreg_em_adam", inputs=u40, num_iters=ADAM),
        Case("linear_autoregressive", "LinearAutoregressiveHMM", {"num_states": 2, "emission_dim": 2, "num_lags": 2},
             {"emission_weights": np.stack([lag_one, 0.5 * lag_one]), "emission_biases": np.zeros((2, 2)),
              "emission_covariances": np.stack([0.2 * np.eye(2)] * 2)}, y, "arhmm_em", inputs=lags, num_iters=3),
    ]


def model_golden(case: Case) -> dict[str, Any]:
    """Runs inference and EM on one case; batched cases have a leading axis of sequences."""
    hmm = getattr(dx, case.model)(**case.constructor)
    start = {"initial_probs": case.initial, "transition_matrix": case.transitions, **case.emissions_params}
    params, props = hmm.initialize(**{key: jnp.asarray(value) for key, value in start.items()})
    y = jnp.asarray(case.emissions)
    u = None if case.inputs is None else jnp.asarray(case.inputs)

    batched = case.name.endswith("_batch")
    over_sequences = (lambda method: jax.vmap(method, (None, 0, None))) if batched else (lambda method: method)
    posterior = over_sequences(hmm.smoother)(params, y, u)
    em_params, log_probs = hmm.fit_em(params, props, y, u, num_iters=case.num_iters, verbose=False)
    marginal = over_sequences(hmm.marginal_log_prob)
    em = {"num_iters": case.num_iters, "log_probs": log_probs, "params": named(em_params),
          "log_prior": hmm.log_prior(em_params), "marginal_log_prob": marginal(em_params, y, u)}

    golden = {
        "name": case.name, "model": case.model, "constructor": case.constructor,
        "initialize": {key: jnp.asarray(value) for key, value in start.items()},
        "params": named(params), "emissions": y, "inputs": u,
        "log_prior": hmm.log_prior(params), "log_prior_error": LOG_PRIOR_ERRORS.get(case.model, 0.0),
        "marginal_log_prob": marginal(params, y, u), "smoothed_probs": posterior.smoothed_probs,
        "filtered_probs": posterior.filtered_probs, "predicted_probs": posterior.predicted_probs,
        "trans_probs": posterior.trans_probs,
        "most_likely_states": over_sequences(hmm.most_likely_states)(params, y, u),
        "em": {"num_iters": ADAM, "log_probs": log_probs} if case.num_iters == ADAM else em,
    }
    assert posterior.predicted_probs.min() > SMALLEST_PREDICTION
    assert over_sequences(hmm.filter)(em_params, y, u).predicted_probs.min() > SMALLEST_PREDICTION
    values = {"lps": log_probs, "logprior_init": golden["log_prior"], "loglik_init": golden["marginal_log_prob"]}
    if case.num_iters != ADAM:
        fields = em_params.emissions._asdict()
        if case.name == "categorical":
            values["B"] = fields.pop("probs")[:, 0]
        values |= {"pi": em_params.initial.probs, "A": em_params.transitions.transition_matrix, **fields}
    compare(case.record, values)
    return plain(golden)


def named(params: Any) -> dict[str, Any]:
    """Flattens a parameter tuple to dotted names, as in `emissions.means`."""
    return {f"{part}.{name}": value for part, fields in params._asdict().items()
            for name, value in fields._asdict().items()}


def casino() -> dict[str, Any]:
    """The occasionally dishonest casino."""
    fair_and_loaded = np.array([[1 / 6] * 6, [0.1] * 5 + [0.5]])
    golden = function_golden(
        "casino", [0.5, 0.5], [[0.95, 0.05], [0.1, 0.9]], np.log(fair_and_loaded[:, ROLLS].T), window_size=4
    )
    compare("casino", {
        "loglik": golden["marginal_loglik"], "filt_last": golden["filtered_probs"][-1],
        "pred_last": golden["predicted_probs"][-1], "sm0": golden["smoothed_probs"][0],
        "sm12": golden["smoothed_probs"][12], "trans": golden["trans_probs"], "viterbi": golden["most_likely_states"],
        "fixedlag_t29": np.array(golden["fixed_lag"]["smoothed_probs"])[-1, :, 1],
    })
    return golden


def generic(name: str, varying: bool) -> dict[str, Any]:
    """Three states, six steps: A_ij proportional to 1 + (3i + j [+ t]) mod 4, log b_t(k) = sin(1 + t + 2k)."""
    i, j = np.indices((3, 3))
    steps = np.arange(5)[:, None, None] if varying else 0
    transition = 1.0 + (3 * i + j + steps) % 4
    transition /= transition.sum(-1, keepdims=True)
    t, k = np.indices((6, 3))
    golden = function_golden(
        name, np.array([1, 2, 3]) / 6, transition, np.sin(1.0 + t + 2 * k), window_size=None if varying else 3
    )
    compare(name, {
        "loglik": golden["marginal_loglik"], "filt": golden["filtered_probs"], "sm": golden["smoothed_probs"],
        "trans": golden["trans_probs"], "trans2": golden["trans_probs"][2], "viterbi": golden["most_likely_states"],
    })
    return golden


def function_golden(name: str, initial: Any, transition: Any, log_b: np.ndarray, window_size: int | None) -> dict:
    """Runs the functions that take potentials; fixed lag only where Dynamax has it right (static matrices)."""
    chain = jnp.asarray(initial), jnp.asarray(transition), jnp.asarray(log_b)
    posterior = dx.hmm_smoother(*chain)
    two_filter = dx.hmm_two_filter_smoother(*chain)
    np.testing.assert_allclose(two_filter.smoothed_probs, posterior.smoothed_probs, rtol=1e-12)
    results = posterior._asdict()
    results["posterior_initial_probs"] = results.pop("initial_probs")  # p(z_1 | y), not the chain's own
    golden = {
        "name": name, "initial_probs": chain[0], "transition_matrix": chain[1], "log_likelihoods": chain[2],
        **results, "most_likely_states": dx.hmm_posterior_mode(*chain),
    }
    if window_size:
        windows = dx.hmm_fixed_lag_smoother(*chain, window_size).smoothed_probs
        golden["fixed_lag"] = {"window_size": window_size, "smoothed_probs": windows}
    return plain(golden)


def compare(record: str, values: dict[str, Any]) -> None:
    """Stops where a value differs from the printed record beyond its digits."""
    shared = sorted(set(RECORDS[record]) & set(values))
    tolerance = RECORD_ERRORS.get(record, PRINTED_DIGITS)
    for key in shared:
        value = np.asarray(values[key])
        printed = np.asarray(RECORDS[record][key])
        if key == "lps":
            printed = printed[: len(value)]
        np.testing.assert_allclose(value, printed, rtol=tolerance, atol=1e-15, err_msg=f"{record}: {key}")
    print(f"{record}: {', '.join(shared)} agree")


def plain(value: Any) -> Any:
    """Turns arrays into lists and numbers; floats keep all their digits."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


if __name__ == "__main__":
    main()

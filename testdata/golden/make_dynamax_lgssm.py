"""Writes dynamax_lgssm.json: linear Gaussian models of Dynamax 1.0.3 in double precision on closed-form data.

    python testdata/golden/make_dynamax_lgssm.py

Dynamax adds 1e-9 to the diagonal of every matrix that it solves with. That is switched off here, so that the
values are exact to rounding; `marginal_loglik_as_released` is the one number that keeps it. Every posterior
is compared with a dense Gaussian of all states and observations, and with the records of an earlier
independent run where there is one, before anything is written.
"""
from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402 (needs the precision set)
import numpy as np  # noqa: E402
import optax  # noqa: E402
from dynamax.linear_gaussian_ssm import (  # noqa: E402
    LinearGaussianConjugateSSM, LinearGaussianSSM, inference, info_inference, lgssm_filter, lgssm_smoother, models,
    parallel_lgssm_smoother)
from dynamax.linear_gaussian_ssm.inference import make_lgssm_params  # noqa: E402

from scipy.linalg import block_diag  # noqa: E402

from make_dynamax import input_wave, plain, wave  # noqa: E402

HERE = Path(__file__).resolve().parent
RELEASED_SOLVE = inference.psd_solve
SOLVERS = (inference, info_inference, models)
EXACT = 1e-10
"""Relative difference allowed between Dynamax and the dense Gaussian."""
BOOST = 3e-7
"""What the 1e-9 on the diagonal does to the records of the earlier run, relative."""
LINE = np.array([2.4865, -0.3033, -4.0531, -4.3359, -6.1742, -5.604, -3.5069, -2.3257, -4.6377, -0.2327, -1.9858,
                 1.0284, -2.264, -0.4508, 1.1672, 6.6524, 4.1452, 5.2677, 6.3403, 9.6264, 14.7842])
RECORDS = {
    "linear_regression": {"marginal_loglik": -150.659716, "last_mean": [-5.855674491, 0.6627568182]},
    "tracking": {"marginal_loglik": -42.76509674,
                 "last_mean": [7.880994652, 9.399301475, -0.07239059094, -0.08310190752],
                 "first_smoothed": [8.171817421, 10.29695788, 0.05639172228, -0.03442358795]},
    "offsets": {"marginal_loglik": -41.180256, "last_mean": [-0.7874903669, -0.6891654728],
                "first_smoothed": [-0.273887032, 0.6230944875]},
    "time_varying": {"marginal_loglik": -42.30393364, "first_smoothed": [-0.1063546554, 0.6547212894],
                     "last_mean": [-0.6467508356, -0.7211579764]},
}
"""The earlier run, Dynamax from source before 1.0.3. There the matrices and inputs of step t drove the step to
t + 1; the cases here have them one step later, which is the convention of 1.0.3 and of this project."""


def main() -> None:
    """Writes all goldens."""
    set_boost(0.0)
    posteriors = [posterior_golden(name, *case) for name, case in cases().items()]
    learning = [em_golden(), em_golden(inputs=True), em_golden(biases=False), em_golden(conjugate=True),
                em_golden(inputs=True, conjugate=True), adam_golden(), adam_golden(inputs=True)]
    parts = {"posteriors": posteriors, "learning": learning, "predictions": [predictions_golden()]}
    blocks = [f'"{key}": [\n' + ",\n".join(json.dumps(plain(golden)) for golden in goldens) + "\n]"
              for key, goldens in parts.items()]
    source = '"source": "Dynamax 1.0.3, double precision, without its 1e-9 on the diagonal of solves"'
    (HERE / "dynamax_lgssm.json").write_text("{" + ",\n".join([source, *blocks]) + "}\n")


def set_boost(boost: float) -> None:
    """Sets what Dynamax adds to the diagonal of every matrix that it solves with."""
    for module in SOLVERS:
        module.psd_solve = partial(RELEASED_SOLVE, diagonal_boost=boost)
    jax.clear_caches()


def cases() -> dict[str, tuple[dict[str, np.ndarray], np.ndarray, np.ndarray | None]]:
    """Lists name -> (parameters, emissions, inputs)."""
    t = np.arange(20)
    velocity = np.kron([[1.0, 1.0], [0.0, 1.0]], np.eye(2))
    tracking = {
        "initial_mean": [8.0, 10.0, 1.0, 0.0], "initial_cov": 0.1 * np.eye(4), "dynamics_weights": velocity,
        "dynamics_cov": 0.001 * np.eye(4), "emissions_weights": np.eye(2, 4), "emissions_cov": np.eye(2),
    }
    base = {
        "initial_mean": [0.5, -0.5], "initial_cov": np.eye(2), "dynamics_weights": [[0.9, 0.1], [-0.2, 0.8]],
        "dynamics_cov": [[0.2, 0.05], [0.05, 0.1]], "emissions_weights": [[1.0, 0.3], [0.2, 1.0]],
        "emissions_cov": [[0.5, 0.1], [0.1, 0.4]], "dynamics_bias": [0.1, -0.1], "emissions_bias": [0.2, 0.0],
    }
    inputs = {"dynamics_input_weights": np.diag([0.3, 0.5]), "emissions_input_weights": [[0.0, 0.4], [0.1, 0.0]]}
    before = np.roll(input_wave(20), 1, axis=0) * (t > 0)[:, None]
    shifted = {**base, "dynamics_bias": before @ np.diag([0.3, 0.5]) + [0.1, -0.1],
               "emissions_bias": input_wave(20) @ np.array([[0.0, 0.1], [0.4, 0.0]]) + [0.2, 0.0]}
    previous = np.maximum(t - 1, 0)
    weights = np.zeros((20, 2, 2)) + [[0.9, 0.0], [-0.2, 0.8]]
    weights[:, 0, 1], weights[:, 1, 1] = 0.1 * np.sin(previous), 0.8 + 0.1 * np.cos(previous)
    noise = (0.3 + 0.2 * np.sin(t) ** 2)[:, None, None] * np.eye(2)
    varying = {key: base[key] for key in ("initial_mean", "initial_cov", "dynamics_cov", "emissions_weights")}
    varying |= {"dynamics_weights": weights, "emissions_cov": noise}
    varying |= {"dynamics_bias": shifted["dynamics_bias"], "emissions_bias": shifted["emissions_bias"]}
    everything = {**varying, "dynamics_cov": np.asarray(base["dynamics_cov"]) * (1 + 0.5 * np.cos(t))[:, None, None],
                  "emissions_weights": np.asarray(base["emissions_weights"]) + 0.2 * np.sin(t)[:, None, None]}
    line = {
        "initial_mean": np.zeros(2), "initial_cov": 10.0 * np.eye(2), "dynamics_weights": np.eye(2),
        "dynamics_cov": np.zeros((2, 2)), "emissions_weights": np.stack([np.ones(21), np.arange(21)], 1)[:, None],
        "emissions_cov": np.eye(1),
    }
    diagonal = {**tracking, "emissions_cov": np.array([1.0, 0.5])}
    many = {**base, "emissions_weights": [[1.0, 0.3], [0.2, 1.0], [0.5, -0.5], [0.0, 1.0]],
            "emissions_cov": np.array([0.5, 0.4, 0.3, 0.2]), "emissions_bias": np.zeros(4)}
    y = wave(20)
    return {
        "linear_regression": (line, LINE[:, None], None),
        "tracking": (tracking, wave(15) + [8.0, 10.0], None),
        "tracking_diagonal_noise": (diagonal, wave(15) + [8.0, 10.0], None),
        "more_emissions_than_states": (many, np.concatenate([y, y[:, ::-1]], 1), None),
        "inputs": ({**base, **inputs}, y, input_wave(20)),
        "offsets": (shifted, y, None),
        "time_varying": (varying, y, None),
        "everything_varies": (everything, y, None),
    }


def posterior_golden(name: str, params: dict, emissions: np.ndarray, inputs: np.ndarray | None) -> dict[str, Any]:
    """Filters and smooths one case, compares it with the dense Gaussian, and scores one path of states."""
    params = {key: np.asarray(value, dtype=float) for key, value in params.items()}
    lgssm = make_lgssm_params(**{key: jnp.asarray(value) for key, value in params.items()})
    u = None if inputs is None else jnp.asarray(inputs)
    posterior = lgssm_smoother(lgssm, jnp.asarray(emissions), u)
    means = posterior.smoothed_means
    lag_one = posterior.smoothed_cross_covariances - means[:-1, :, None] * means[1:, None, :]
    golden = {
        "marginal_loglik": posterior.marginal_loglik, "gradient": gradient(params, emissions, inputs),
        "filtered_means": posterior.filtered_means, "filtered_covs": posterior.filtered_covariances,
        "smoothed_means": means, "smoothed_covs": posterior.smoothed_covariances, "lag_one_covs": lag_one,
    }
    for key, value in dense(params, emissions, inputs).items():
        np.testing.assert_allclose(golden[key], value, rtol=EXACT, atol=EXACT, err_msg=f"{name}: {key}")
    check_records(name, golden)
    states = np.cumsum(np.ones((len(emissions), len(params["initial_mean"]))), 1) * wave(len(emissions))[:, :1]
    if name != "linear_regression":  # with Q = 0 that path has no density
        golden |= {"states": states, "joint_log_prob": joint_log_prob(params, states, emissions, inputs)}
    set_boost(1e-9)
    golden["marginal_loglik_as_released"] = lgssm_filter(lgssm, jnp.asarray(emissions), u).marginal_loglik
    set_boost(0.0)
    if name == "tracking":
        parallel = parallel_lgssm_smoother(lgssm, jnp.asarray(emissions), jnp.zeros((len(emissions), 0)))
        np.testing.assert_allclose(parallel.smoothed_means, means, rtol=1e-6, atol=1e-6)
    if name == "inputs":
        golden["information"] = information(params, emissions, inputs, golden)
    print(f"{name}: agrees with the dense Gaussian")
    return {"name": name, "params": params, "emissions": emissions, "inputs": inputs, **golden}


def gradient(params: dict, emissions: np.ndarray, inputs: np.ndarray | None) -> dict[str, Any]:
    """Differentiates the log-likelihood in all parameters, emissions and inputs; covariances stay symmetric."""
    point = {**params, "emissions": emissions} | ({} if inputs is None else {"inputs": inputs})

    def value(point: dict[str, jax.Array]) -> jax.Array:
        rest = {key: array for key, array in point.items() if key not in ("emissions", "inputs")}
        return lgssm_filter(make_lgssm_params(**rest), point["emissions"], point.get("inputs")).marginal_loglik

    slopes = jax.grad(value)({key: jnp.asarray(array) for key, array in point.items()})
    full = lambda key, slope: key.endswith("_cov") and slope.ndim > 1  # noqa: E731 (a vector is a diagonal)
    return {key: (slope + jnp.swapaxes(slope, -1, -2)) / 2 if full(key, slope) else slope
            for key, slope in slopes.items()}


def check_records(name: str, golden: dict[str, Any]) -> None:
    """Stops where a value differs from the earlier run."""
    values = {"marginal_loglik": golden["marginal_loglik"], "last_mean": golden["filtered_means"][-1],
              "first_smoothed": golden["smoothed_means"][0]}
    for key, printed in RECORDS.get(name, {}).items():
        np.testing.assert_allclose(values[key], printed, rtol=BOOST, atol=BOOST, err_msg=f"{name}: {key}")


def information(params: dict, emissions: np.ndarray, inputs: np.ndarray, golden: dict) -> dict[str, Any]:
    """Gives the moments as precision Λ = P⁻¹ and η = Λ m, compared with Dynamax's information form."""
    out = {}
    for kind in ("filtered", "smoothed"):
        precisions = np.linalg.inv(golden[f"{kind}_covs"])
        out[f"{kind}_precisions"] = precisions
        out[f"{kind}_etas"] = np.einsum("tij,tj->ti", precisions, golden[f"{kind}_means"])
    keys = {"initial_precision": "initial_cov", "dynamics_precision": "dynamics_cov",
            "emission_precision": "emissions_cov"}
    info = info_inference.ParamsLGSSMInfo(
        initial_mean=params["initial_mean"], dynamics_weights=params["dynamics_weights"],
        dynamics_input_weights=params["dynamics_input_weights"], dynamics_bias=params["dynamics_bias"],
        emission_weights=params["emissions_weights"], emission_input_weights=params["emissions_input_weights"],
        emission_bias=params["emissions_bias"],
        **{key: np.linalg.inv(params[source]) for key, source in keys.items()})
    smoothed = info_inference.lgssm_info_smoother(info, jnp.asarray(emissions), jnp.asarray(inputs))
    np.testing.assert_allclose(smoothed.marginal_loglik, golden["marginal_loglik"], rtol=EXACT)
    np.testing.assert_allclose(smoothed.filtered_etas, out["filtered_etas"], rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(smoothed.smoothed_precisions, out["smoothed_precisions"], rtol=EXACT, atol=EXACT)
    return out


def dense(params: dict, emissions: np.ndarray, inputs: np.ndarray | None) -> dict[str, Any]:
    """Conditions the joint Gaussian of all states on all observations."""
    num_steps, dim = len(emissions), len(params["initial_mean"])
    at = partial(steps, params, num_steps, inputs)
    F, b, Q, H, d, R = (at(key) for key in ("F", "b", "Q", "H", "d", "R"))
    size = num_steps * dim
    # x = W e with e = (z_1, b_2 + q_2, ...): W has F_t ... F_{s+1} in block (t, s).
    W, noise, offset = np.zeros((size, size)), np.zeros((size, size)), np.zeros(size)
    for s in range(num_steps):
        product, block = np.eye(dim), slice(s * dim, (s + 1) * dim)
        noise[block, block] = params["initial_cov"] if s == 0 else Q[s]
        offset[block] = params["initial_mean"] if s == 0 else b[s]
        for t in range(s, num_steps):
            product = F[t] @ product if t > s else product
            W[t * dim:(t + 1) * dim, block] = product
    mean, cov = W @ offset, W @ noise @ W.T
    G, noise_y = block_diag(*H), block_diag(*R)
    S = G @ cov @ G.T + noise_y
    residual = emissions.ravel() - G @ mean - d.ravel()
    gain = np.linalg.solve(S, G @ cov).T
    mean, cov = mean + gain @ residual, cov - gain @ G @ cov
    blocks = cov.reshape(num_steps, dim, num_steps, dim).transpose(0, 2, 1, 3)
    loglik = -0.5 * (len(S) * np.log(2 * np.pi) + np.linalg.slogdet(S)[1] + residual @ np.linalg.solve(S, residual))
    t = np.arange(num_steps)
    return {"marginal_loglik": loglik, "smoothed_means": mean.reshape(num_steps, dim),
            "smoothed_covs": blocks[t, t], "lag_one_covs": blocks[t[:-1], t[1:]]}


def steps(params: dict, num_steps: int, inputs: np.ndarray | None, key: str) -> np.ndarray:
    """Gives one matrix or offset per step, inputs included."""
    name = {"F": "dynamics_weights", "b": "dynamics_bias", "Q": "dynamics_cov", "H": "emissions_weights",
            "d": "emissions_bias", "R": "emissions_cov"}[key]
    if key in "bd":
        size = params["dynamics_weights"].shape[-1] if key == "b" else params["emissions_weights"].shape[-2]
        out = np.zeros((num_steps, size)) + params.get(name, 0.0)
        part = name.split("_")[0]
        return out if inputs is None else out + inputs @ params[f"{part}_input_weights"].T
    value = params[name]
    value = np.diag(value) if value.ndim == 1 else value
    return np.broadcast_to(value, (num_steps, *value.shape[-2:]))


def joint_log_prob(params: dict, states: np.ndarray, emissions: np.ndarray, inputs: np.ndarray | None) -> float:
    """log p(z, y); for fixed parameters compared with Dynamax's `log_prob`."""
    at = partial(steps, params, len(emissions), inputs)
    F, b, Q, H, d, R = (at(key) for key in ("F", "b", "Q", "H", "d", "R"))
    def log_normal(x, cov):
        return -0.5 * (len(x) * np.log(2 * np.pi) + np.linalg.slogdet(cov)[1] + x @ np.linalg.solve(cov, x))
    total = log_normal(states[0] - params["initial_mean"], params["initial_cov"])
    for t, (z, y) in enumerate(zip(states, emissions)):
        total += log_normal(y - H[t] @ z - d[t], R[t])
        total += log_normal(z - F[t] @ states[t - 1] - b[t], Q[t]) if t else 0.0
    fixed = params["dynamics_weights"].ndim == 2 and all(params.get(key, np.zeros(1)).ndim == 1
                                                         for key in ("dynamics_bias", "emissions_bias"))
    if fixed and params["emissions_cov"].ndim == 2:
        model = LinearGaussianSSM(len(F[0]), len(H[0]), 0 if inputs is None else inputs.shape[1])
        lgssm = make_lgssm_params(**{key: jnp.asarray(value) for key, value in params.items()})
        u = None if inputs is None else jnp.asarray(inputs)
        theirs = model.log_prob(lgssm, jnp.asarray(states), jnp.asarray(emissions), u)
        np.testing.assert_allclose(theirs, total, rtol=1e-12)
    return total


def start(conjugate: bool, inputs: bool, biases: bool = True) -> tuple[Any, Any, Any, Any]:
    """Gives model, parameters, properties and inputs of a run of learning: all defaults but H."""
    family = LinearGaussianConjugateSSM if conjugate else LinearGaussianSSM
    model = family(2, 2, 2 if inputs else 0, has_dynamics_bias=biases, has_emissions_bias=biases)
    params, props = model.initialize(emission_weights=jnp.array([[1.0, 0.3], [0.2, 1.0]]))
    return model, params, props, jnp.asarray(input_wave(20)) if inputs else None


def em_golden(inputs: bool = False, conjugate: bool = False, biases: bool = True) -> dict[str, Any]:
    """Five iterations of EM: maximum likelihood, or the posterior mode under the default conjugate priors."""
    model, params, props, u = start(conjugate, inputs, biases)
    y = jnp.asarray(wave(20))
    new, log_probs = model.fit_em(params, props, y, u, num_iters=5, verbose=False)
    once, _ = model.fit_em(params, props, y, u, num_iters=1, verbose=False)
    golden = {
        "name": "em" + "_map" * conjugate + "_inputs" * inputs + "_no_biases" * (not biases),
        "model": type(model).__name__, "has_biases": biases, "emissions": y, "inputs": u, "start": named(params),
        "num_iters": 5, "log_probs": log_probs, "params_after_one": named(once), "params": named(new),
        "log_prior_of_start": model.log_prior(params), "log_prior": model.log_prior(new),
        "marginal_loglik": model.marginal_log_prob(new, y, u),
    }
    if conjugate:
        golden["prior"] = {
            "initial": {"loc": [0.0, 0.0], "mean_concentration": 1.0, "df": 2.1, "scale": np.eye(2)},
            "dynamics": {"loc": 0.0, "col_precision": 1.0, "df": 2.1, "scale": np.eye(2)},
            "emissions": {"loc": 0.0, "col_precision": 1.0, "df": 2.1, "scale": np.eye(2)},
        }
        check_default_priors(model)
    print(golden["name"], np.asarray(log_probs))
    return golden


def check_default_priors(model: Any) -> None:
    """Stops if the defaults are not those written to the file."""
    np.testing.assert_allclose(model.initial_prior.df, 2.1)
    np.testing.assert_allclose(model.initial_prior.mean_concentration, 1.0)
    for prior in (model.dynamics_prior, model.emission_prior):
        np.testing.assert_allclose(prior.df, 2.1)
        np.testing.assert_allclose(prior.loc, 0.0)
        np.testing.assert_allclose(prior.col_precision, np.eye(prior.loc.shape[1]))
        np.testing.assert_allclose(prior.scale, np.eye(2))


def adam_golden(inputs: bool = False) -> dict[str, Any]:
    """Five steps of Adam on −log p(y) / number of entries, covariances through Dynamax's positive map."""
    model, params, props, u = start(False, inputs)
    y = jnp.asarray(wave(20))
    new, losses = model.fit_sgd(params, props, y, u, optimizer=optax.adam(1e-3), batch_size=1, num_epochs=5)
    name = "adam" + ("_inputs" if inputs else "")
    print(name, np.asarray(losses))
    return {"name": name, "model": "LinearGaussianSSM", "emissions": y, "inputs": u, "start": named(params),
            "learning_rate": 1e-3, "num_epochs": 5, "losses": losses, "params": named(new)}


def predictions_golden() -> dict[str, Any]:
    """Smooths the emissions and forecasts three steps, from the fixed case without inputs."""
    params, y, _ = cases()["offsets"]
    params = {**params, "dynamics_bias": np.array([0.1, -0.1]), "emissions_bias": np.array([0.2, 0.0])}
    params = {key: np.asarray(value) for key, value in params.items()}
    model = LinearGaussianSSM(2, 2)
    lgssm = make_lgssm_params(**{key: jnp.asarray(value) for key, value in params.items()})
    mean, std = model.posterior_predictive(lgssm, jnp.asarray(y))
    forecast = model.forecast(lgssm, jnp.asarray(y), 3)
    last = lgssm_filter(lgssm, jnp.asarray(y))
    m, P = np.asarray(last.filtered_means[-1]), np.asarray(last.filtered_covariances[-1])
    F, H = params["dynamics_weights"], params["emissions_weights"]
    exact = {"state_means": [], "state_covs": [], "emission_means": [], "emission_covs": []}
    for _ in range(3):  # Dynamax forecasts by filtering zeros with variance 1e8: right to 1e-7 only
        m, P = F @ m + params["dynamics_bias"], F @ P @ F.T + params["dynamics_cov"]
        exact["state_means"].append(m)
        exact["state_covs"].append(P)
        exact["emission_means"].append(H @ m + params["emissions_bias"])
        exact["emission_covs"].append(H @ P @ H.T + params["emissions_cov"])
    exact = {key: np.stack(value) for key, value in exact.items()}
    for theirs, key in zip(forecast, exact):
        np.testing.assert_allclose(theirs, exact[key], rtol=1e-6, atol=1e-7, err_msg=key)
    return {"name": "predictions", "params": params, "emissions": y, "emission_means": mean, "emission_stds": std,
            "forecast": exact}


def named(params: Any) -> dict[str, Any]:
    """Flattens a parameter tuple to names such as `dynamics_weights`."""
    return {f"{part}_{name}": value for part, fields in params._asdict().items()
            for name, value in fields._asdict().items() if value is not None}


if __name__ == "__main__":
    main()

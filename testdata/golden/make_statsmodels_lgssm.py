"""Writes statsmodels_lgssm.json: state space models of statsmodels 0.15 on closed-form data and on real series.

    python testdata/golden/make_statsmodels_lgssm.py

Three parts: filters and smoothers with missing entries, exact diffuse starts, and structural models fitted by
maximum likelihood. The first two are compared between statsmodels' own conventional, univariate and
collapsed filters, and with a dense Gaussian, before anything is written.

Time: statsmodels' transition and state intercept of index t drive the step to t + 1; here, as everywhere in this
project, those of index t drive the step into z_t.
"""
from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import block_diag
from scipy.optimize import minimize
from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother
from statsmodels.tsa.statespace.structural import UnobservedComponents

warnings.simplefilter("ignore")
HERE = Path(__file__).resolve().parent
SERIES = HERE.parent / "series"
CLOSE = 1e-9
"""Difference allowed between the filters and the dense Gaussian."""
ZERO_VARIANCE = 1e-7
"""Variances below this part of the largest start are taken as zero."""
STEP = 1e-3
"""Step of differences in log variances."""


def main() -> None:
    """Writes all goldens."""
    structural = [nile(), nile_trend(), seatbelts(stochastic=True), seatbelts(stochastic=False), airline(),
                  *carbon_dioxide()]
    parts = {"missing": [missing(*case) for case in missing_cases()],
             "diffuse": [diffuse(*case) for case in diffuse_cases()], "structural": structural}
    blocks = [f'"{key}": [\n' + ",\n".join(json.dumps(plain(golden)) for golden in goldens) + "\n]"
              for key, goldens in parts.items()]
    source = '"source": "statsmodels 0.15.0"'
    (HERE / "statsmodels_lgssm.json").write_text("{" + ",\n".join([source, *blocks]) + "}\n")


def read(name: str) -> pd.DataFrame:
    """Reads a series."""
    return pd.read_csv(SERIES / f"{name}.csv")


def wave(num_steps: int, size: int) -> np.ndarray:
    """y_t(i) = 2 sin(1 + 0.7t + 2i) + 0.5 cos(1.3 t i)."""
    t, i = np.indices((num_steps, size))
    return 2 * np.sin(1 + 0.7 * t + 2 * i) + 0.5 * np.cos(1.3 * t * i)


def missing_cases() -> list[tuple[str, dict[str, np.ndarray], np.ndarray]]:
    """Lists (name, parameters, emissions with NaN)."""
    two = {
        "initial_mean": np.array([0.5, -0.5]), "initial_cov": np.array([[1.0, 0.2], [0.2, 0.5]]),
        "dynamics_weights": np.array([[0.9, 0.1], [-0.2, 0.8]]), "dynamics_bias": np.array([0.1, -0.1]),
        "dynamics_cov": np.array([[0.2, 0.05], [0.05, 0.1]]),
        "emissions_weights": np.array([[1.0, 0.3], [0.2, 1.0], [0.5, -0.5]]),
        "emissions_bias": np.array([0.2, 0.0, -0.3]),
        "emissions_cov": np.array([[0.5, 0.1, 0.05], [0.1, 0.4, -0.1], [0.05, -0.1, 0.3]]),
    }
    singular = {**two, "dynamics_cov": np.array([[0.25, 0.125], [0.125, 0.0625]]),
                "emissions_cov": np.diag([0.5, 0.4, 0.0])}
    t = np.arange(15)[:, None, None]
    varying = {**two, "dynamics_weights": two["dynamics_weights"] * (1 + 0.1 * np.sin(t)),
               "emissions_cov": two["emissions_cov"] * (1 + 0.5 * np.cos(t))}
    few, rows, many = (wave(15, 3) for _ in range(3))
    few[[3, 7, 7, 11], [1, 0, 2, 2]] = np.nan
    rows[[0, 5, 6, 14]] = np.nan
    many[np.indices((15, 3)).sum(0) % 3 != 0] = np.nan
    rows[2, 1] = np.nan
    blood = read("blood_daily_missing").to_numpy()[:, 1:]
    blood[[4, 20], [1, 0]] = np.nan
    levels = {
        "initial_mean": blood[0], "initial_cov": np.diag([0.1, 0.1, 1.0]),
        "dynamics_weights": np.eye(3), "dynamics_bias": np.zeros(3),
        "dynamics_cov": np.array([[0.02, 0.01, 0.0], [0.01, 0.02, 0.05], [0.0, 0.05, 2.0]]),
        "emissions_weights": np.eye(3), "emissions_bias": np.zeros(3), "emissions_cov": np.diag([0.01, 0.01, 1.0]),
    }
    return [("entries", two, few), ("rows", two, rows), ("most", two, many), ("singular", singular, few),
            ("time_varying", varying, many), ("blood", levels, blood)]


def missing(name: str, params: dict[str, np.ndarray], emissions: np.ndarray) -> dict[str, Any]:
    """Filters and smooths one case by three filters."""
    results = kalman(params, emissions)
    golden = moments(results)
    for method in ("filter_univariate", "filter_collapsed"):
        if method == "filter_collapsed" and name in ("singular", "blood"):
            continue  # it inverts R and needs more emissions than states
        other = moments(kalman(params, emissions, **{method: True}))
        for key in ("llf", "filtered_means", "filtered_covs", "smoothed_means", "smoothed_covs", "lag_one_covs"):
            message = f"{name} {method} {key}"
            np.testing.assert_allclose(other[key], golden[key], rtol=CLOSE, atol=CLOSE, err_msg=message)
    check_dense(name, params, emissions, golden)
    if name == "blood":
        for key in ("predicted_means", "predicted_covs", "filtered_covs", "lag_one_covs"):
            del golden[key]  # 91 steps: keep the file small
    print(f"missing, {name}: {golden['llf']}")
    return {"name": name, "params": params, "emissions": emissions, **golden}


def kalman(params: dict[str, np.ndarray], emissions: np.ndarray, **methods: bool) -> Any:
    """Runs statsmodels' smoother."""
    (M, D), num_steps = params["emissions_weights"].shape, len(emissions)
    smoother = KalmanSmoother(M, D, k_posdef=D, tolerance=0.0)
    # The collapsed filter supports no offset of the emissions.
    smoother.bind(np.ascontiguousarray(emissions - params["emissions_bias"]))
    later = [*range(1, num_steps), num_steps - 1]
    F = np.broadcast_to(params["dynamics_weights"], (num_steps, D, D))[later]
    smoother["transition"] = F.transpose(1, 2, 0)
    R = np.broadcast_to(params["emissions_cov"], (num_steps, M, M))
    smoother["obs_cov"] = R.transpose(1, 2, 0)
    smoother["design"], smoother["selection"] = params["emissions_weights"], np.eye(D)
    smoother["state_cov"] = params["dynamics_cov"]
    smoother["state_intercept"] = params["dynamics_bias"][:, None]
    smoother.initialize_known(params["initial_mean"], params["initial_cov"])
    for method, value in methods.items():
        setattr(smoother, method, value)
    return smoother.smooth()


def moments(results: Any) -> dict[str, Any]:
    """Names the results and puts time first."""
    first = lambda array: np.moveaxis(np.asarray(array), -1, 0)  # noqa: E731
    return {
        "llf": results.llf, "llf_obs": results.llf_obs,
        "predicted_means": first(results.predicted_state)[:-1],
        "predicted_covs": first(results.predicted_state_cov)[:-1],
        "filtered_means": first(results.filtered_state), "filtered_covs": first(results.filtered_state_cov),
        "smoothed_means": first(results.smoothed_state), "smoothed_covs": first(results.smoothed_state_cov),
        # statsmodels has Cov(z_{t+1}, z_t | y).
        "lag_one_covs": first(results.smoothed_state_autocov)[:-1].transpose(0, 2, 1),
    }


def check_dense(name: str, params: dict[str, np.ndarray], emissions: np.ndarray, golden: dict[str, Any]) -> dict:
    """Stops where golden values differ from the joint Gaussian of all states and observations; returns its own."""
    num_steps, (M, D) = len(emissions), params["emissions_weights"].shape
    F = np.broadcast_to(params["dynamics_weights"], (num_steps, D, D))
    R = np.broadcast_to(params["emissions_cov"], (num_steps, M, M))
    W = np.zeros((num_steps * D, num_steps * D))
    noise = block_diag(params["initial_cov"], *[params["dynamics_cov"]] * (num_steps - 1))
    bias = params.get("dynamics_bias", np.zeros(D))
    offset = np.concatenate([params["initial_mean"], np.tile(bias, num_steps - 1)])
    for s in range(num_steps):
        product = np.eye(D)
        for t in range(s, num_steps):
            product = F[t] @ product if t > s else product
            W[t * D:(t + 1) * D, s * D:(s + 1) * D] = product
    mean, cov = W @ offset, W @ noise @ W.T
    seen = np.isfinite(emissions.ravel())
    G = block_diag(*[params["emissions_weights"]] * num_steps)[seen]
    S = G @ cov @ G.T + block_diag(*R)[np.ix_(seen, seen)]
    residual = (emissions - params.get("emissions_bias", 0.0)).ravel()[seen] - G @ mean
    gain = np.linalg.solve(S, G @ cov).T
    mean, cov = mean + gain @ residual, cov - gain @ G @ cov
    log_det = np.linalg.slogdet(S)[1]
    if "initial_diffuse" in params:  # z_1 = delta with a flat prior: generalised least squares
        X = G @ W[:, :D]
        information = X.T @ np.linalg.solve(S, X)
        delta = np.linalg.solve(information, X.T @ np.linalg.solve(S, residual))
        left = W[:, :D] - gain @ X
        mean, cov = mean + left @ delta, cov + left @ np.linalg.solve(information, left.T)
        residual, log_det = residual - X @ delta, log_det + np.linalg.slogdet(information)[1]
    loglik = -0.5 * (len(S) * np.log(2 * np.pi) + log_det + residual @ np.linalg.solve(S, residual))
    cov = cov.reshape(num_steps, D, num_steps, D).transpose(0, 2, 1, 3)
    t = np.arange(num_steps)
    want = {"llf": loglik, "smoothed_means": mean.reshape(num_steps, D), "smoothed_covs": cov[t, t],
            "lag_one_covs": cov[t[:-1], t[1:]]}
    for key in set(want) & set(golden):
        scale = np.abs(want[key]).max()
        np.testing.assert_allclose(golden[key], want[key], rtol=CLOSE, atol=CLOSE * scale, err_msg=f"{name} {key}")
    return want


def diffuse_cases() -> list[tuple[str, UnobservedComponents, list[float]]]:
    """Lists (name, model with an exact diffuse start, variances)."""
    volumes = read("nile").volume.to_numpy(float)
    gaps = volumes.copy()
    gaps[[0, 1, 20, 21, 22]] = np.nan
    quarterly = wave(24, 1)[:, 0] + np.tile([1.0, -2.0, 0.5, 0.5], 6) + 0.1 * np.arange(24)
    exact = {"use_exact_diffuse": True}
    return [
        ("local_level_nile", UnobservedComponents(volumes, "llevel", **exact), [15099.0, 1469.1]),
        ("local_level_nile_gaps", UnobservedComponents(gaps, "llevel", **exact), [15099.0, 1469.1]),
        ("local_linear_trend", UnobservedComponents(volumes[:30], "lltrend", **exact), [15099.0, 1469.1, 10.0]),
        ("seasonal", UnobservedComponents(quarterly, "lltrend", seasonal=4, **exact), [0.5, 0.2, 0.01, 0.1]),
        ("trigonometric", UnobservedComponents(
            quarterly, "llevel", freq_seasonal=[{"period": 6, "harmonics": 2}], **exact), [0.5, 0.2, 0.1]),
        ("smooth_trend", UnobservedComponents(quarterly, "strend", **exact), [0.5, 0.01]),
    ]


def diffuse(name: str, model: UnobservedComponents, variances: list[float]) -> dict[str, Any]:
    """Filters and smooths with an exact diffuse start."""
    model.ssm.tolerance = 0.0
    kf = model.smooth(variances).filter_results
    golden = {
        "name": name, "params": system(model), "emissions": model.endog, "variances": variances,
        "state_names": model.state_names, "nobs_diffuse": kf.nobs_diffuse, **moments(kf),
        "predicted_diffuse_covs": np.moveaxis(kf.predicted_diffuse_state_cov, -1, 0)[:kf.nobs_diffuse + 1],
    }
    # statsmodels leaves zeros in the diffuse steps; this one is from the dense Gaussian.
    del golden["lag_one_covs"]
    golden["lag_one_covs"] = check_dense(name, golden["params"], golden["emissions"], golden)["lag_one_covs"]
    print(f"diffuse, {name}: {golden['llf']}, {kf.nobs_diffuse} diffuse steps")
    return golden


def system(model: Any) -> dict[str, Any]:
    """Gives the matrices of a model, under this project's names; the start is N(0, 0 + κ I)."""
    ssm = model.ssm
    selection, state_cov = np.asarray(ssm["selection"]), np.asarray(ssm["state_cov"])
    D = ssm.k_states
    return {
        "initial_mean": np.zeros(D), "initial_cov": np.zeros((D, D)), "initial_diffuse": np.eye(D),
        "dynamics_weights": np.asarray(ssm["transition"]), "dynamics_cov": selection @ state_cov @ selection.T,
        "emissions_weights": np.asarray(ssm["design"]), "emissions_cov": np.asarray(ssm["obs_cov"]),
    }


def fit(name: str, endog: np.ndarray, start: list[float], points: list[int], horizon: int,
        exog: np.ndarray | None = None, future_exog: np.ndarray | None = None, prior: Any = None,
        **spec: Any) -> tuple[dict[str, Any], Any]:
    """Fits by maximum likelihood, with an exact diffuse start unless there is a `prior` (mean, covariance) of z_1."""
    model = UnobservedComponents(endog, exog=exog, mle_regression=False, use_exact_diffuse=prior is None, **spec)
    if prior:
        model.ssm.initialize_known(*prior)
        model._unconditional_initialization = None
        model.initialize_default = lambda *_, **__: None
    model.ssm.tolerance = 0.0
    best, errors, slope = maximise(model, start)
    results = model.smooth(best)
    kf = results.filter_results
    forecast = results.get_forecast(horizon, exog=future_exog)
    interval = np.asarray(forecast.conf_int(alpha=0.05))
    golden = {
        "name": name, "params": system(model) if exog is None else None, "spec": spec, "prior": prior,
        "has_exog": exog is not None,
        "param_names": model.param_names, "fitted": best, "bse": errors, "llf": results.llf, "aic": results.aic,
        "bic": results.bic, "nobs_diffuse": kf.nobs_diffuse,
        "state_names": model.state_names, "points": points,
        "smoothed_means": np.asarray(results.smoothed_state)[:, points].T,
        "smoothed_variances": np.diagonal(np.moveaxis(results.smoothed_state_cov, -1, 0)[points], axis1=1, axis2=2),
        "level_filtered": results.level.filtered[points], "level_smoothed": results.level.smoothed[points],
        "forecast": {"mean": forecast.predicted_mean, "se": forecast.se_mean, "lower": interval[:, 0],
                     "upper": interval[:, 1]},
        "diagnostics": diagnostics(results),
    }
    if prior:
        golden["params"] |= {"initial_mean": prior[0], "initial_cov": prior[1], "initial_diffuse": None}
    else:
        approximate = UnobservedComponents(endog, exog=exog, mle_regression=False, **spec)
        loose = approximate.smooth(best)
        golden["approximate_diffuse"] = {
            "llf": loose.llf, "initial_variance": approximate.ssm.initial_variance,
            "loglikelihood_burn": loose.loglikelihood_burn,
        }
    print(f"{name}: {golden['llf']:.6f}", dict(zip(model.param_names, best.tolist())),
          f"slope {slope:.1e}, {kf.nobs_diffuse} diffuse steps")
    return golden, results


def maximise(model: Any, start: list[float]) -> tuple[np.ndarray, np.ndarray, float]:
    """Maximises over log variances (BFGS, then Newton steps) and returns variances, standard errors, largest slope.

    A variance that goes to zero is left at zero, without standard error. Derivatives are differences of fourth
    order: the complex steps of statsmodels lose all digits in exact diffuse filters. Standard errors are from
    the observed information.
    """
    scale = max(start)
    free = np.arange(len(start))
    def value(logs: np.ndarray) -> float:
        full = np.zeros(len(start))
        full[free] = np.exp(logs)
        return model.loglike(full)
    def difference(function: Any, logs: np.ndarray, e: np.ndarray) -> Any:
        near, far = (function(logs + h * e) - function(logs - h * e) for h in (STEP, 2 * STEP))
        return (8 * near - far) / (12 * STEP)
    def gradient(logs: np.ndarray) -> np.ndarray:
        return np.array([difference(value, logs, e) for e in np.eye(len(logs))])
    found = minimize(lambda logs: -value(logs) / model.nobs, np.log(start), method="BFGS",
                     jac=lambda logs: -gradient(logs) / model.nobs, options={"gtol": 1e-6})
    free = np.flatnonzero(found.x > np.log(ZERO_VARIANCE * scale))
    logs = found.x[free]
    for _ in range(10):
        hessian = np.stack([difference(gradient, logs, e) for e in np.eye(len(logs))])
        slope = gradient(logs)
        move = np.linalg.solve((hessian + hessian.T) / 2, slope)
        if np.abs(move).max() < 1e-8:
            break
        logs = logs - np.clip(move, -0.5, 0.5)
    variances, errors = np.zeros(len(start)), np.full(len(start), np.nan)
    variances[free] = np.exp(logs)
    errors[free] = np.exp(logs) * np.sqrt(np.diag(np.linalg.inv(-hessian)))
    return variances, errors, np.abs(slope).max()


def diagnostics(results: Any) -> dict[str, Any]:
    """Tests of the standardised one-step forecast errors after the diffuse steps."""
    burn = max(results.filter_results.nobs_diffuse, results.loglikelihood_burn)
    normality = results.test_normality("jarquebera")[0]
    heteroskedasticity = results.test_heteroskedasticity("breakvar")[0]
    lags = [1, 5, 10]
    ljung_box = results.test_serial_correlation("ljungbox", lags=lags)[0]
    box_pierce = results.test_serial_correlation("boxpierce", lags=lags)[0]
    return {
        "burn": burn, "lags": lags,
        "jarque_bera": dict(zip(("statistic", "p_value", "skewness", "kurtosis"), normality)),
        "break_variance": dict(zip(("statistic", "p_value"), heteroskedasticity)),
        "ljung_box": {"statistics": ljung_box[0], "p_values": ljung_box[1]},
        "box_pierce": {"statistics": box_pierce[0], "p_values": box_pierce[1]},
    }


def nile() -> dict[str, Any]:
    """Local level, with disturbances and auxiliary residuals."""
    volumes = read("nile").volume.to_numpy(float)
    golden, results = fit("nile_local_level", volumes, [15000.0, 1500.0], [0, 27, 28, 50, 99], 10, level="llevel")
    kf = results.filter_results
    observation, level = kf.smoothed_measurement_disturbance[0], kf.smoothed_state_disturbance[0]
    observation_var = results.params[0] - kf.smoothed_measurement_disturbance_cov[0, 0]
    level_var = results.params[1] - kf.smoothed_state_disturbance_cov[0, 0]
    golden |= {
        "standardized_forecast_errors": kf.standardized_forecasts_error[0],
        # E(eps_t | y) and E(eta_t | y), eta_t of the step t -> t + 1, and both over their own standard deviation;
        # the last eta is not identified.
        "observation_disturbances": observation, "level_disturbances": level[:-1],
        "observation_residuals": observation / np.sqrt(observation_var),
        "level_residuals": level[:-1] / np.sqrt(level_var[:-1]),
    }
    worst = int(np.argmin(golden["observation_residuals"])), int(np.argmin(golden["level_residuals"]))
    print("largest negative auxiliary residuals at", worst)
    return golden


def nile_trend() -> dict[str, Any]:
    """Local level with a fixed slope."""
    volumes = read("nile").volume.to_numpy(float)
    return fit("nile_fixed_slope", volumes, [15000.0, 1500.0], [0, 50, 99], 5, level="lldtrend")[0]


def seatbelts(stochastic: bool) -> dict[str, Any]:
    """Log of drivers killed or seriously injured: level, seasonal, log petrol price and the seat belt law of 1983."""
    table = read("uk_seatbelts_monthly")
    exog = np.stack([np.log(table.PetrolPrice), table.law], 1)
    name = "seatbelts_" + ("stochastic" if stochastic else "deterministic") + "_seasonal"
    golden, results = fit(name, np.log(table.drivers.to_numpy(float)),
                          [4e-3, 3e-4, 1e-6][:3 if stochastic else 2], [0, 100, 191], 12, exog=exog,
                          future_exog=np.tile(exog[-1], (12, 1)), level="llevel", seasonal=12,
                          stochastic_seasonal=stochastic)
    variances = dict(zip(golden["param_names"], golden["fitted"]))
    assert variances.get("sigma2.seasonal", 0.0) == 0.0
    golden["llf_dense"] = regression_log_likelihood(results.model, variances)
    print("coefficients", golden["smoothed_means"][-1][-2:], "dense", golden["llf_dense"])
    about = {"endog": "log drivers", "exog": ["log PetrolPrice", "law"], "future_exog": "the last row, repeated"}
    return {**golden, **about}


def regression_log_likelihood(model: Any, variances: dict[str, float]) -> float:
    """Diffuse log-likelihood of a local level with fixed seasonal and regressors, by generalised least squares."""
    y, design, F = (np.asarray(x) for x in (model.endog[:, 0], model.ssm["design"][0], model.ssm["transition"]))
    t = np.arange(len(y))
    X = np.stack([design[:, s] @ np.linalg.matrix_power(F, s) for s in t])
    S = variances["sigma2.irregular"] * np.eye(len(y)) + variances["sigma2.level"] * np.minimum.outer(t, t)
    information = X.T @ np.linalg.solve(S, X)
    residual = y - X @ np.linalg.solve(information, X.T @ np.linalg.solve(S, y))
    log_det = np.linalg.slogdet(S)[1] + np.linalg.slogdet(information)[1]
    return -0.5 * (len(y) * np.log(2 * np.pi) + log_det + residual @ np.linalg.solve(S, residual))


def airline() -> dict[str, Any]:
    """Log airline passengers: level, fixed slope and stochastic seasonal."""
    passengers = np.log(read("airpassengers_monthly").passengers.to_numpy(float))
    start = [1e-4, 7e-4, 6e-5]
    golden, _ = fit("airline", passengers, start, [0, 70, 143], 24, level="lldtrend", seasonal=12)
    return {**golden, "endog": "log passengers"}


def carbon_dioxide() -> list[dict[str, Any]]:
    """Weekly CO2 with gaps, and its monthly means.

    Weekly: local linear trend and two fixed harmonics of the year, proper start: a few weeks say so little about the
    year that exact diffuse starts lose all digits. Monthly: the same trend, a fixed seasonal, exact diffuse start.
    """
    table = read("co2_weekly")
    prior = np.array([316.0, 0.02, 0.0, 0.0, 0.0, 0.0]), np.diag([4.0, 0.01, 9.0, 9.0, 4.0, 4.0])
    year = {"freq_seasonal": [{"period": 365.25 / 7, "harmonics": 2}], "stochastic_freq_seasonal": [False]}
    weekly = fit("co2_weekly", table.co2.to_numpy(float), [0.05, 0.03, 1e-6], [0, 7, 1000, 2283], 52, level="lltrend",
                 prior=prior, **year)[0]
    months = table.co2.groupby(table.date.str[:7], sort=True).mean()  # gaps inside months are averaged over
    monthly = fit("co2_monthly", months.to_numpy(float), [0.05, 0.03, 1e-5], [0, 2, 100, 525], 12, level="lltrend",
                  seasonal=12, stochastic_seasonal=False)[0]
    return [{**weekly, "endog": "co2"},
            {**monthly, "endog": "means of co2 by month, null in months without", "emissions": months.to_numpy()}]


def plain(value: Any) -> Any:
    """Turns arrays into lists and numbers, NaN into null; floats keep all their digits."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return plain(value)
    return None if isinstance(value, float) and np.isnan(value) else value


if __name__ == "__main__":
    main()

"""Every named model: constructors, shapes, EM, gradients, Dynamax's numbers."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import statewise as sw
from statewise import hidden_markov_model as models

MODELS = {
    "bernoulli": lambda: sw.BernoulliHMM(2, 3),
    "categorical": lambda: sw.CategoricalHMM(2, 2, 3),
    "multinomial": lambda: sw.MultinomialHMM(2, 1, 3, 5),
    "poisson": lambda: sw.PoissonHMM(2, 2),
    "zero-inflated": lambda: sw.ZeroInflatedPoissonHMM(2, 1),
    "negative binomial": lambda: sw.NegativeBinomialHMM(2, 1),
    "gamma": lambda: sw.GammaHMM(2),
    "exponential": lambda: sw.ExponentialHMM(2, 1),
    "log-normal": lambda: sw.LogNormalHMM(2, 2),
    "von Mises": lambda: sw.VonMisesHMM(2, 1),
    "gaussian": lambda: sw.GaussianHMM(2, 2),
    "diagonal": lambda: sw.DiagonalGaussianHMM(2, 2),
    "spherical": lambda: sw.SphericalGaussianHMM(2, 2),
    "shared": lambda: sw.SharedCovarianceGaussianHMM(2, 2),
    "low rank": lambda: sw.LowRankGaussianHMM(2, 3, 1),
    "mixture": lambda: sw.GaussianMixtureHMM(2, 2, 2),
    "diagonal mixture": lambda: sw.DiagonalGaussianMixtureHMM(2, 2, 2),
    "student": lambda: sw.StudentTHMM(2, 2),
    "linear regression": lambda: sw.LinearRegressionHMM(2, 2, 2),
    "logistic regression": lambda: sw.LogisticRegressionHMM(2, 2),
    "categorical regression": lambda: sw.CategoricalRegressionHMM(2, 3, 2),
    "autoregressive": lambda: sw.LinearAutoregressiveHMM(2, 2, 2),
    "channels": lambda: sw.ChannelsHMM(
        2, [{"family": "gaussian", "emission_dim": 2}, sw.CategoricalHMM(2, 1, 3)]
    ),
    "input-driven": lambda: sw.GaussianHMM(2, 1, transitions="softmax", transition_input_dim=2),
    "sticky": lambda: sw.PoissonHMM(2, 1, transition_matrix_stickiness=10.0),
    "left to right": lambda: sw.PoissonHMM(2, 1, transition_support=[[1, 1], [0, 1]]),
}
#: Values in place of draws from priors so vague that the data are of no use.
VALUES = {"log-normal": {"emission_means": [[0.0, 1.0], [2.0, -1.0]], "emission_scales": np.full((2, 2), 0.3)}}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_samples_fits_and_infers(name):
    hmm = MODELS[name]()
    rng = np.random.default_rng(0)
    u = rng.normal(size=(80, hmm.input_dim)) if hmm.input_dim else None
    params, props = hmm.initialize(0, **VALUES.get(name, {}))
    states, emissions = hmm.sample(params, 1, 80, inputs=u)
    assert states.shape == (80,) and emissions.shape == (80, *hmm.emission_shape)

    start, _ = hmm.initialize(3, method="kmeans", emissions=emissions, inputs=u)
    fit = hmm.fit_em(start, props, emissions, inputs=u, num_iters=8)
    assert sw.monotonically_increasing(fit.log_probs, atol=1e-6), fit.log_probs
    assert np.isfinite(hmm.log_prior(fit.params))

    posterior = hmm.smoother(fit.params, emissions, inputs=u)
    assert posterior.smoothed_probs.shape == (80, 2)
    loglik = hmm.marginal_log_prob(fit.params, emissions, inputs=u)
    np.testing.assert_allclose(posterior.marginal_loglik, loglik, rtol=1e-12)
    path = hmm.most_likely_states(fit.params, emissions, inputs=u)
    best = hmm.log_prob(fit.params, path, emissions, inputs=u)
    drawn = hmm.posterior_sample(fit.params, 5, emissions, inputs=u)
    assert best >= hmm.log_prob(fit.params, drawn, emissions, inputs=u) - 1e-9
    assert best <= loglik + 1e-9

    future = None if u is None else u[:4]
    forecast = hmm.forecast(fit.params, emissions, 4, inputs=u, forecast_inputs=future)
    assert forecast.emission_means.shape == (4, *hmm.emission_shape)
    np.testing.assert_allclose(forecast.state_probs.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_pickled_and_built_again_from_their_specification(name):
    hmm = MODELS[name]()
    again = pickle.loads(pickle.dumps(hmm))
    assert type(again) is type(hmm) and again == hmm and sw.HMM(hmm.spec) == hmm
    assert hash(again) == hash(hmm) and repr(again) == repr(hmm)


def test_constructors_take_dynamaxs_arguments_in_dynamaxs_order():
    common = ["initial_probs_concentration", "transition_matrix_concentration", "transition_matrix_stickiness"]
    prior = ["emission_prior_mean", "emission_prior_concentration", "emission_prior_scale", "emission_prior_extra_df"]
    expected = {
        "GaussianHMM": ["num_states", "emission_dim", *common, *prior],
        "CategoricalHMM": ["num_states", "emission_dim", "num_classes", *common, "emission_prior_concentration"],
        "CategoricalRegressionHMM": ["num_states", "num_classes", "input_dim", *common],
        "LinearRegressionHMM": ["num_states", "input_dim", "emission_dim", *common],
        "LogisticRegressionHMM": ["num_states", "input_dim", *common, "emission_matrices_scale"],
        "GaussianMixtureHMM": ["num_states", "num_components", "emission_dim", *common],
    }
    for name, arguments in expected.items():
        found = [argument for argument in inspect.signature(getattr(models, name)).parameters if argument != "options"]
        assert found[: len(arguments)] == arguments, name


GOLDEN_NAMES = [
    "gaussian", "gaussian_batch", "diagonal_gaussian", "spherical_gaussian", "shared_covariance_gaussian",
    "low_rank_gaussian", "gaussian_mixture", "diagonal_gaussian_mixture", "poisson", "bernoulli", "categorical",
    "multinomial", "gamma", "linear_regression", "logistic_regression", "categorical_regression",
    "linear_autoregressive",
]  # fmt: skip


@pytest.mark.parametrize("index", range(17))
def test_every_model_reproduces_dynamax(golden, index):
    case = golden("dynamax_hmm.json")["models"][index]
    hmm = getattr(sw, case["model"])(**case["constructor"])
    values = {name: np.array(value) for name, value in case["initialize"].items()}
    params, props = hmm.initialize(0, **values)
    emissions = np.array(case["emissions"], dtype=float)
    inputs = np.array(case["inputs"]) if case.get("inputs") is not None else None

    posterior = hmm.smoother(params, emissions, inputs)
    np.testing.assert_allclose(hmm.marginal_log_prob(params, emissions, inputs), case["marginal_log_prob"], rtol=1e-11)
    for field in ("filtered_probs", "smoothed_probs", "trans_probs"):
        if field in case:
            np.testing.assert_allclose(getattr(posterior, field), case[field], atol=1e-9)
    if "most_likely_states" in case:
        np.testing.assert_array_equal(hmm.most_likely_states(params, emissions, inputs), case["most_likely_states"])
    # Dynamax's own log prior is off by up to this.
    slack = 2 * case.get("log_prior_error", 0.0) + 1e-8
    np.testing.assert_allclose(hmm.log_prior(params), case["log_prior"], atol=slack, rtol=1e-11)

    want = case["em"]["log_probs"]
    fit = hmm.fit_em(params, props, emissions, inputs, num_iters=len(want), tol=None)
    if "params" in case["em"]:
        np.testing.assert_allclose(fit.log_probs, want, atol=slack, rtol=1e-9)
        for path, value in case["em"]["params"].items():
            np.testing.assert_allclose(fit.params._flat()[path], value, rtol=1e-6, atol=1e-8, err_msg=path)
    else:
        np.testing.assert_allclose(fit.log_probs[0], want[0], atol=slack, rtol=1e-9)


def test_one_state_is_a_model_too(gaussian):
    # Dynamax cannot initialise it (its defect 25).
    emissions = gaussian[-1]
    hmm = sw.GaussianHMM(1, 2)
    params, props = hmm.initialize(0, method="kmeans", emissions=emissions)
    fit = hmm.fit_em(params, props, emissions, use_priors=False)
    np.testing.assert_allclose(fit.params.emissions.means[0], emissions.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(fit.params.emissions.covs[0], np.cov(emissions.T, bias=True), rtol=1e-9)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: sw.GaussianHMM(0, 2), "num_states: found 0"),
        (lambda: sw.GaussianHMM(2, 0), "emission_dim"),
        (lambda: sw.GaussianHMM(2.5, 2), "num_states: found 2.5"),
        (lambda: sw.PoissonHMM(2, 1, emission_prior_rate=-1.0), "emission_prior_rate"),
        (lambda: sw.PoissonHMM(2, 1, transition_support=np.eye(3)), "transition_support"),
        (lambda: sw.PoissonHMM(2, 1, transitions="other"), "transitions: found 'other'"),
        (lambda: sw.PoissonHMM(2, 1, transitions="softmax"), "transition_input_dim"),
        (lambda: sw.ChannelsHMM(2, [3]), "channels: found 3"),
        (lambda: sw.HMM({"initial": {}}), "num_states"),
    ],
)
def test_wrong_hyperparameters_are_errors_that_name_them(build, message):
    with pytest.raises(sw.StatewiseError, match=message):
        build()


def test_an_unknown_keyword_is_a_type_error():
    with pytest.raises(TypeError, match="colour"):
        sw.PoissonHMM(2, 1, colour="red")


@pytest.mark.parametrize("input_dim", [0, 1])
def test_autoregressive_samples_go_on_from_earlier_emissions(input_dim):
    hmm = sw.LinearAutoregressiveHMM(1, 2, num_lags=2, input_dim=input_dim)
    rng = np.random.default_rng(0)
    weights, past = rng.normal(scale=0.3, size=(1, 2, 4 + input_dim)), rng.normal(size=(3, 2))
    u = rng.normal(size=(4, input_dim))
    tiny = {"emission_covariances": 1e-20 * np.eye(2)[None], "emission_biases": [[1.0, -1.0]]}
    params, _ = hmm.initialize(0, emission_weights=weights, **tiny)
    inputs = u if input_dim else None
    _, y = hmm.sample(params, 1, 4, inputs=inputs, prev_emissions=past)
    # Without noise a draw is the recursion itself, y_t = W (y_{t-1}, y_{t-2}, u_t) + b.
    features = np.hstack([hmm.compute_inputs(y, past[-2:]), u])
    np.testing.assert_allclose(y, features @ weights[0].T + [1.0, -1.0], atol=1e-8)

    zeros = hmm.sample(params, 1, 4, inputs=inputs, prev_emissions=np.zeros((2, 2)))[1]
    np.testing.assert_array_equal(zeros, hmm.sample(params, 1, 4, inputs=inputs)[1])
    with pytest.raises(sw.StatewiseError, match="prev_emissions: found shape"):
        hmm.sample(params, 1, 4, inputs=inputs, prev_emissions=np.zeros(2))

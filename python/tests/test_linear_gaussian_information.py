"""The information form against the moment form, and against Dynamax."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from test_linear_gaussian_inference import CASES, problem, with_gaps

import statewise as sw

#: Rounding of inverses of precisions.
CLOSE = {"rtol": 1e-9, "atol": 1e-10}
#: Singular covariances have no precision.
PROPER = sorted(set(CASES) - {"noise of rank one", "states without noise", "known start"})


def by_precisions(params):
    """The same model in information form."""
    d, e = params.dynamics, params.emissions
    cov = np.asarray(e.cov)
    diagonal = cov.ndim == 1 or cov.shape[-2:] != (e.weights.shape[-2],) * 2
    return sw.make_lgssm_info_params(
        initial_mean=params.initial.mean,
        dynamics_weights=d.weights,
        emission_weights=e.weights,
        initial_precision=np.linalg.inv(params.initial.cov),
        dynamics_precision=np.linalg.inv(d.cov),
        emission_precision=1.0 / cov if diagonal else np.linalg.inv(cov),
        dynamics_input_weights=getattr(d, "input_weights", None),
        dynamics_bias=getattr(d, "bias", None),
        emission_input_weights=getattr(e, "input_weights", None),
        emission_bias=getattr(e, "bias", None),
    )


@pytest.mark.parametrize("name", PROPER)
def test_the_information_form_is_the_moment_form(name):
    params, y, inputs = CASES[name]()
    info = by_precisions(params)
    want = sw.lgssm_smoother(params, y, inputs)
    filtered, smoothed = sw.lgssm_info_filter(info, y, inputs), sw.lgssm_info_smoother(info, y, inputs)
    for loglik in (filtered.marginal_loglik, smoothed.marginal_loglik):
        np.testing.assert_allclose(loglik, want.marginal_loglik, **CLOSE)
    for found in (filtered, smoothed):
        means, covs = sw.info_to_moment_form(found.filtered_etas, found.filtered_precisions)
        np.testing.assert_allclose(means, want.filtered_means, **CLOSE)
        np.testing.assert_allclose(covs, want.filtered_covariances, **CLOSE)
    means, covs = sw.info_to_moment_form(smoothed.smoothed_etas, smoothed.smoothed_precisions)
    np.testing.assert_allclose(means, want.smoothed_means, **CLOSE)
    np.testing.assert_allclose(covs, want.smoothed_covariances, **CLOSE)


def test_the_information_form_is_dynamaxs(golden):
    case = next(case for case in golden("dynamax_lgssm.json")["posteriors"] if "information" in case)
    params = sw.make_lgssm_params(**{name: np.array(value) for name, value in case["params"].items()})
    found = sw.lgssm_info_smoother(by_precisions(params), np.array(case["emissions"]), np.array(case["inputs"]))
    np.testing.assert_allclose(found.marginal_loglik, case["marginal_loglik"], **CLOSE)
    for name, value in case["information"].items():
        np.testing.assert_allclose(getattr(found, name), value, **CLOSE)


def test_a_flat_start_is_the_limit_of_wide_ones():
    params, y, _ = problem(20, num_steps=8)
    flat = by_precisions(params)._replace(initial_precision=np.zeros((2, 2)))
    found = sw.lgssm_info_smoother(flat, y)
    means, covs = sw.info_to_moment_form(found.smoothed_etas, found.smoothed_precisions)
    diffuse = sw.make_lgssm_params(
        params.initial.mean,
        np.zeros((2, 2)),
        params.dynamics.weights,
        params.dynamics.cov,
        params.emissions.weights,
        params.emissions.cov,
        dynamics_bias=params.dynamics.bias,
        emissions_bias=params.emissions.bias,
        initial_diffuse=np.eye(2),
    )
    want = sw.lgssm_smoother(diffuse, y)
    np.testing.assert_allclose(means, want.smoothed_means, **CLOSE)
    np.testing.assert_allclose(covs, want.smoothed_covariances, **CLOSE)
    # The density of a flat direction is one, where the diffuse evidence has 1 / sqrt(2 pi).
    np.testing.assert_allclose(
        found.marginal_loglik, want.marginal_loglik + np.log(2.0 * np.pi), **CLOSE
    )


def test_a_batch_and_a_ragged_list_are_each_sequence_alone():
    params, y, inputs = with_gaps(problem(21, input_dim=1))
    info = by_precisions(params)
    alone = sw.lgssm_info_smoother(info, y, inputs)
    batch = sw.lgssm_info_smoother(info, np.stack([y, y]), np.stack([inputs, inputs]))
    for one, both in zip(alone, batch, strict=True):
        np.testing.assert_array_equal(both, np.stack([one, one]))
    short = sw.lgssm_info_smoother(info, y[:4], inputs[:4])
    ragged = sw.lgssm_info_smoother(info, [y, y[:4]], [inputs, inputs[:4]])
    for name in ("smoothed_etas", "smoothed_precisions"):
        np.testing.assert_array_equal(getattr(ragged, name)[0], getattr(alone, name))
        np.testing.assert_array_equal(getattr(ragged, name)[1], getattr(short, name))
    means, covs = sw.info_to_moment_form(ragged.smoothed_etas, ragged.smoothed_precisions)
    assert [m.shape for m in means] == [(6, 2), (4, 2)]
    assert [c.shape for c in covs] == [(6, 2, 2), (4, 2, 2)]
    stacked, _ = sw.info_to_moment_form(batch.smoothed_etas, batch.smoothed_precisions)
    np.testing.assert_array_equal(stacked, np.stack([means[0], means[0]]))


def test_absent_biases_and_any_object_with_dynamaxs_fields_are_taken():
    params, y, _ = problem(22, biases=False)
    info = by_precisions(params)
    want = sw.lgssm_info_filter(info, y)
    zeros = info._replace(
        dynamics_bias=np.zeros(2),
        emission_bias=np.zeros(2),
        dynamics_input_weights=np.zeros((2, 0)),
        emission_input_weights=np.zeros((2, 0)),
    )
    kinds = [zeros, info._asdict(), SimpleNamespace(**info._asdict())]
    kinds.append(SimpleNamespace(**{k: v for k, v in info._asdict().items() if v is not None}))
    for kind in kinds:
        for found, expected in zip(sw.lgssm_info_filter(kind, y), want, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dynamics_precision": -np.eye(2)}, "params.dynamics_precision.*positive semi-definite"),
        ({"initial_precision": np.eye(3)}, "params.initial_precision.*shape"),
        ({"emission_precision": [-1.0, 1.0]}, "params.emission_precision.*at least 0"),
        ({"emission_bias": np.zeros(3)}, "params.emission_bias"),
        ({"dynamics_weights": None}, "params: dynamics_weights: found none"),
        ({"dynamics_weights": np.zeros((3, 2, 2))}, "params.dynamics_weights.*at least 6"),
    ],
)
def test_wrong_arguments_are_errors_that_name_them(change, message):
    params, y, _ = problem()
    with pytest.raises(sw.StatewiseError, match=message):
        sw.lgssm_info_filter(by_precisions(params)._replace(**change), y)


def test_a_flat_direction_has_no_moments():
    info = sw.make_lgssm_info_params([0.0], [[1.0]], [[1.0]], [[0.0]], [[1.0]], [[1.0]])
    found = sw.lgssm_info_filter(info, [[np.nan], [1.0]])
    with pytest.raises(sw.StatewiseError, match="precisions"):
        sw.info_to_moment_form(found.filtered_etas, found.filtered_precisions)
    with pytest.raises(sw.StatewiseError, match="precisions"):
        sw.info_to_moment_form(found.filtered_etas, np.zeros((2, 3)))

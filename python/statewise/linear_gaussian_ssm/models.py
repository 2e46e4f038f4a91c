"""The linear Gaussian state space model, by maximum likelihood or with conjugate priors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import ArrayLike

from .._native import LinearGaussianSsm
from .._seeds import Seed, as_seed
from .._sizes import size, whole
from ..errors import StatewiseError
from ..learning import Progress
from ..parameters import Params, Properties, given_arrays
from ..ssm import ParamsLike, Spec
from .base import GaussianSSM
from .covariances import Covariance, form_spec
from .gibbs import GibbsChain, run_gibbs
from .priors import MatrixNormalInverseWishart, NormalInverseWishart


class LinearGaussianSSM(GaussianSSM):
    """A linear Gaussian state space model with fixed matrices, learned by maximum likelihood.

    z_1 ~ N(m, S), z_t = F z_{t-1} + B u_t + b + N(0, Q), y_t = H z_t + D u_t + d + N(0, R)

    Parameters: initial.mean [D], .cov [D, D]; dynamics.weights [D, D], .input_weights [D, U],
    .bias [D], .cov [D, D]; emissions.weights [M, D], .input_weights [M, U], .bias [M], .cov [M, M].
    Diagonal covariances are vectors, scalar ones have shape [1]; those in blocks are matrices, zero between blocks.

    * `has_dynamics_bias`, `has_emissions_bias`: whether there are b and d.
    * `initial_covariance`, `dynamics_covariance`, `emission_covariance`: "full", "diagonal" or "scalar", or a list
      of `CovarianceBlock`, a partition of the dimensions; learning keeps the form.

    For data and the form of results see `SSM`; every method that filters takes `FilterOptions`.
    """

    _family = LinearGaussianSsm
    _native: LinearGaussianSsm
    _restart_method = "default"

    def __init__(
        self,
        state_dim: int,
        emission_dim: int,
        input_dim: int = 0,
        has_dynamics_bias: bool = True,
        has_emissions_bias: bool = True,
        *,
        initial_covariance: Covariance = "full",
        dynamics_covariance: Covariance = "full",
        emission_covariance: Covariance = "full",
    ) -> None:
        forms = initial_covariance, dynamics_covariance, emission_covariance
        super().__init__(
            _spec(state_dim, emission_dim, input_dim, has_dynamics_bias, has_emissions_bias, forms)
        )

    @property
    def state_dim(self) -> int:
        """D, the dimension of the state."""
        return self._native.state_dim

    def __repr__(self) -> str:
        spec = self.spec
        sizes = [f"{name}={spec[name]}" for name in ("state_dim", "emission_dim")]
        if spec["input_dim"]:
            sizes.append(f"input_dim={spec['input_dim']}")
        return f"{type(self).__name__}({', '.join(sizes)})"

    def initialize(
        self,
        seed: Seed = 0,
        method: str = "default",
        initial_mean: ArrayLike | None = None,
        initial_covariance: ArrayLike | None = None,
        dynamics_weights: ArrayLike | None = None,
        dynamics_bias: ArrayLike | None = None,
        dynamics_input_weights: ArrayLike | None = None,
        dynamics_covariance: ArrayLike | None = None,
        emission_weights: ArrayLike | None = None,
        emission_bias: ArrayLike | None = None,
        emission_input_weights: ArrayLike | None = None,
        emission_covariance: ArrayLike | None = None,
        *,
        emissions: Any = None,
        inputs: Any = None,
        key: Seed | None = None,
    ) -> tuple[Params, Properties]:
        """Returns starting parameters and their properties (everything trainable).

        * `seed`: an integer or a NumPy generator.
        * `method`: "default" takes Dynamax's values (F = 0.99 I, Q = R = 0.1 I, H drawn); "pca" starts
          H from the principal components of `emissions`; "subspace" estimates all matrices from their
          past and future (subspace identification).
        * All others are taken as they are.
        """
        if method not in ("default", "pca", "subspace"):
            raise StatewiseError(f"method: found {method!r}, expected 'default', 'pca' or 'subspace'")
        if method != "default" and emissions is None:
            raise StatewiseError(f"emissions: found none, expected data for method={method!r}")
        values = {
            "initial_mean": initial_mean,
            "initial_covariance": initial_covariance,
            "dynamics_weights": dynamics_weights,
            "dynamics_bias": dynamics_bias,
            "dynamics_input_weights": dynamics_input_weights,
            "dynamics_covariance": dynamics_covariance,
            "emission_weights": emission_weights,
            "emission_bias": emission_bias,
            "emission_input_weights": emission_input_weights,
            "emission_covariance": emission_covariance,
        }
        data = None if method == "default" else self._data(emissions, inputs)
        start = as_seed(seed if key is None else key)
        arrays = self._native.initialize(start, method, data, given_arrays(values))
        return self._params(arrays), self.properties()


class LinearGaussianConjugateSSM(LinearGaussianSSM):
    """A linear Gaussian state space model with conjugate priors: EM finds the posterior mode, and blocked
    Gibbs sampling draws from the posterior.

    (m, S) ~ NIW, ([F B b], Q) ~ MNIW, ([H D d], R) ~ MNIW. Parameters as of `LinearGaussianSSM`. Covariances in blocks
    have the marginals of the inverse Wishart; blocks of form "equal" have no conjugate prior and are refused.

    * `initial_prior`, `dynamics_prior`, `emission_prior`: by default those of Dynamax: location 0, unit
      concentrations and scales, D + 0.1 (or M + 0.1) degrees of freedom.
    """

    def __init__(
        self,
        state_dim: int,
        emission_dim: int,
        input_dim: int = 0,
        has_dynamics_bias: bool = True,
        has_emissions_bias: bool = True,
        *,
        initial_prior: NormalInverseWishart | None = None,
        dynamics_prior: MatrixNormalInverseWishart | None = None,
        emission_prior: MatrixNormalInverseWishart | None = None,
        initial_covariance: Covariance = "full",
        dynamics_covariance: Covariance = "full",
        emission_covariance: Covariance = "full",
    ) -> None:
        forms = initial_covariance, dynamics_covariance, emission_covariance
        spec = _spec(state_dim, emission_dim, input_dim, has_dynamics_bias, has_emissions_bias, forms)
        rows, width = spec["state_dim"], spec["emission_dim"]
        columns = rows + spec["input_dim"]
        initial = initial_prior or NormalInverseWishart()
        dynamics = dynamics_prior or MatrixNormalInverseWishart()
        emission = emission_prior or MatrixNormalInverseWishart()
        spec["prior"] = {
            "initial": initial._spec("initial_prior", rows),
            "dynamics": dynamics._spec("dynamics_prior", rows, columns + has_dynamics_bias),
            "emissions": emission._spec("emission_prior", width, columns + has_emissions_bias),
        }
        GaussianSSM.__init__(self, spec)

    def fit_blocked_gibbs(
        self,
        seed: Seed,
        initial_params: ParamsLike,
        sample_size: int,
        emissions: Any,
        inputs: Any = None,
        *,
        props: Properties | None = None,
        burn_in: int = 100,
        thin: int = 1,
        verbose: bool = True,
        callback: Callable[[Progress], object] | None = None,
        resume: GibbsChain | Mapping[str, Any] | None = None,
    ) -> GibbsChain:
        """Draws parameters from p(θ | y), states and parameters by turns; entries of y may be missing.

        * `initial_params`: where the chain starts; it is none of the draws. The mode is a good start.
        * `sample_size`: how many draws are kept, one in every `thin` sweeps after `burn_in` sweeps.
        * `props`: parameters that are not trainable are conditioned on.
        * `verbose`: shows progress, if standard error is a terminal.
        * `callback`: gets a `Progress` every sweep; answering False stops the chain.
        * `resume`: an earlier chain, or its `state`: goes on from there (with `burn_in=0` and the same
          seed as one chain would); `initial_params` then play no part.

        Ctrl-C returns the draws made so far, with `interrupted=True`.
        """
        settings = {
            "num_samples": size("sample_size", sample_size),
            "burn_in": whole("burn_in", burn_in),
            "thin": size("thin", thin),
            "seed": as_seed(seed),
        }
        props = self.properties() if props is None else props
        data = self._data(emissions, inputs)
        return run_gibbs(self, initial_params, props, data, settings, resume, verbose, callback)


def _spec(
    state_dim: int,
    emission_dim: int,
    input_dim: int,
    has_dynamics_bias: bool,
    has_emissions_bias: bool,
    forms: tuple[Covariance, Covariance, Covariance],
) -> Spec:
    names = ("initial_covariance", "dynamics_covariance", "emission_covariance")
    initial, dynamics, emission = (form_spec(name, form) for name, form in zip(names, forms, strict=True))
    return {
        "state_dim": size("state_dim", state_dim),
        "emission_dim": size("emission_dim", emission_dim),
        "input_dim": whole("input_dim", input_dim),
        "has_dynamics_bias": bool(has_dynamics_bias),
        "has_emissions_bias": bool(has_emissions_bias),
        "initial_cov": initial,
        "dynamics_cov": dynamics,
        "emissions_cov": emission,
    }

"""State space models: inference, learning and forecasting.

Models hold structure and priors, parameters live outside:

>>> import statewise as sw
>>> hmm = sw.PoissonHMM(num_states=2, emission_dim=1)
>>> params, props = hmm.initialize(0)
>>> states, emissions = hmm.sample(params, 1, num_timesteps=100)
>>> hmm.smoother(params, emissions).smoothed_probs.shape
(100, 2)
"""

import os as _os
from typing import TYPE_CHECKING

from . import _native
from . import datasets, deep_markov_model, diagnostics, hidden_markov_model, linear_gaussian_ssm, optim, structural
from .data import Dataset, as_dataset
from .deep_markov_model import *  # noqa: F403
from .deep_markov_model import __all__ as _deep_markov
from .errors import StatewiseError
from .files import SavedModel, load, save
from .hidden_markov_model import *  # noqa: F403
from .hidden_markov_model import __all__ as _hidden_markov
from .learning import FitResult, Progress
from .linear_gaussian_ssm import *  # noqa: F403
from .linear_gaussian_ssm import __all__ as _linear_gaussian
from .online import OnlineEM, OnlineFilter
from .parameters import ParameterProperties, Params, Properties
from .posteriors import CrossValidation, Forecast, InformationCriteria, Paths
from .selection import cross_validate
from .ssm import SSM
from .statistics import Statistics
from .structural import StructuralTimeSeries
from .uncertainty import Uncertainty
from .utils import (
    compute_state_overlap,
    find_permutation,
    monotonically_increasing,
    num_threads,
    pad_sequences,
    random_rotation,
    set_num_threads,
    unpad_sequences,
)

if TYPE_CHECKING:
    from . import plots as plots
    from . import sklearn as sklearn

__version__: str = _native.__version__

__all__ = [
    "CrossValidation",
    "Dataset",
    "FitResult",
    "Forecast",
    "InformationCriteria",
    "OnlineEM",
    "OnlineFilter",
    "ParameterProperties",
    "Params",
    "Paths",
    "Progress",
    "Properties",
    "SSM",
    "SavedModel",
    "StatewiseError",
    "Statistics",
    "StructuralTimeSeries",
    "Uncertainty",
    "as_dataset",
    "compute_state_overlap",
    "cross_validate",
    "datasets",
    "deep_markov_model",
    "diagnostics",
    "find_permutation",
    "hidden_markov_model",
    "linear_gaussian_ssm",
    "load",
    "monotonically_increasing",
    "num_threads",
    "optim",
    "pad_sequences",
    "plots",
    "random_rotation",
    "save",
    "set_num_threads",
    "sklearn",
    "structural",
    "unpad_sequences",
]
__all__ += _deep_markov
__all__ += _hidden_markov
__all__ += _linear_gaussian

# Threads do not survive a fork; the child starts its own.
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_native.forget_threads)


def __getattr__(name: str) -> object:
    """Loads the modules that need more than NumPy when they are asked for."""
    if name in ("plots", "sklearn"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

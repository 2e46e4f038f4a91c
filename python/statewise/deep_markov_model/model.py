"""The deep Markov model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _native
from .._driven import driven_rows
from .._native import Dmm
from .._seeds import Seed, as_seed
from .._sizes import size
from ..data import Dataset, as_dataset
from ..errors import StatewiseError
from ..linear_gaussian_ssm.inference import draws_per_sequence
from ..optim import Optimizer, Schedule
from ..posteriors import PerStep
from . import options as opt
from .fit import DmmFit, DmmProgress, run_training
from .formula import TransitionFunction
from .posteriors import DmmDraws, DmmForecast, DmmPosterior, Evaluation, Filled
from .stream import DmmStream, by_label
from .weights import Weights, as_weights


class DeepMarkovModel:
    """A deep Markov model p(x, z) = p(z_1) Π p(z_t | z_{t-1}) Π p(x_t | z_t) with networks for every factor,
    and an inference network q(z_t | z_{t-1}, x) beside it (Krishnan, Shalit and Sontag 2017).

    It holds its weights. Data are one sequence [T, E], a batch [N, T, E] or a list of sequences; NaN is a
    missing entry. Results have the form of the data.

    * `preset`: "default", "krishnan2017", "dmm-repo" or "pyro"; every option that is not given is the preset's.
    * `inference`: "ST-R", "ST-L", "ST-LR" (structured: q sees z_{t-1}), "MF-L", "MF-R" or "MF-LR" (mean field),
      reading the observations from the left (past), the right (future) or both; stands for `evidence` and
      `combiner`.
    * `input_dim`: values of an input u_t, which enters transition, emission and inference network.
    * `emission`: "bernoulli", "gaussian", "categorical" (labels below `num_classes`), "poisson" or "nade";
      `emission_width`, `emission_layers` of its network; `emission_previous`: whether it sees x_{t-1};
      `emission_residual`: whether z W is added to its output; `emission_constant_variance`: for Gaussians.
    * `latent_dim`: S.
    * `transition`: "gated", "gated_dmm", "mlp", "linear", "function" (with a `TransitionFunction`) or
      "linear_gaussian"; `transition_width`, `transition_layers`; `transition_previous`: whether it sees x_{t-1}.
    * `initial`: p(z_1): "standard", "learned" or "learned_state" (the transition from a learned z_0).
    * `evidence` ("left", "right", "both") and `combiner` ("mean_field", "average", "product");
      `combiner_weights` ("equal", "halves"), `combiner_nonlinearity`, `guide_start` ("zero", "learned", "noise").
    * `rnn` ("lstm", "gru", "tanh", "relu", "linear"), `rnn_size`, `rnn_layers`, `rnn_dropout`, `rnn_learned_start`,
      `rnn_initial_cell`, `rnn_laplace_bias`; `embedding`: units between observations and recurrent layers, 0 for
      none; `observe_missing`: whether the network is told which features are missing.
    * `iaf_layers`, `iaf_width`: inverse autoregressive flows on q(z_t).
    * `nonlinearity` of hidden layers; `spread`: whether a softplus is the "variance" or the "scale".
    * `init_scheme`, `init_weight`: how weights are drawn with `seed`.
    """

    _native: Dmm

    def __init__(
        self,
        emission_dim: int = 88,
        emission: opt.Emission = "bernoulli",
        preset: opt.Preset = "default",
        seed: Seed = 0,
        *,
        inference: opt.Inference | None = None,
        input_dim: int | None = None,
        num_classes: int | None = None,
        latent_dim: int | None = None,
        emission_width: int | None = None,
        emission_layers: int | None = None,
        emission_previous: bool | None = None,
        emission_residual: bool | None = None,
        emission_constant_variance: bool | None = None,
        transition: opt.Transition | None = None,
        transition_width: int | None = None,
        transition_layers: int | None = None,
        transition_function: TransitionFunction | Mapping[str, Any] | None = None,
        transition_previous: bool | None = None,
        initial: opt.Initial | None = None,
        evidence: opt.Evidence | None = None,
        combiner: opt.Combiner | None = None,
        combiner_weights: opt.CombinerWeights | None = None,
        combiner_nonlinearity: opt.Nonlinearity | None = None,
        guide_start: opt.GuideStart | None = None,
        rnn: opt.Cell | None = None,
        rnn_size: int | None = None,
        rnn_layers: int | None = None,
        rnn_learned_start: bool | None = None,
        rnn_initial_cell: float | None = None,
        rnn_laplace_bias: bool | None = None,
        embedding: int | None = None,
        observe_missing: bool | None = None,
        iaf_layers: int | None = None,
        iaf_width: int | None = None,
        rnn_dropout: float | None = None,
        nonlinearity: opt.Nonlinearity | None = None,
        spread: opt.Spread | None = None,
        init_scheme: opt.InitScheme | None = None,
        init_weight: float | None = None,
    ) -> None:
        given = dict(locals())
        for name in ("self", "emission_dim", "preset", "seed"):
            del given[name]
        config = opt.model_config(preset, size("emission_dim", emission_dim), given)
        self._become(Dmm(json.dumps(config), as_seed(seed)), preset)

    def _become(self, native: Dmm, preset: str) -> None:
        self._native, self._preset = native, preset
        self._config: dict[str, Any] = json.loads(native.config())

    @classmethod
    def _of(cls, native: Dmm, preset: str = "default") -> DeepMarkovModel:
        model = cls.__new__(cls)
        model._become(native, preset)
        return model

    # ---- options and weights

    @property
    def config(self) -> dict[str, Any]:
        """All options as plain values."""
        return dict(self._config)

    @property
    def emission_dim(self) -> int:
        """E, the features of an observation."""
        return int(self._config["emission_dim"])

    @property
    def latent_dim(self) -> int:
        """S, the dimension of z_t."""
        return int(self._config["latent_dim"])

    @property
    def input_dim(self) -> int:
        """Dimension of the inputs that the model reads; 0 if it reads none."""
        return int(self._config["input_dim"])

    @property
    def num_parameters(self) -> int:
        """All weights, those of the inference network included."""
        return sum(int(np.prod(shape)) for _, shape in self._native.tensors())

    @property
    def parameters(self) -> Weights:
        """The weights by name, float32 arrays; entries can be set, and so can several at once by
        `model.parameters = {...}`."""
        return Weights(self)

    @parameters.setter
    def parameters(self, values: Mapping[str, ArrayLike]) -> None:
        self._native = self._native.with_tensors(as_weights(values))

    def __repr__(self) -> str:
        kind = "MF" if self._config["combiner"] == "mean_field" else "ST"
        reads = {"left": "L", "right": "R", "both": "LR"}[self._config["evidence"]]
        sizes = f"emission_dim={self.emission_dim}, latent_dim={self.latent_dim}"
        cell = f"{self._config['rnn']} {self._config['rnn_size']}"
        emission, count = self._config["emission"], self.num_parameters
        return f"DeepMarkovModel({sizes}, {emission!r}, {kind}-{reads}, {cell}, {count} parameters)"

    # ---- files

    def _notes(self, provenance: Mapping[str, str] | None) -> dict[str, str]:
        return {"preset": self._preset, **{str(key): str(x) for key, x in (provenance or {}).items()}}

    def save(self, path: str | PathLike[str], provenance: Mapping[str, str] | None = None) -> None:
        """Writes the model file (safetensors); `provenance` are free notes (the data, the fit)."""
        self._native.save(path, self._notes(provenance))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> DeepMarkovModel:
        """Reads a model file; a wrong version or a damaged file is a `StatewiseError`."""
        native, notes = Dmm.load(path)
        return cls._of(native, notes.get("preset", "default"))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_from_bytes, (type(self), self._native.to_bytes(self._notes(None))))

    # ---- data

    def _data(self, argument: str, values: Any, inputs: Any = None, driven: str = "inputs") -> Dataset:
        """The data, with errors that name the argument."""
        try:
            return as_dataset(values, inputs, emission_shape=(self.emission_dim,))
        except StatewiseError as refusal:
            text = str(refusal)
            for usual, name in (("emissions", argument), ("inputs", driven)):
                if text.startswith(usual):
                    text = name + text[len(usual) :]
                    break
            raise StatewiseError(text) from None

    @property
    def _labels(self) -> tuple[int, int] | None:
        classes = int(self._config["num_classes"])
        return (self.emission_dim, classes) if self._config["emission"] == "categorical" else None

    def _driven(self, argument: str, inputs: Any, count: int, steps: int) -> Any:
        if inputs is None:
            return None
        return driven_rows(argument, inputs, count, steps, self.input_dim)

    # ---- learning

    def fit(
        self,
        train: Any,
        valid: Any = None,
        *,
        inputs: Any = None,
        valid_inputs: Any = None,
        epochs: int | None = None,
        time_limit: float | None = None,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        progress: bool = True,
        callback: Callable[[DmmProgress], object] | None = None,
        preset: opt.Preset | None = None,
        objective: opt.Objective | None = None,
        resample_below: float | None = None,
        num_particles: int | None = None,
        annealing_start: float | None = None,
        annealing_updates: float | None = None,
        batch_size: int | None = None,
        bucketed: bool | None = None,
        optimizer: opt.OptimizerName | Optimizer | None = None,
        learning_rate: float | Schedule | None = None,
        cosine: bool | None = None,
        weight_decay: float | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        gradient_scale: opt.GradientScale | None = None,
        l2: float | None = None,
        frozen: str | Sequence[str] | None = None,
        average: float | None = None,
        evaluate_every: int | None = None,
        evaluate_samples: int | None = None,
        patience: int | None = None,
        shard_size: int | None = None,
        seed: Seed | None = None,
        device: opt.Device | None = None,
    ) -> DmmFit:
        """Trains the model; it then has the weights that were best on `valid`, or without it the last ones.

        Ctrl-C ends training and keeps what was reached. Options that are not given are those of the model's
        preset (or of `preset`).

        * `inputs`, `valid_inputs`: u_t beside `train` and `valid`.
        * `epochs`, `time_limit` (seconds), `patience` (epochs without a better validation bound): when to stop.
        * `checkpoint`: a file that training goes on from if it exists, to the same numbers, and that it writes
          every `checkpoint_every` epochs.
        * `callback(progress)`: sees every update; `False` stops.
        * `objective`: "elbo", "sampled_elbo" (divergences at the drawn z), "iwae" or "fivo" (resampling below a
          share `resample_below` of effective particles), with `num_particles` paths a sequence.
        * `annealing_start`, `annealing_updates`: β, the weight of the divergence, rises linearly to 1.
        * `batch_size` sequences a minibatch, of like lengths if `bucketed`.
        * `optimizer`: a name, or one of `statewise.optim` (then with its own rate and limit); `learning_rate`:
          a number or a schedule in updates; `cosine`: whether a constant rate falls to zero along a cosine over
          all epochs; `weight_decay`: of "adamw".
        * `clip_norm`, `clip_value`: limits of the gradient's norm and entries, after it is divided by
          `gradient_scale` ("sum": nothing, "sequences" or "steps" of the minibatch).
        * `l2`: λ of λ Σ θ²; `frozen`: starts of names of weights that stay; `average`: decay of a running average
          of the weights, which is then what is kept, 0 for none.
        * `evaluate_every` epochs on `valid`, with `evaluate_samples` paths.
        * `shard_size`: sequences that a thread works on at a time; `seed`: of order, dropout and draws.
        * `device`: "cpu", or "cuda", an NVIDIA GPU, in builds of the extension with the feature of that name.
        """
        given = dict(locals())
        for name in ("self", "train", "valid", "inputs", "valid_inputs", "checkpoint", "progress", "callback"):
            del given[name]
        given["seed"] = None if seed is None else as_seed(seed)
        chosen = given.pop("preset") or self._preset
        settings = opt.fit_options(chosen, given)
        data = self._data("train", train, inputs)
        held_out = None if valid is None else self._data("valid", valid, valid_inputs, "valid_inputs")
        self._native, result = run_training(
            self._native, settings, checkpoint, data, held_out, bool(progress), callback
        )
        return result

    # ---- bounds of the evidence

    def bound(
        self,
        data: Any,
        num_samples: int = 1,
        *,
        inputs: Any = None,
        seed: Seed = 0,
        device: opt.Device = "cpu",
    ) -> Evaluation:
        """The negative ELBO over `num_samples` drawn paths, divergences in closed form; `device` as for `fit`."""
        call, where = _native.dmm_bound, opt.choice("device", device)
        return self._evaluate("bound", call, data, "num_samples", num_samples, inputs, seed, where)

    def importance_sampling(
        self, data: Any, num_samples: int = 2000, *, inputs: Any = None, seed: Seed = 0
    ) -> Evaluation:
        """-log of the mean importance weight p(x, z) / q(z | x) of `num_samples` whole paths."""
        call = _native.dmm_importance_sampling
        return self._evaluate("importance sampling", call, data, "num_samples", num_samples, inputs, seed)

    def particle_bound(
        self,
        data: Any,
        num_particles: int = 100,
        *,
        resample_below: float = 0.5,
        inputs: Any = None,
        seed: Seed = 0,
    ) -> Evaluation:
        """-log of the evidence that a particle filter with proposal q estimates.

        * `resample_below`: the share of effective particles below which they are drawn anew.
        """
        call, below = _native.dmm_particle_bound, opt.number("resample_below", resample_below)
        return self._evaluate("particle filter", call, data, "num_particles", num_particles, inputs, seed, below)

    def _evaluate(
        self,
        name: str,
        call: Callable[..., Any],
        values: Any,
        argument: str,
        count: int,
        inputs: Any,
        seed: Seed,
        *rest: Any,
    ) -> Evaluation:
        data = self._data("data", values, inputs)
        found = call(self._native, data, size(argument, count), as_seed(seed), *rest)
        per_sequence, _, per_step, mean, divergence = found
        return Evaluation(name, int(count), per_step, mean, data.per_sequence(per_sequence), divergence)

    # ---- inference

    def infer(self, data: Any, num_samples: int = 10, *, inputs: Any = None, seed: Seed = 0) -> DmmPosterior:
        """q(z_t | x) of every step, averaged over `num_samples` drawn paths."""
        sequences = self._data("data", data, inputs)
        count = size("num_samples", num_samples)
        means, variances, samples = _native.dmm_infer(self._native, sequences, count, as_seed(seed))
        rows = sequences.per_row
        return DmmPosterior(rows(means), rows(variances), draws_per_sequence(sequences, samples, False))

    def reconstruct(self, data: Any, num_samples: int = 10, *, inputs: Any = None, seed: Seed = 0) -> PerStep:
        """E[x_t | x] under the posterior, [T, E]; probabilities of labels, [T, E, K]. Smoothing, no forecast."""
        sequences = self._data("data", data, inputs)
        count = size("num_samples", num_samples)
        means, _ = _native.dmm_reconstruct(self._native, sequences, count, as_seed(seed))
        return sequences.per_row(by_label(means, self._labels))

    def fill_missing(self, data: Any, num_samples: int = 10, *, inputs: Any = None, seed: Seed = 0) -> Filled:
        """Fills entries that are NaN, by expectation and by draws."""
        sequences = self._data("data", data, inputs)
        count = size("num_samples", num_samples)
        means, draws = _native.dmm_reconstruct(self._native, sequences, count, as_seed(seed))
        guess = means if self._labels is None else by_label(means, self._labels).argmax(axis=-1)
        filled = np.where(np.isnan(sequences.rows), guess, sequences.rows)
        return Filled(sequences.per_row(filled), draws_per_sequence(sequences, draws, False))

    # ---- draws

    def sample(
        self,
        num_timesteps: int,
        seed: Seed = 0,
        num_sequences: int | None = None,
        mean_path: bool = False,
        inputs: ArrayLike | None = None,
    ) -> DmmDraws:
        """Draws a path of `num_timesteps` steps; with `num_sequences`, that many with a leading axis.

        * `mean_path`: takes the mean of every transition instead of a draw.
        * `inputs`: [T, input_dim], the same for all sequences, or [N, T, input_dim].
        """
        steps = size("num_timesteps", num_timesteps)
        count = size("num_sequences", 1 if num_sequences is None else num_sequences)
        driven = self._driven("inputs", inputs, count, steps)
        found = _native.dmm_sample(self._native, count, steps, bool(mean_path), driven, as_seed(seed))
        if num_sequences is None:
            latents, latent_means, latent_variances, means, draws = (array[0] for array in found)
        else:
            latents, latent_means, latent_variances, means, draws = found
        return DmmDraws(draws, by_label(means, self._labels), latents, latent_means, latent_variances)

    def forecast(
        self,
        data: Any,
        horizon: int,
        num_samples: int = 100,
        *,
        inputs: Any = None,
        forecast_inputs: ArrayLike | None = None,
        seed: Seed = 0,
    ) -> DmmForecast:
        """Continues every sequence `horizon` steps from the last particles of a filter with proposal q.

        `forecast_inputs` are [H, input_dim], the same for all sequences, or [N, H, input_dim].
        """
        sequences = self._data("data", data, inputs)
        steps, count = size("horizon", horizon), size("num_samples", num_samples)
        driven = self._driven("forecast_inputs", forecast_inputs, sequences.num_sequences, steps)
        found = _native.dmm_forecast(self._native, sequences, steps, count, driven, as_seed(seed))
        latents, _, _, means, draws = (np.stack(arrays) for arrays in zip(*found, strict=True))
        mean = by_label(means.mean(axis=1), self._labels)
        if sequences.layout == "single":
            return DmmForecast(mean[0], draws[0], latents[0])
        return DmmForecast(mean, draws, latents)

    def stream(self, num_samples: int = 1, seed: Seed = 0) -> DmmStream:
        """A filter that is fed one observation at a time, for networks that read the past only (ST-L, MF-L)."""
        count = size("num_samples", num_samples)
        return DmmStream(_native.DmmStream(self._native, count, as_seed(seed)), self._labels)


def _from_bytes(cls: type[DeepMarkovModel], content: bytes) -> DeepMarkovModel:
    native, notes = Dmm.from_bytes(content)
    return cls._of(native, notes.get("preset", "default"))

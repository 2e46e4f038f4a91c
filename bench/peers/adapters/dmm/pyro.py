"""Pyro's stochastic variational inference, one sample site a step, with its ClippedAdam."""
from __future__ import annotations

from importlib import metadata

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import ClippedAdam

from adapters.dmm import BETAS, CLIP_VALUE, KL_WEIGHT, LATENT, LEARNING_RATE, WEIGHT_DECAY, padded_batches
from adapters.dmm.torch_network import Network, tensors
from data import Data


def version() -> str:
    """Returns the versions of the package and its framework."""
    return f"pyro-ppl {metadata.version('pyro-ppl')}, torch {torch.__version__}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    assert operation == "epoch"
    pyro.set_rng_seed(0)
    pyro.clear_param_store()
    network = Network()
    batches = tensors(padded_batches(data))
    steps = float(data["lengths"].sum())

    def model(rolls, mask, backwards):
        pyro.module("network", network)
        z = network.first_state.expand(len(rolls), LATENT)
        with pyro.plate("sequences", len(rolls)):
            for t in pyro.markov(range(rolls.shape[1])):
                mean, scale = network.transition(z)
                there = mask[:, t : t + 1]
                with poutine.scale(scale=KL_WEIGHT):
                    z = pyro.sample(f"z_{t}", dist.Normal(mean, scale).mask(there).to_event(1))
                keys = dist.Bernoulli(logits=network.emission(z)).mask(there).to_event(1)
                pyro.sample(f"x_{t}", keys, obs=rolls[:, t])

    def guide(rolls, mask, backwards):
        pyro.module("network", network)
        hidden = network.read(rolls, backwards)
        z = network.guide_start.expand(len(rolls), LATENT)
        with pyro.plate("sequences", len(rolls)):
            for t in pyro.markov(range(rolls.shape[1])):
                mean, scale = network.posterior(z, hidden[:, t])
                with poutine.scale(scale=KL_WEIGHT):
                    z = pyro.sample(f"z_{t}", dist.Normal(mean, scale).mask(mask[:, t : t + 1]).to_event(1))

    settings = {"lr": LEARNING_RATE, "betas": BETAS, "clip_norm": CLIP_VALUE, "lrd": 0.99996,
                "weight_decay": WEIGHT_DECAY}
    inference = SVI(model, guide, ClippedAdam(settings), loss=Trace_ELBO())
    return lambda: sum(inference.step(*batch) for batch in batches) / steps, lambda result: {"loss": result}

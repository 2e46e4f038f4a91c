"""The network by hand in torch: transition and emission once for all steps, the divergence in closed form."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from adapters.dmm import BETAS, CLIP_VALUE, KL_WEIGHT, LATENT, LEARNING_RATE, WEIGHT_DECAY, padded_batches
from adapters.dmm.torch_network import Network, tensors
from data import Data


def version() -> str:
    """Returns torch's version."""
    return f"torch {torch.__version__}"


def build(data: Data, operation: str, variant: str):
    """Returns the timed call and the function that reads its answer."""
    assert operation == "epoch"
    torch.manual_seed(0)
    network = Network()
    batches = tensors(padded_batches(data))
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=BETAS, weight_decay=WEIGHT_DECAY)
    steps = float(data["lengths"].sum())

    def run() -> float:
        total = 0.0
        for rolls, mask, backwards in batches:
            optimizer.zero_grad()
            value = loss(network, rolls, mask, backwards)
            value.backward()
            torch.nn.utils.clip_grad_value_(network.parameters(), CLIP_VALUE)
            optimizer.step()
            total += value.item()
        return total / steps

    return run, lambda result: {"loss": result}


def loss(network: Network, rolls: Tensor, mask: Tensor, backwards: Tensor) -> Tensor:
    """Returns the negative annealed bound, summed over the minibatch."""
    batch, num_steps, _ = rolls.shape
    hidden = network.read(rolls, backwards)
    noise = torch.randn(num_steps, batch, LATENT)
    z = network.guide_start.expand(batch, LATENT)
    means, scales, states = [], [], []
    for t in range(num_steps):
        mean, scale = network.posterior(z, hidden[:, t])
        z = mean + scale * noise[t]
        means.append(mean), scales.append(scale), states.append(z)
    mean, scale, z = (torch.stack(parts, 1) for parts in (means, scales, states))
    before = torch.cat([network.first_state.expand(batch, 1, LATENT), z[:, :-1]], 1)
    prior_mean, prior_scale = network.transition(before)
    ratio = (scale**2 + (mean - prior_mean) ** 2) / (2 * prior_scale**2)
    divergence = (torch.log(prior_scale / scale) + ratio - 0.5).sum(-1)
    nll = functional.binary_cross_entropy_with_logits(network.emission(z), rolls, reduction="none").sum(-1)
    return ((nll + KL_WEIGHT * divergence) * mask).sum()

"""The network of the instance in torch, shared by the plain loop and by Pyro."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from adapters.dmm import EMITTER, KEYS, LATENT, RNN, TRANSITION


class Transition(nn.Module):
    """The gated transition; answers mean and scale."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(LATENT, TRANSITION), nn.ReLU(), nn.Linear(TRANSITION, LATENT), nn.Sigmoid()
        )
        self.proposal = nn.Sequential(nn.Linear(LATENT, TRANSITION), nn.ReLU(), nn.Linear(TRANSITION, LATENT))
        self.linear = nn.Linear(LATENT, LATENT)
        self.spread = nn.Linear(LATENT, LATENT)
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        gate, proposal = self.gate(z), self.proposal(z)
        mean = (1 - gate) * self.linear(z) + gate * proposal
        return mean, functional.softplus(self.spread(torch.relu(proposal)))


class Network(nn.Module):
    """Emission, transition and inference network."""

    def __init__(self) -> None:
        super().__init__()
        self.transition = Transition()
        self.emission = nn.Sequential(
            nn.Linear(LATENT, EMITTER), nn.ReLU(), nn.Linear(EMITTER, EMITTER), nn.ReLU(), nn.Linear(EMITTER, KEYS)
        )
        self.rnn = nn.RNN(KEYS, RNN, nonlinearity="relu", batch_first=True)
        self.state = nn.Linear(LATENT, RNN)
        self.mean = nn.Linear(RNN, LATENT)
        self.scale = nn.Linear(RNN, LATENT)
        self.first_state = nn.Parameter(torch.zeros(LATENT))
        self.guide_start = nn.Parameter(torch.zeros(LATENT))
        self.rnn_start = nn.Parameter(torch.zeros(1, 1, RNN))

    def read(self, rolls: Tensor, backwards: Tensor) -> Tensor:
        """Runs the RNN from the last step of every sequence to its first; `backwards` [B, T] are the places."""
        batch, steps, _ = rolls.shape
        turned = rolls.gather(1, backwards[:, :, None].expand(batch, steps, KEYS))
        hidden, _ = self.rnn(turned, self.rnn_start.expand(1, batch, RNN).contiguous())
        return hidden.gather(1, backwards[:, :, None].expand(batch, steps, RNN))

    def posterior(self, z: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale of q(z_t | z_{t-1}, x)."""
        combined = 0.5 * (torch.tanh(self.state(z)) + hidden)
        return self.mean(combined), functional.softplus(self.scale(combined))


def tensors(batches) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Returns (rolls, mask, places backwards) of the padded minibatches."""
    result = []
    for rolls, lengths in batches:
        steps = torch.arange(rolls.shape[1])[None]
        ends = torch.from_numpy(lengths)[:, None]
        mask = (steps < ends).float()
        backwards = torch.where(steps < ends, ends - 1 - steps, steps)
        result.append((torch.from_numpy(rolls), mask, backwards))
    return result

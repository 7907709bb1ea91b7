"""A small network and its training loop, and what torch computes in it: the reference for recorded runs."""

from __future__ import annotations

import copy

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.support.oracle import step as cell_step
from tests.support.unrolled_loop import run_unrolled

INPUTS, UNITS, BATCH, STEPS, EVERY, UPDATES, CLIP = 3, 5, 4, 9, 3, 11, 0.02


class Net(nn.Module):
    """A recurrent module and a linear layer, in float64."""

    def __init__(self, kind, packed=None, **options):
        super().__init__()
        self.rnn = getattr(nn, kind)(INPUTS, UNITS, batch_first=True, **options)
        width = (self.rnn.proj_size or UNITS) * (2 if self.rnn.bidirectional else 1)
        self.out, self.lengths = nn.Linear(width, 2), packed
        self.double()

    def forward(self, x):
        if self.lengths is not None:
            x = pack_padded_sequence(x, self.lengths, batch_first=True, enforce_sorted=False)
        states, _ = self.rnn(x)
        if self.lengths is not None:
            states, _ = pad_packed_sequence(states, batch_first=True)
        return self.out(states)


def batch_of(update):
    random = torch.Generator().manual_seed(update)
    return torch.randn(BATCH, STEPS, INPUTS, generator=random, dtype=torch.float64)


def train(net, optimizer, updates=UPDATES, step=lambda loss: None, clip=CLIP, seen=lambda update, x: None):
    """The loop of the README, with clipping."""
    for update in range(updates):
        x = batch_of(update)
        optimizer.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        step(loss)
        clip_grad_norm_(net.parameters(), clip)
        seen(update, x)
        optimizer.step()


def state_gradients(net, x, reduce=torch.mean):
    """The norms of dL/dh_t and dL/dc_t by layer, (T), from autograd through a loop over the time steps; and all gates."""
    net = copy.deepcopy(net)
    output, hidden, cells, _ = run_unrolled(net.rnn, x, lengths=net.lengths)
    states = [
        each for layer in (hidden | {f"c{name}": each for name, each in cells.items()}).values() for each in layer
    ]
    for each in states:
        if each.requires_grad:
            each.retain_grad()
    reduce(net.out(output).pow(2)).backward()

    def norms(layer):
        return [0.0 if each.grad is None else float(torch.linalg.vector_norm(each.grad)) for each in layer]

    return {name: norms(each) for name, each in hidden.items()}, {name: norms(each) for name, each in cells.items()}


def gates_of(net, x):
    """Every gate of every layer, (B, T, H), by torch's documented equations; of modules in one direction."""
    found, kind = {}, net.rnn.mode.partition("_")[0]
    for level in range(net.rnn.num_layers):
        own = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        w = {name: getattr(net.rnn, f"{name}_l{level}") for name in own if hasattr(net.rnn, f"{name}_l{level}")}
        h = x.new_zeros(len(x), net.rnn.proj_size or UNITS)
        state, rows = (h, x.new_zeros(len(x), UNITS)), []
        options = {"nonlinearity": net.rnn.nonlinearity} if kind == "RNN" else {}
        for t in range(x.shape[1]):
            rows.append(cell_step(kind, w, x[:, t], state, **options))
            state = rows[-1]["hidden"], rows[-1].get("cell", state[1])
        found[f"rnn.l{level}"] = {name: torch.stack([row[name] for row in rows], 1) for name in rows[0]}
        x = found[f"rnn.l{level}"]["hidden"]
    return found


def close(found, expected, tolerance=1e-6):
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1e-12)


def load_snapshot(run, step):
    return load_file(run.snapshots[step])

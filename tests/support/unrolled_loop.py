"""The reference for gradients: torch.nn's recurrent modules as Python loops, so that autograd has every state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from models.core.stepwise_modules import StepwiseLSTM, StepwiseModule
from tests.support.oracle import ACTIVATIONS_BY_NAME


def run_unrolled(
    module: nn.RNNBase, x: Tensor, states: tuple[Tensor, ...] | None = None, lengths: list[int] | None = None
) -> tuple[Tensor, dict[str, list[Tensor]], dict[str, list[Tensor]], tuple[Tensor, ...]]:
    """Run ``module`` on ``x`` (B, T, D): output (B, T, units), hidden and cell states by layer and position, last states.

    Every state in the lists is the tensor that the next step and the layer above take as input. ``states`` have torch's
    shapes; past a sequence's length (``lengths``) the states repeat and the output is 0.
    """
    kind, batch, steps = module.mode.partition("_")[0], *x.shape[:2]
    hidden_states: dict[str, list[Tensor]] = {}
    cell_states: dict[str, list[Tensor]] = {}
    last_hidden, last_cell = [], []
    directions = 2 if module.bidirectional else 1
    width = module.proj_size or module.hidden_size
    for layer in range(module.num_layers):
        outputs = []
        for direction in range(directions):
            suffix = f"l{layer}" + ("_reverse" if direction else "")
            index = layer * directions + direction
            h = x.new_zeros(batch, width) if states is None else states[0][index]
            c = x.new_zeros(batch, module.hidden_size)
            if kind == "LSTM" and states is not None:
                c = states[1][index]
            hs: list[Tensor] = [h] * steps
            cs: list[Tensor] = [c] * steps
            out: list[Tensor] = [h] * steps
            for t in reversed(range(steps)) if direction else range(steps):
                there = torch.ones(batch, 1, dtype=torch.bool)
                if lengths is not None:
                    there = torch.tensor([t < length for length in lengths])[:, None]
                h, c = step(module, kind, suffix, x[:, t], h, c, there)
                hs[t], cs[t], out[t] = h, c, torch.where(there, h, torch.zeros_like(h))
            hidden_states[suffix], cell_states[suffix] = hs, cs
            last_hidden.append(h)
            last_cell.append(c)
            outputs.append(torch.stack(out, dim=1))
        x = torch.cat(outputs, dim=-1)
    return x, hidden_states, cell_states, (torch.stack(last_hidden), torch.stack(last_cell))


def step(
    module: nn.RNNBase, kind: str, suffix: str, x: Tensor, h: Tensor, c: Tensor, there: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the next states of one layer by the formulas of torch's documentation; where not ``there`` (B, 1), the old."""

    def parameter(name: str) -> Tensor | float:
        return getattr(module, f"{name}_{suffix}", 0.0)

    options = module.kernel.options if isinstance(module, StepwiseModule) else {}
    act, gate = (
        ACTIVATIONS_BY_NAME[options.get("activation", "tanh")],
        ACTIVATIONS_BY_NAME[options.get("recurrent_activation", "sigmoid")],
    )
    clip = options.get("clip", torch.inf)
    from_x = x @ parameter("weight_ih").T + parameter("bias_ih")
    given = h
    if options.get("multiplicative"):
        given = (x @ parameter("weight_mx").T) * (h @ parameter("weight_mh").T)
    from_h = given @ parameter("weight_hh").T + parameter("bias_hh")

    def norm(which: str, v: Tensor) -> Tensor:
        return layer_norm(v, v.shape[-1:], parameter(f"gain_{which}"), parameter(f"shift_{which}"), options["norm"])

    if options.get("norm"):
        from_x, from_h = norm("ih", from_x), norm("hh", from_h)
    if kind == "RNN":
        a = from_x + from_h
        return torch.where(there, ACTIVATIONS_BY_NAME[module.nonlinearity](a.clamp(-clip, clip)), h), c
    if kind == "LSTM":
        i, f, g, o = (from_x + from_h).chunk(4, dim=-1)
        if options.get("peepholes"):
            w_i, w_f, w_o = parameter("weight_ch").chunk(3)
            i, f = i + w_i * c, f + w_f * c
        i, f, g = (v.clamp(-clip, clip) for v in (i, f, g))
        forget = 1 - gate(i) if options.get("coupled") else gate(f)
        new_cell = forget * c + gate(i) * act(g)
        c = torch.where(there, norm("c", new_cell) if options.get("cell_norm") else new_cell, c)
        o = (o + w_o * c if options.get("peepholes") else o).clamp(-clip, clip)
        new = gate(o) * act(c)
        return torch.where(there, new @ parameter("weight_hr").T if module.proj_size else new, h), c
    (xr, xz, xn), (hr, hz, hn) = from_x.chunk(3, dim=-1), from_h.chunk(3, dim=-1)
    r, z = gate((xr + hr).clamp(-clip, clip)), gate((xz + hz).clamp(-clip, clip))
    if not options.get("reset_after", True):
        hn = (r * h) @ parameter("weight_hh").chunk(3)[2].T
        hn = hn + (parameter("bias_hh").chunk(3)[2] if module.bias else 0.0)
    n = act((xn + (r * hn if options.get("reset_after", True) else hn)).clamp(-clip, clip))
    return torch.where(there, (1 - z) * n + z * h, h), c


def normed_lstm(*args: int, **options: object) -> nn.Module:
    """Return an LSTM with layer norm, whose factors and terms are drawn at random."""
    return draw_norms(StepwiseLSTM(*args, **options))


def draw_norms(module: nn.Module) -> nn.Module:
    """Draw the factors and terms of a module's layer norms at random, and return it."""
    for name, values in module.named_parameters():
        if name.startswith(("gain_", "shift_")):
            nn.init.normal_(values, float(name.startswith("gain_")), 0.4)
    return module


def autograd_map(module: nn.RNNBase, x: Tensor, loss_grad: Tensor, of: str = "hidden") -> dict[str, Tensor]:
    """Return ||d l_t / d h_k|| (or c_k) as [b, t, k], by one backward pass per t: (B, T, T) by layer."""
    output, hidden, cell, _ = run_unrolled(module, x)
    batch, steps, _ = x.shape
    wanted = hidden if of == "hidden" else cell
    states = [state for layer in wanted.values() for state in layer]
    maps = torch.zeros(len(wanted), batch, steps, steps, dtype=x.dtype)
    for t in range(steps):
        loss = (output[:, t] * loss_grad[:, t]).sum()
        grads = torch.autograd.grad(loss, states, retain_graph=True, allow_unused=True)
        for index, grad in enumerate(grads):
            if grad is not None:
                maps[index // steps, :, t, index % steps] = torch.linalg.vector_norm(grad, dim=-1)
    return dict(zip(wanted, maps, strict=True))

"""The recurrent equations as PyTorch documents them, a step at a time: the reference for the engine."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ACTIVATIONS_BY_NAME = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "linear": lambda v: v,
    "hard_sigmoid": lambda v: torch.clip(0.2 * v + 0.5, 0, 1),  # as Keras 2 documents it
    "hard_sigmoid_3": lambda v: functional.relu6(v + 3) / 6,  # Keras 3; torch.nn.Hardsigmoid rounds 1 / 6 to float32
    "softsign": functional.softsign,
    "elu": functional.elu,
}
"""The activations by the names of ``models.core.activations``."""


def step(kind: str, w: dict[str, Tensor], x: Tensor, state: tuple[Tensor, ...], **options: object) -> dict[str, Tensor]:
    """Return every gate and state of one step by name; ``w`` has weight_ih, weight_hh, bias_ih, bias_hh, weight_hr."""
    act, gate = (
        ACTIVATIONS_BY_NAME[str(options.get(name, default))]
        for name, default in (("activation", "tanh"), ("recurrent_activation", "sigmoid"))
    )
    clip = options.get("clip")
    bound = (
        (lambda v: v)
        if clip is None
        else (lambda v: torch.minimum(torch.maximum(v, -v.new_tensor(clip)), v.new_tensor(clip)))
    )
    h = state[0]
    rows = w["weight_ih"].shape[0]
    zeros = x.new_zeros(rows)
    from_x = x @ w["weight_ih"].T + w.get("bias_ih", zeros)
    further = {}
    if options.get("multiplicative"):  # Krause et al. 2016: the gates depend on m_t instead of h_{t-1}
        h = (x @ w["weight_mx"].T) * (h @ w["weight_mh"].T)
        further = {"intermediate": h}
    from_h = h @ w["weight_hh"].T + w.get("bias_hh", zeros)

    def norm(part: str, v: Tensor) -> Tensor:
        return functional.layer_norm(v, v.shape[-1:], w[f"gain_{part}"], w[f"shift_{part}"], float(options["norm"]))

    if options.get("norm"):
        from_x, from_h = norm("ih", from_x), norm("hh", from_h)
    if kind == "LSTM":
        i, f, g, o = (from_x + from_h).chunk(4, dim=-1)
        p = w.get("weight_ch", x.new_zeros(3 * i.shape[-1])).chunk(3)  # of the input, forget and output gate
        i, f, g = gate(bound(i + p[0] * state[1])), gate(bound(f + p[1] * state[1])), act(bound(g))
        f = 1 - i if options.get("coupled") else f
        c = f * state[1] + i * g
        c = norm("c", c) if options.get("cell_norm") else c
        o = gate(bound(o + p[2] * c))
        h = o * act(c)
        if "weight_hr" in w:
            h = h @ w["weight_hr"].T
        return further | {"input_gate": i, "forget_gate": f, "candidate": g, "output_gate": o, "cell": c, "hidden": h}
    if kind == "GRU":
        (xr, xz, xn), (hr, hz, hn) = from_x.chunk(3, dim=-1), from_h.chunk(3, dim=-1)
        r, z = gate(bound(xr + hr)), gate(bound(xz + hz))
        if options.get("reset_after", True):
            n = act(bound(xn + r * hn))
        else:
            size = rows // 3
            n = act(bound(xn + (r * h) @ w["weight_hh"][2 * size :].T + w.get("bias_hh", zeros)[2 * size :]))
        return {"reset_gate": r, "update_gate": z, "candidate": n, "hidden": (1 - z) * n + z * h}
    a = from_x + from_h
    return {"preactivation": a, "hidden": ACTIVATIONS_BY_NAME[str(options.get("nonlinearity", "tanh"))](bound(a))}


def layer(
    kind: str, w: dict[str, Tensor], x: Tensor, state: tuple[Tensor, ...], reverse: bool = False, **options: object
) -> dict[str, Tensor]:
    """Return every gate and state (T, units), by position, of one sequence (T, D) through one layer."""
    order = range(len(x))
    rows: dict[int, dict[str, Tensor]] = {}
    for t in reversed(order) if reverse else order:
        rows[t] = step(kind, w, x[t], state, **options)
        state = (rows[t]["hidden"], rows[t]["cell"]) if kind == "LSTM" else (rows[t]["hidden"],)
    return {name: torch.stack([rows[t][name] for t in order]) for name in rows[0]}


def weights_of(module: torch.nn.Module, suffix: str) -> dict[str, Tensor]:
    """Return the weights of one layer in one direction (``suffix``: ``"_l0_reverse"`` or, of a Cell, ""), by plain name."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_ch")
    names += ("gain_ih", "shift_ih", "gain_hh", "shift_hh", "gain_c", "shift_c", "weight_mx", "weight_mh")
    found = {name: getattr(module, name + suffix, None) for name in names}
    return {name: values.detach().clone() for name, values in found.items() if isinstance(values, Tensor)}


def network(module: torch.nn.Module, given: Tensor) -> dict[str, dict[str, Tensor]]:
    """Return every gate and state of every layer, by layer name, of a bundled network on the input ``given`` (1, T, ...)."""
    rnn = module.rnn
    kind = "RNN" if rnn.mode.startswith("RNN") else rnn.mode
    layers: dict[str, dict[str, Tensor]] = {}
    with torch.no_grad():
        x = module.embedding(given)[0] if hasattr(module, "embedding") else given[0]
        zero = torch.zeros(rnn.hidden_size)
        for level in range(rnn.num_layers):
            outputs = []
            for suffix in ("", "_reverse")[: 1 + rnn.bidirectional]:
                name = f"_l{level}{suffix}"
                computed = layer(kind, weights_of(rnn, name), x, (zero, zero), reverse=bool(suffix))
                layers[f"rnn.{name[1:]}"] = computed
                outputs.append(computed["hidden"])
            x = torch.cat(outputs, dim=-1)
    return layers

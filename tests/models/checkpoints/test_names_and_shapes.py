"""What tensors' names say about layers: single biases, weight drop, tensors inside a cell, networks of other kinds."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from models.checkpoints import Checkpoint, CheckpointError, load_checkpoint
from models.checkpoints.health.verdict import verdict

E, V = 16, 50


def saved(state: dict[str, torch.Tensor]) -> Checkpoint:
    file = io.BytesIO()
    torch.save(state, file)
    return load_checkpoint(file.getvalue())


def hidden_states(checkpoint: Checkpoint, x: torch.Tensor) -> torch.Tensor:
    ((_, weights),) = checkpoint.layers.items()
    return weights.to_module()(x)[0]


def written_out_gru(w, u, b, b_n, x):
    """A GRU as in equinox and MLX: one bias, and one in the product that the reset gate multiplies."""
    h, out = torch.zeros(u.shape[1]), []
    for step in x:
        (r, z, n), (r_h, z_h, n_h) = (w @ step + b).chunk(3), (u @ h).chunk(3)
        r, z = (r + r_h).sigmoid(), (z + z_h).sigmoid()
        n = (n + r * (n_h + b_n)).tanh()
        h = n + z * (h - n)
        out.append(h)
    return torch.stack(out)


def written_out_lstm(w, u, b, x):
    h = c = torch.zeros(u.shape[1])
    out = []
    for step in x:
        i, f, g, o = (w @ step + u @ h + b).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        out.append(h)
    return torch.stack(out)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.integers(2, 5), st.integers(1, 4), st.sampled_from(["weight_ih", "Wx"]), st.booleans())
def test_one_bias_for_two(inputs, units, steps, name, is_gru):
    gates = 3 if is_gru else 4
    w, u, b = torch.randn(gates * units, inputs), torch.randn(gates * units, units), torch.randn(gates * units)
    x, b_n = torch.randn(steps, inputs), torch.randn(units)
    names = ("weight_ih", "weight_hh", "bias", "bias_n") if name == "weight_ih" else ("Wx", "Wh", "b", "bhn")
    tensors = dict(zip((f"cell.{each}" for each in names), (w, u, b, b_n), strict=True))
    if not is_gru:
        del tensors[f"cell.{names[3]}"]
    checkpoint = load_checkpoint(save(tensors))
    want = written_out_gru(w, u, b, b_n, x) if is_gru else written_out_lstm(w, u, b, x)
    assert checkpoint.found["cell.l0"].certainty == 1 or name == "Wx"
    assert torch.allclose(hidden_states(checkpoint, x[None])[0], want, atol=1e-5)
    assert not checkpoint.stored and not checkpoint.found["cell.l0"].unexplained


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("levels, bidirectional, dropped", [
    (1, False, ["weight_hh_l0"]), (2, False, ["weight_hh_l0"]), (1, True, ["weight_hh_l0"]),
    (1, True, ["weight_hh_l0", "weight_hh_l0_reverse"]),
])  # fmt: skip
def test_weight_drop(inside, copied, levels, bidirectional, dropped):
    """The raw matrices of AWD-LSTM complete the layer; a copy under the plain name is one with dropped values."""
    rnn = nn.LSTM(3, 4, levels, bidirectional=bidirectional, batch_first=True)
    state = {f"rnns.0.module.{name}": values for name, values in rnn.state_dict().items()}
    for name in dropped:
        raw = state.pop(f"rnns.0.module.{name}")
        state[f"rnns.0.{'module.' if inside else ''}{name}_raw"] = raw
        if copied:
            state[f"rnns.0.module.{name}"] = raw * 2
    checkpoint = saved(state)
    for name, weights in checkpoint.layers.items():
        suffix = name.removeprefix("rnns.0.module.")
        assert checkpoint.found[name].certainty == 1
        for part, values in weights.arrays().items():
            assert np.array_equal(values, rnn.state_dict()[f"{part}_{suffix}"])
    assert len(checkpoint.layers) == levels * (1 + bidirectional) and not checkpoint.stored


NORMS = ("layernorm_i.weight", "layernorm_i.bias", "layernorm_c.weight", "peephole")


@pytest.mark.parametrize("names", [NORMS, NORMS[2:3], NORMS[3:]])
def test_tensors_that_the_equations_lack(names):
    state = {f"cell.{name}": values for name, values in nn.LSTMCell(3, 5).state_dict().items()}
    extra = {f"cell.{name}": torch.ones(5) for name in names}
    checkpoint = saved(state | extra | {"fc.weight": torch.ones(1, 5), "cell.step": torch.ones(1, dtype=torch.long)})
    assert checkpoint.found["cell.l0"].unexplained == tuple(extra)
    ((severity, sentence),) = [(each.severity, str(each)) for each in verdict(checkpoint) if "do not use" in str(each)]
    assert severity == "warning" and all(name in sentence for name in extra)
    assert set(extra) <= set(checkpoint.network().left_out)


def test_tensors_of_other_levels_and_modules_are_no_concern():
    state = {f"rnn.{name}": values for name, values in nn.GRU(3, 5, 2).state_dict().items()}
    checkpoint = saved(state | {"rnn.norm_l1": torch.ones(5), "norm.weight": torch.ones(5), "rnn2.norm": torch.ones(5)})
    assert not checkpoint.found["rnn.l0"].unexplained
    assert checkpoint.found["rnn.l1"].unexplained == ("rnn.norm_l1",)


def test_a_cell_at_the_root():
    state = dict(nn.GRUCell(3, 5).state_dict())
    checkpoint = saved(state | {"norm.weight": torch.ones(5), "head.weight": torch.ones(2, 5)})
    assert checkpoint.found["l0"].unexplained == ("norm.weight",)


def test_half_a_layer_is_named():
    state = nn.LSTM(3, 4).state_dict()
    del state["weight_hh_l0"]
    (found,) = [each for each in verdict(saved({f"rnn.{k}": v for k, v in state.items()})) if "incomplete" in str(each)]
    assert found.severity == "warning" and "rnn.l0" in str(found) and "rnn.weight_ih_l0" in str(found)


def test_a_cell_of_another_kind_beside_a_layer_is_named():
    state = {f"rnn.{name}": values for name, values in nn.LSTM(3, 4).state_dict().items()}
    other = {"own.weight_ih": torch.randn(8, 3), "own.weight_hh": torch.randn(8, 4)}  # two gates
    checkpoint = saved(state | other)
    assert list(checkpoint.found) == ["rnn.l0"]
    (found,) = [each for each in verdict(checkpoint) if "do not have the shapes of" in str(each)]
    assert found.severity == "warning" and "own.l0" in str(found)
    assert set(other) <= set(checkpoint.network(stack="rnn").left_out)


def block(index, kind):
    def f(*shape):
        return torch.randn(shape) / 4

    path = f"blocks.{index}."
    if kind == "RWKV":
        out = {path + "ln1.weight": f(E), path + "att.time_decay": f(E), path + "att.time_mix_k": f(1, 1, E)}
        out |= {path + f"att.{each}.weight": f(E, E) for each in ("key", "value", "receptance", "output")}
        out |= {path + "ffn.key.weight": f(4 * E, E), path + "ffn.receptance.weight": f(E, E)}
        return out | {path + "ffn.value.weight": f(E, 4 * E)}
    out = {path + f"attn.{each}_proj.weight": f(E, E) for each in "qkvo"}
    shapes = {"gate": (4 * E, E), "up": (4 * E, E), "down": (E, 4 * E)}
    return out | {path + f"mlp.{each}_proj.weight": f(*shape) for each, shape in shapes.items()}


def each_twice(pattern, **shapes):
    return {
        pattern.format(index) + name.replace("_w", ".weight").replace("_b", ".bias"): torch.randn(shape)
        for index in range(2)
        for name, shape in shapes.items()
    }


OTHERS = {
    "Transformer": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(E, 2, 4 * E), 2, enable_nested_tensor=False
    ).state_dict(),
    "Transformer, gated": lambda: {"embed.weight": torch.randn(4 * E, E), "head.weight": torch.randn(4 * E, E)}
    | block(0, "gated") | block(1, "gated"),
    "RWKV": lambda: {"emb.weight": torch.randn(V, E)} | block(0, "RWKV") | block(1, "RWKV"),
    "SRU": lambda: each_twice("sru.rnn_lst.{}.", weight=(E, 4 * E), weight_c=(2 * E,), bias=(2 * E,)),
    "QRNN": lambda: each_twice("qrnn.layers.{}.", linear_w=(3 * E, E), linear_b=(3 * E,)),
    "ConvLSTM": lambda: {"cell_list.0.conv.weight": torch.randn(4 * E, 2 * E, 3, 3)},
    "xLSTM": lambda: {
        "b.slstm.fgate.weight": torch.randn(4, 4, 4), "b.slstm.cell._recurrent_kernel_": torch.randn(4, 4, 16),
        "b.ffn.proj_up.weight": torch.randn(2 * E, E), "b.ffn.proj_down.weight": torch.randn(E, E),
    },
    "multiplicative LSTM": lambda: {
        "layers.0.wx.weight": torch.randn(4 * E, 8), "layers.0.wh.weight": torch.randn(4 * E, E),
        "layers.0.wh.bias": torch.randn(4 * E), "layers.0.wmx.weight": torch.randn(2 * E, 8),
        "layers.0.wmh.weight": torch.randn(2 * E, E),
    },
    "multiplicative LSTM, of the library apex": lambda: {
        "w_ih": torch.randn(4 * E, 8), "w_hh": torch.randn(4 * E, 2 * E), "w_mih": torch.randn(2 * E, 8),
        "w_mhh": torch.randn(2 * E, E), "b_ih": torch.randn(4 * E), "b_hh": torch.randn(4 * E),
    },
    "multiplicative LSTM, with biases of its intermediate state": lambda: {
        "cell.weight_ih": torch.randn(4 * E, 8), "cell.weight_mh": torch.randn(4 * E, E),
        "cell.weight_xm": torch.randn(E, 8), "cell.weight_hm": torch.randn(E, E),
        "cell.bias_ih": torch.randn(4 * E), "cell.bias_xm": torch.randn(E), "cell.bias_hm": torch.randn(E),
    },
    "multiplicative LSTM, in torch's names": lambda: {
        "rnn.weight_ih_l0": torch.randn(4 * E, 8), "rnn.weight_hh_l0": torch.randn(4 * E, E),
        "rnn.weight_mih_l0": torch.randn(E, 8), "rnn.weight_mhh_l0": torch.randn(E, 2 * E),
    },
    "": lambda: each_twice("mix.{}.", fc1_w=(4 * E, E), fc1_b=(4 * E,), fc2_w=(E, 4 * E), fc2_b=(E,)),
}  # fmt: skip


def test_recurrent_weights_that_are_a_vector_are_named():
    """IndRNN (Li et al. 2018): each unit sees its own last state alone."""
    shapes = {"rnn.weight_ih_l0": (5, 3), "rnn.weight_hh_l0": (5,), "rnn.bias_ih_l0": (5,)}
    with pytest.raises(CheckpointError, match="independently recurrent network"):
        saved({name: torch.randn(shape) for name, shape in shapes.items()})


def test_a_multiplicative_lstm_beside_a_layer_is_named():
    state = {f"rnn.{name}": values for name, values in nn.LSTM(3, 4).state_dict().items()}
    other = {f"own.{name}": values for name, values in OTHERS["multiplicative LSTM, of the library apex"]().items()}
    checkpoint = saved(state | other)
    assert list(checkpoint.found) == ["rnn.l0"]
    (sentence,) = [str(each) for each in verdict(checkpoint) if "multiplicative" in str(each)]
    assert "own.w_mih, own.w_mhh" in sentence and "own is not run" in sentence


@pytest.mark.parametrize("family", OTHERS)
def test_networks_of_other_kinds_have_no_layers(family):
    checkpoint = saved(OTHERS[family]())
    assert not checkpoint.found
    assert family.split(",")[0] in " ".join(map(str, verdict(checkpoint)))

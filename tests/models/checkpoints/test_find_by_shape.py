"""Tensors that no name explains: found by shape, with a certainty, and corrected by the reader."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from tests.models.checkpoints.test_checkpoint_pytorch import same
from tests.support.work import lines_run


def anonymous(rnn, change=lambda name: name, turn=False):
    names = {"weight_ih_l0": "a.x", "weight_hh_l0": "a.y", "bias_ih_l0": "a.z1", "bias_hh_l0": "a.z2"}
    return {
        change(names[name]): (values.T if turn and values.dim() == 2 else values).contiguous()
        for name, values in rnn.state_dict().items()
    }


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("turn", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("width", [3, 4, 8])
def test_by_shape(kind, turn, bias, width):
    torch.manual_seed(0)
    rnn = kind(width, 4, bias=bias)
    checkpoint = load_checkpoint(save(anonymous(rnn, turn=turn) | {"out": torch.zeros(7, 4)}))
    assert list(checkpoint.layers) == ["a.l0"] and list(checkpoint.tensors) == ["out"]
    found = checkpoint.found["a.l0"]
    assert 0 < found.certainty < 1 and {"kind", "order"} <= set(found.assumed)
    if not turn and width == 3:
        same(checkpoint, rnn, prefix="a.")
    for part, values in checkpoint.layers["a.l0"].tensors.items():
        assert torch.equal(values, getattr(rnn, f"{part}_l0"))


def test_a_square_one_needs_a_name():
    rnn = nn.RNN(3, 4)
    state = {"U": rnn.weight_hh_l0, "V": rnn.weight_ih_l0}
    checkpoint = load_checkpoint(save(state))
    assert list(checkpoint.layers) == ["layer0.l0"] and checkpoint.found["layer0.l0"].certainty < 0.5
    assert not load_checkpoint(save({"p": rnn.weight_hh_l0, "q": rnn.weight_ih_l0})).layers


def test_the_reader_knows_the_order():
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4)
    swapped = {name: torch.cat([v.chunk(4)[k] for k in (0, 3, 1, 2)]) for name, v in anonymous(rnn).items()}  # i o f g
    checkpoint = load_checkpoint(save(swapped))
    order = ("input_gate", "output_gate", "forget_gate", "candidate")
    corrected = checkpoint.corrected("a.l0", order=order)
    assert corrected.found["a.l0"].assumed == ("kind",)
    for part, values in corrected.layers["a.l0"].arrays().items():
        assert np.array_equal(values, getattr(rnn, f"{part}_l0").detach())
    with pytest.raises(CheckpointError, match="each gate exactly once"):
        checkpoint.corrected("a.l0", order=order[:3])
    with pytest.raises(CheckpointError, match="do not fit"):
        checkpoint.corrected("a.l0", kind="GRU")


def test_names_go_before_shapes():
    """Beside a layer that is named, matrices that only look like one are left alone."""
    state = {f"rnn.{name}": values for name, values in nn.GRU(3, 4).state_dict().items()}
    checkpoint = load_checkpoint(save(state | {"mlp.up": torch.zeros(16, 4), "mlp.side": torch.zeros(16, 5)}))
    assert list(checkpoint.layers) == ["rnn.l0"] and len(checkpoint.tensors) == 2


def test_an_attention_is_no_gru():
    """The three projections of torch's attention, and of GPT-2's, have the shape of a GRU's matrices."""
    transformer = nn.TransformerDecoderLayer(8, 2, 16)
    state = {
        f"layers.{index}.{name}": values for index in range(2) for name, values in transformer.state_dict().items()
    }
    state |= {f"h.{index}.attn.c_attn.weight": torch.zeros(8, 24) for index in range(2)}
    assert not load_checkpoint(save({name: values.clone() for name, values in state.items()})).layers


def test_twice_the_matrices_take_about_twice_the_work():
    def work(count):
        data = save({f"t{index}": torch.zeros(4, 1 + index % 2) for index in range(count)})
        return lines_run(lambda: load_checkpoint(data))

    assert work(1000) < 2.5 * work(500)


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(["gate.weight", "wmx.weight", "mix.weight", "cond.weight", "rnn2.scale", "speaker.weight"]),
    rows=st.integers(2, 9), inputs=st.integers(2, 5), kind=st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]),
)  # fmt: skip
def test_a_matrix_is_not_an_embedding_because_its_width_fits(name, rows, inputs, kind):
    file = io.BytesIO()
    rnn = {f"rnn.{part}": values for part, values in kind(inputs, 4).state_dict().items()}
    torch.save(rnn | {name: torch.randn(rows, inputs)}, file)
    checkpoint = load_checkpoint(file.getvalue())
    net = checkpoint.network()
    assert net.vocabulary is None and name in net.left_out
    ids = checkpoint.network(embedding=name, kind="ids")
    assert name not in ids.left_out and ids.vocabulary is not None

"""What a capture of attentions leaves alone: threads, copies, weights, gradients, exceptions; and what is saved."""

import copy
import threading

import numpy as np
import pytest
import torch
from torch import nn

from models import capture, load_trace
from models.capturing.capture import CaptureError
from tests.models.core.test_attention import nothing_stays, torchs_own

__all__ = ["nothing_stays"]  # a fixture that every test here has


def test_only_the_thread_that_entered_counts():
    module, x = nn.MultiheadAttention(8, 2), torch.randn(3, 1, 8)
    with capture(module) as trace:
        other = threading.Thread(target=lambda: module(x, x, x))
        other.start()
        other.join()
        assert not trace.attention
        module(x, x, x)
    assert list(trace.attention) == ["attention"]


def test_two_threads_watch_one_module_at_once():
    module, barrier = nn.MultiheadAttention(8, 2), threading.Barrier(2)
    found = {}

    def run(seed):
        x = torch.randn(4, 1, 8, generator=torch.Generator().manual_seed(seed))
        with capture(module) as trace:
            barrier.wait()
            for _ in range(20):
                module(x, x, x)
            barrier.wait()
        found[seed] = len(trace.attention), trace.attention["attention"].weights, torchs_own(module, x, x, x)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (0, 1)]
    [each.start() for each in threads]
    [each.join() for each in threads]
    for count, weights, expected in found.values():
        assert count == 20
        np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_captures_within_captures_and_exceptions():
    module, x = nn.MultiheadAttention(8, 2), torch.randn(3, 1, 8)
    with pytest.raises(ZeroDivisionError), capture(module) as outer, capture(nn.ModuleList([module])) as inner:
        module(x, x, x)
        raise ZeroDivisionError
    assert list(outer.attention) == ["attention"] and list(inner.attention) == ["0"]
    np.testing.assert_array_equal(outer.attention["attention"].weights, inner.attention["0"].weights)
    module(x, x, x)
    assert len(outer.attention) == 1


def test_a_call_that_fails_leaves_no_record():
    module = nn.MultiheadAttention(8, 2)
    with capture(module) as trace, pytest.raises(AssertionError, match="embedding dimension"):
        module(torch.randn(3, 1, 7), torch.randn(3, 1, 8), torch.randn(3, 1, 8))
    assert not trace.attention


def test_a_copy_made_inside_the_block_is_another_module():
    module, x = nn.MultiheadAttention(8, 2), torch.randn(3, 1, 8)
    with capture(module) as trace:
        copy.deepcopy(module)(x, x, x)
    assert not trace.attention


def test_later_changes_of_weights_and_inputs_change_nothing():
    module, x = nn.MultiheadAttention(8, 2), torch.randn(3, 1, 8)
    expected = torchs_own(module, x, x, x)
    with capture(module) as trace:
        module(x, x, x)
        with torch.no_grad():
            module.in_proj_weight.zero_()
            x.zero_()
    np.testing.assert_allclose(trace.attention["attention"].weights, expected, atol=1e-5)
    with pytest.raises(ValueError, match="read-only"):
        trace.attention["attention"].weights[:] = 0


def test_gradients_go_through_as_ever():
    module, x = nn.MultiheadAttention(8, 2), torch.randn(3, 1, 8)
    module(x, x, x)[0].square().sum().backward()
    plain = {name: parameter.grad.clone() for name, parameter in module.named_parameters()}
    module.zero_grad()
    with capture(module):
        module(x, x, x)[0].square().sum().backward()
    assert all(torch.equal(parameter.grad, plain[name]) for name, parameter in module.named_parameters())


class Both(nn.Module):
    """A recurrent layer under an attention."""

    def __init__(self):
        super().__init__()
        self.rnn, self.attn = nn.GRU(4, 8, batch_first=True), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        states = self.rnn(x)[0]
        return self.attn(states, states, states, need_weights=False)[0]


def test_recurrent_layers_and_attentions_side_by_side_are_saved_and_loaded(tmp_path):
    torch.manual_seed(9)
    net, x = Both().eval(), torch.randn(2, 5, 4)
    with capture(net) as trace:
        net(x)
    np.testing.assert_allclose(trace.attention["attn"].value.shape, (2, 2, 5, 4))
    trace.save(tmp_path / "run.npz")
    again = load_trace(tmp_path / "run.npz")
    assert list(again.layers) == ["rnn.l0"] and list(again.attention) == ["attn"]
    for name in ("scores", "weights", "query", "key", "value", "context"):
        np.testing.assert_array_equal(getattr(again.attention["attn"], name), getattr(trace.attention["attn"], name))
    assert again.attention["attn"].dropout is None


def test_dropped_weights_are_saved_and_loaded(tmp_path):
    module, x = nn.MultiheadAttention(8, 2, dropout=0.3).train(), torch.randn(3, 1, 8)
    with capture(module) as trace:
        module(x, x, x)
    trace.save(tmp_path / "run.npz")
    again = load_trace(tmp_path / "run.npz").attention["attention"]
    np.testing.assert_array_equal(again.dropout, trace.attention["attention"].dropout)
    np.testing.assert_array_equal(again.context, trace.attention["attention"].context)


def test_what_holds_neither_is_refused_in_one_sentence():
    with pytest.raises(CaptureError, match=r"^Linear holds no nn\.RNN.* nn\.MultiheadAttention to look into; pass"):
        capture(nn.Linear(2, 2))


def test_an_unknown_name_is_answered_with_the_known_ones():
    with capture(nn.ModuleDict({"a": nn.MultiheadAttention(8, 2)})) as trace, pytest.raises(KeyError, match="none"):
        trace.attention["b"]


@pytest.mark.parametrize("training", [True, False])
def test_looking_at_parametrized_weights_does_not_move_them(training):
    """A spectral norm takes a step of its power iteration whenever its weight is read in training."""
    found = []
    for watched in (False, True):
        torch.manual_seed(11)
        module = nn.MultiheadAttention(8, 2, batch_first=True)
        torch.nn.utils.parametrizations.spectral_norm(module, "in_proj_weight")
        torch.nn.utils.parametrizations.weight_norm(module.out_proj, "weight")
        module.train(training)
        x = torch.randn(2, 5, 8)
        outputs = []
        for _ in range(3):
            if not watched:
                outputs.append(module(x, x, x)[0])
                continue
            with capture(module) as trace:
                outputs.append(module(x, x, x, average_attn_weights=False)[0])
            out = module.out_proj(
                torch.from_numpy(trace.attention["attention"].context.copy()).transpose(1, 2).flatten(2)
            )
            torch.testing.assert_close(out, outputs[-1], atol=1e-5, rtol=1e-5)
        assert module.parametrizations.in_proj_weight[0].training == training
        found.append(outputs)
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_a_subclass_that_goes_on_to_torchs_forward_is_recorded():
    class Loud(nn.MultiheadAttention):
        def forward(self, x):
            return super().forward(2 * x, x, x)[0]

    net, x = nn.Sequential(Loud(8, 2, batch_first=True)), torch.randn(2, 5, 8)
    with capture(net) as trace:
        net(x)
    plain = nn.MultiheadAttention(8, 2, batch_first=True)
    plain.load_state_dict(net[0].state_dict())
    np.testing.assert_allclose(trace.attention["0"].weights, torchs_own(plain, 2 * x, x, x), atol=1e-5)


def test_what_stays_the_same_is_kept_once():
    module, memory = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(1, 7, 8)
    with capture(nn.ModuleDict({"attn": module})) as trace:
        for _ in range(4):
            module(torch.randn(1, 1, 8), memory, memory)
        with torch.no_grad():
            module.in_proj_weight.mul_(2)
        module(torch.randn(1, 1, 8), memory, memory)
    calls = trace.attention["attn"].calls
    assert len(calls) == 4 and len({id(call.key) for call in calls}) == 1
    assert len({id(call.parameters["in_proj_weight"]) for call in calls}) == 1
    (other,) = trace.attention["attn#2"].calls
    assert torch.equal(other.parameters["in_proj_weight"], 2 * calls[0].parameters["in_proj_weight"])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_an_encoder_on_its_own_keeps_its_fused_kernel():
    torch.manual_seed(12)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    x, padding = torch.randn(2, 5, 8), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    with torch.no_grad():
        plain = encoder(x, src_key_padding_mask=padding)
        with capture(encoder) as trace:
            assert torch.equal(encoder(x, src_key_padding_mask=padding), plain)
    assert list(trace.attention) == ["layers.0.self_attn", "layers.1.self_attn"]


def test_inside_transforms_of_torch_func_nothing_is_recorded_and_all_works():
    torch.manual_seed(13)
    module, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(4, 1, 5, 8)
    plain = torch.vmap(lambda each: module(each, each, each)[0])(x)
    with capture(module) as trace:
        mapped = torch.vmap(lambda each: module(each, each, each)[0])(x)
        assert not trace.attention
        module(x[0], x[0], x[0])
    assert torch.equal(mapped, plain) and list(trace.attention) == ["attention"]

"""Attention as it was computed: torch's own ``need_weights=True`` is the oracle, whatever the caller asked for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import capture
from models.architectures.translator import Attention
from models.core.attention import AttentionTrace

FORWARDS = nn.MultiheadAttention.forward, nn.TransformerEncoderLayer.forward


@pytest.fixture(autouse=True)
def nothing_stays():
    yield
    assert (nn.MultiheadAttention.forward, nn.TransformerEncoderLayer.forward) == FORWARDS


def torchs_own(module, *args, **kwargs):
    """The weights of each head as torch itself gives them: (B, heads, Tt, Ts)."""
    kwargs |= {"need_weights": True, "average_attn_weights": False}
    weights = module(*args, **kwargs)[1].detach()
    return (weights if weights.dim() == 4 else weights[None]).numpy()


def check(trace: AttentionTrace, module, expected, output):
    """Weights are torch's, and the module's output follows from the trace."""
    np.testing.assert_allclose(trace.weights, expected, atol=1e-5)
    np.testing.assert_allclose(trace.context, trace.weights @ trace.value, atol=1e-5)
    joined = torch.from_numpy(trace.context.copy()).transpose(1, 2).flatten(2)
    again = module.out_proj(joined.to(output.dtype)).detach()
    if output.dim() == 3 and not module.batch_first:
        output = output.transpose(0, 1)
    torch.testing.assert_close(again.reshape(output.shape), output.detach(), atol=1e-5, rtol=1e-4)


CASES = st.fixed_dictionaries(
    {
        "batch_first": st.booleans(),
        "batched": st.booleans(),
        "bias": st.booleans(),
        "bias_kv": st.booleans(),
        "zero": st.booleans(),
        "other_sizes": st.booleans(),
        "self_attention": st.booleans(),
        "mask": st.sampled_from([None, "bool", "float", "heads", "causal"]),
        "padding": st.booleans(),
        "need_weights": st.booleans(),
        "average": st.booleans(),
        "hint": st.booleans(),
        "grad": st.booleans(),
        "double": st.booleans(),
        "heads": st.sampled_from([1, 2, 3]),
        "seed": st.integers(0, 1000),
    }
)


def made(case):
    """The module of a case, and what its forward is given."""
    torch.manual_seed(case["seed"])
    size, heads, batch = 6, case["heads"], 2 if case["batched"] else 1
    sizes = {} if not case["other_sizes"] or case["self_attention"] else {"kdim": 5, "vdim": 4}
    module = nn.MultiheadAttention(
        size, heads, bias=case["bias"], add_bias_kv=case["bias_kv"], add_zero_attn=case["zero"],
        batch_first=case["batch_first"], **sizes,
    ).eval()  # fmt: skip
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.7)
    targets, sources = (4, 4) if case["self_attention"] or case["mask"] == "causal" else (3, 5)

    def tensor(steps, width):
        values = torch.randn(batch, steps, width)
        return values[0] if not case["batched"] else values if case["batch_first"] else values.transpose(0, 1)

    query = tensor(targets, size)
    key, value = tensor(sources, sizes.get("kdim", size)), tensor(sources, sizes.get("vdim", size))
    if case["self_attention"]:
        key = value = query
    mask = torch.rand(targets, sources) < 0.3
    mask[:, 0] = False
    kwargs = {"need_weights": case["need_weights"], "average_attn_weights": case["average"]}
    if case["mask"] == "float":
        kwargs["attn_mask"] = torch.randn(targets, sources)
    elif case["mask"] == "causal":
        kwargs |= {"attn_mask": torch.ones(targets, sources, dtype=torch.bool).triu(1), "is_causal": case["hint"]}
    elif case["mask"] == "heads":
        kwargs["attn_mask"] = torch.stack([mask.roll(each, 0) for each in range(batch * heads)])
    elif case["mask"] == "bool":
        kwargs["attn_mask"] = mask
    if case["padding"]:
        padding = torch.zeros(batch, sources, dtype=torch.bool)
        padding[-1, -1] = True
        if case["mask"] == "float":
            padding = torch.zeros(batch, sources).masked_fill(padding, -torch.inf)
        kwargs["key_padding_mask"] = padding if case["batched"] else padding[0]
    args = [query, key, value]
    if case["double"]:
        module = module.double()
        args = [each.double() for each in args] if not case["self_attention"] else [query.double()] * 3
        kwargs |= {
            key: each.double() for key, each in kwargs.items() if torch.is_tensor(each) and each.is_floating_point()
        }
    return module, args, kwargs


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(CASES)
def test_weights_are_torchs_own_whatever_the_options(case):
    module, args, kwargs = made(case)
    with torch.set_grad_enabled(case["grad"]):
        expected = torchs_own(module, *args, **kwargs)
        plain = module(*args, **kwargs)
        with capture(module) as trace:
            output = module(*args, **kwargs)
    assert torch.equal(output[0], plain[0])
    assert (output[1] is None) == (plain[1] is None) and (output[1] is None or torch.equal(output[1], plain[1]))
    (found,) = trace.attention.values()
    if case["mask"] == "causal" and (case["zero"] or case["bias_kv"]) and not (case["need_weights"] or case["padding"]):
        expected = (
            found.weights
        )  # by the hint torch masks what the module adds, by the mask it does not: see the output
    assert found.shape == expected.shape and found.weights.dtype == (np.float64 if case["double"] else np.float32)
    check(found, module, expected, output[0])


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_what_training_dropped_is_told_as_it_was(need_weights, batch_first):
    torch.manual_seed(0)
    module = nn.MultiheadAttention(8, 2, dropout=0.4, batch_first=batch_first).train()
    x = torch.randn(3, 5, 8)
    torch.manual_seed(7)
    plain = module(x, x, x, need_weights=need_weights, average_attn_weights=False)
    after = torch.rand(1)
    torch.manual_seed(7)
    with capture(module) as trace:
        output = module(x, x, x, need_weights=need_weights, average_attn_weights=False)
    assert torch.equal(output[0], plain[0]) and torch.equal(torch.rand(1), after)
    found = trace.attention["attention"]
    assert not found.dropout_unknown and set(np.unique(found.dropout)) == {0.0, np.float32(1 / 0.6)}
    if need_weights:
        np.testing.assert_allclose(found.weights * found.dropout, plain[1].detach().numpy(), atol=1e-6)
    out = module.out_proj(torch.from_numpy(found.context.copy()).transpose(1, 2).flatten(2)).detach()
    torch.testing.assert_close(out if batch_first else out.transpose(0, 1), output[0].detach(), atol=1e-5, rtol=1e-5)


def test_what_was_dropped_and_cannot_be_known_is_said():
    """A random number drawn from elsewhere in between: here, a hook that reseeds before the module draws."""
    module = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True).train()
    module.out_proj.register_forward_pre_hook(lambda *_: None)
    original = torch.nn.functional.multi_head_attention_forward

    def reseeded(*args, **kwargs):
        torch.manual_seed(123)
        return original(*args, **kwargs)

    x = torch.randn(2, 5, 8)
    torch.nn.functional.multi_head_attention_forward = reseeded
    try:
        with capture(module) as trace:
            module(x, x, x)
    finally:
        torch.nn.functional.multi_head_attention_forward = original
    found = trace.attention["attention"]
    assert found.dropout_unknown and found.dropout is None
    np.testing.assert_allclose(found.weights, torchs_own(module.eval(), x, x, x), atol=1e-5)


def test_a_wrong_hint_is_followed_where_torch_follows_it():
    torch.manual_seed(1)
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    x, mask = torch.randn(2, 4, 8), torch.rand(4, 4) * 3
    for need_weights in (True, False):
        with capture(module) as trace:
            output = module(x, x, x, attn_mask=mask, is_causal=True, need_weights=need_weights)[0]
        found = trace.attention["attention"]
        out = module.out_proj(torch.from_numpy(found.context.copy()).transpose(1, 2).flatten(2))
        torch.testing.assert_close(out, output, atol=1e-5, rtol=1e-5)


def test_a_target_that_may_read_nothing_is_as_the_module_has_it():
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    x, mask = torch.randn(1, 3, 8), torch.zeros(3, 3, dtype=torch.bool)
    mask[1] = True
    for need_weights in (True, False):
        with capture(module) as trace:
            output = module(x, x, x, attn_mask=mask, need_weights=need_weights)[0]
        row = trace.attention["attention"].weights[:, :, 1]
        assert np.isnan(row).all() if output[0, 1].isnan().any() else (row == 0).all()


# Inside torch's own Transformers


class Padded(nn.Module):
    """A Transformer encoder that is fed with padding."""

    def __init__(self, nested: bool, norm_first: bool):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested)

    def forward(self, x, padding=None, mask=None):
        return self.encoder(x, mask=mask, src_key_padding_mask=padding)


def layer_by_layer(encoder, x, padding, mask):
    """Every layer's weights, by torch's own attention on what the layer reads."""
    found = []
    for layer in encoder.layers:
        read = layer.norm1(x) if layer.norm_first else x
        found.append(torchs_own(layer.self_attn, read, read, read, key_padding_mask=padding, attn_mask=mask))
        x = layer(x, src_key_padding_mask=padding, src_mask=mask)
    return found


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("fast", [True, False])
def test_the_layers_of_an_encoder_with_and_without_the_fused_kernel(norm_first, padded, causal, fast):
    torch.manual_seed(2)
    net = Padded(nested=False, norm_first=norm_first).eval()
    x = torch.randn(2, 5, 8)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2]) if padded else None
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1) if causal else None
    with torch.set_grad_enabled(not fast):
        plain = net(x, padding, mask)
        with capture(net) as trace:
            output = net(x, padding, mask)
        expected = layer_by_layer(net.encoder, x, padding, mask)
    assert torch.equal(output, plain)
    assert list(trace.attention) == ["encoder.layers.0.self_attn", "encoder.layers.1.self_attn"]
    for found, weights in zip(trace.attention.values(), expected, strict=True):
        np.testing.assert_allclose(found.weights, weights, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("norm_first", [True, False])
def test_sequences_of_several_lengths_in_the_fused_kernel(norm_first):
    torch.manual_seed(3)
    net = Padded(nested=True, norm_first=False).eval()
    net.encoder.layers[0].norm_first = net.encoder.layers[1].norm_first = norm_first
    x, padding = torch.randn(2, 5, 8), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    with torch.no_grad():
        plain = net(x, padding)
        with capture(net) as trace:
            output = net(x, padding)
        alone = layer_by_layer(net.encoder, x[1:, :3], None, None)
    assert torch.equal(output, plain) and not output[1, 3:].any()  # the fused kernel has nothing at padding
    for found, weights in zip(trace.attention.values(), alone, strict=True):
        np.testing.assert_allclose(found.weights[1:, :, :3, :3], weights, atol=1e-5)
        assert not found.weights[1, :, 3:].any() and not found.weights[1, :, :, 3:].any()


def test_a_whole_transformer():
    torch.manual_seed(4)
    net = nn.Transformer(8, 2, 1, 2, 16, batch_first=True).eval()
    source, target = torch.randn(3, 6, 8), torch.randn(3, 4, 8)
    causal = nn.Transformer.generate_square_subsequent_mask(4)
    plain = net(source, target, tgt_mask=causal)
    with capture(net) as trace:
        output = net(source, target, tgt_mask=causal)
    assert torch.equal(output, plain) and not trace.layers
    assert list(trace.attention) == [
        "encoder.layers.0.self_attn",
        *(f"decoder.layers.{layer}.{name}" for layer in (0, 1) for name in ("self_attn", "multihead_attn")),
    ]
    layer = net.decoder.layers[0]
    memory = net.encoder(source)
    asks = layer.norm1(target + layer.self_attn(target, target, target, attn_mask=causal)[0])
    check(
        trace.attention["decoder.layers.0.multihead_attn"],
        layer.multihead_attn,
        torchs_own(layer.multihead_attn, asks, memory, memory),
        layer.multihead_attn(asks, memory, memory)[0],
    )
    assert np.triu(trace.attention["decoder.layers.1.self_attn"].weights[0, 0], 1).max() == 0


# How calls become records


def test_targets_one_by_one_are_one_record():
    torch.manual_seed(5)
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    query, memory = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    net = nn.ModuleDict({"attn": module})
    with capture(net) as trace:
        for step in range(5):
            module(query[:, step : step + 1], memory, memory)
        module(query, memory, memory)
    assert list(trace.attention) == ["attn", "attn#2"]
    np.testing.assert_allclose(trace.attention["attn"].weights, trace.attention["attn#2"].weights, atol=1e-6)
    np.testing.assert_allclose(trace.attention["attn"].context, trace.attention["attn#2"].context, atol=1e-6)


def test_with_a_growing_cache_the_later_sources_count_as_masked():
    torch.manual_seed(6)
    net = nn.ModuleDict({"attn": nn.MultiheadAttention(8, 2, batch_first=True)})
    x = torch.randn(1, 4, 8)
    with capture(net) as trace:
        for step in range(4):
            past = x[:, : step + 1]
            net["attn"](x[:, step : step + 1], past, past)
    expected = torchs_own(net["attn"], x, x, x, attn_mask=torch.ones(4, 4, dtype=torch.bool).triu(1))
    np.testing.assert_allclose(trace.attention["attn"].weights, expected, atol=1e-6)


def test_a_decoder_that_reads_everything_anew_at_each_step_is_one_record():
    torch.manual_seed(10)
    net = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), 2).eval()
    target, memory = torch.randn(2, 6, 8), torch.randn(2, 5, 8)

    class Growing(nn.Module):
        def __init__(self):
            super().__init__()
            self.decoder = net

        def forward(self, steps):
            for count in steps:
                causal = nn.Transformer.generate_square_subsequent_mask(count)
                out = self.decoder(target[:, :count], memory, tgt_mask=causal)
            return out

    whole = Growing()
    plain = whole(range(1, 7))
    with capture(whole) as stepwise:
        assert torch.equal(whole(range(1, 7)), plain)
    with capture(whole) as once:
        whole([6])
    assert list(stepwise.attention) == list(once.attention) and len(once.attention) == 4
    for name, expected in once.attention.items():
        np.testing.assert_allclose(stepwise.attention[name].weights, expected.weights, atol=1e-6)
        np.testing.assert_allclose(stepwise.attention[name].context, expected.context, atol=1e-5)


class Twice(nn.Module):
    """A module with one target and the same sources in every call."""

    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, query, memory):
        return self.attn(query, memory, memory)[0]


def test_another_call_of_the_network_is_another_record():
    net, memory = Twice(), torch.randn(1, 7, 8)
    with capture(net) as trace:
        for _ in range(2):
            net(torch.randn(1, 1, 8), memory)
    assert list(trace.attention) == ["attn", "attn#2"]


def test_a_layer_on_its_own_keeps_its_fused_kernel_and_its_calls_apart():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.randn(1, 1, 8)
    with torch.no_grad():
        plain = layer(x)
        with capture(layer) as trace:
            assert torch.equal(layer(x), plain) and torch.equal(layer(x), plain)
    assert list(trace.attention) == ["self_attn", "self_attn#2"]


@pytest.mark.parametrize("score", ["dot", "general", "additive"])
def test_the_bundled_scores(score):
    torch.manual_seed(8)
    module = Attention(score, 6, 6)
    query, memory = torch.randn(2, 3, 6), torch.randn(2, 5, 6)
    mask = torch.tensor([[False] * 5, [False] * 4 + [True]])
    with capture(module) as trace:
        context = module(query, memory, mask)
    found = trace.attention["attention"]
    s, h = query.numpy()[:, :, None], memory.numpy()[:, None]
    if score == "dot":
        scores = (s * h).sum(-1)
    elif score == "general":
        scores = (s * (h @ module.key.weight.detach().numpy().T)).sum(-1)
    else:
        inner = np.tanh(s @ module.query.weight.detach().numpy().T + h @ module.key.weight.detach().numpy().T)
        scores = inner @ module.energy.detach().numpy()
    scores[1, :, 4] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(found.scores[:, 0], scores, atol=1e-5)
    np.testing.assert_allclose(found.weights[:, 0], weights, atol=1e-5)
    np.testing.assert_allclose(found.context[:, 0], context.detach().numpy(), atol=1e-5)
    with capture(nn.ModuleDict({"a": module})) as stepwise:
        for step in range(3):
            module(query[:, step : step + 1], memory, mask=mask)
    np.testing.assert_allclose(stepwise.attention["a"].weights, found.weights, atol=1e-6)

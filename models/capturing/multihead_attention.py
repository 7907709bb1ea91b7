"""What a call of ``nn.MultiheadAttention`` computed, told from what it was given.

The module's own kernels return no weights, or weights averaged over the heads; but queries, keys and scores follow from its
input and its parameters. Vaswani et al. 2017, section 3.2: ``softmax(Q K^T / sqrt(d_k)) V``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from models.capturing.recorder import copied, unchanged
from models.core.attention import AttentionCall, AttentionParts, grown

PARAMETERS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "bias_k", "bias_v")
MASKS = ("attn_mask", "key_padding_mask")
SIGNATURE = inspect.signature(nn.MultiheadAttention.forward)


@dataclass(frozen=True, eq=False)
class MultiheadCall:
    """One call. Tensors of its own, on the CPU.

    Attributes:
        heads: how many.
        zeros: whether a source of zeros is added (``add_zero_attn``).
        parameters: the module's, but for the last projection.
        query, key, value: what it was given, (B, Tt, E), (B, Ts, E of keys), (B, Ts, E of values).
        mask: added to the scores, (Tt, Ts) or (B * heads, Tt, Ts); or, where it is bool, True at what may not be read.
        padding: likewise of the sources, (B, Ts).
        dropout: what the weights were multiplied by, (B, heads, Tt, Ts), or None.
        unsure, empty: as of ``AttentionParts``.
    """

    heads: int
    zeros: bool
    parameters: Mapping[str, Tensor]
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None = None
    padding: Tensor | None = None
    dropout: Tensor | None = None
    unsure: bool = False
    empty: float = 0.0

    def parts(self) -> AttentionParts:
        """What it computed."""
        query, key, value = (self._heads(each) for each in self._projected())
        if self.zeros:
            key, value = (pad(each, (0, 0, 0, 1)) for each in (key, value))
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        if self.mask is not None:
            mask = pad(additive(self.mask, scores.dtype), (0, key.shape[2] - self.mask.shape[-1]))
            scores = scores + (mask if mask.dim() == 2 else mask.view(len(query), self.heads, *mask.shape[1:]))
        if self.padding is not None:
            scores = (
                scores
                + pad(additive(self.padding, scores.dtype), (0, key.shape[2] - self.padding.shape[-1]))[:, None, None]
            )
        return AttentionParts(scores, query, key, value, self.dropout, self.unsure, self.empty)

    def goes_on(self, last: Any) -> bool:
        """Whether it asks for one more target after ``last``, of the same sources or of those and more."""
        if not isinstance(last, MultiheadCall) or self.query.shape[1] != 1 or last.query.shape[1] != 1:
            return False
        return self._same_parameters(last) and grown(last.key, self.key) and grown(last.value, self.value)

    def repeats(self, last: Any) -> bool:
        """Whether it asks for all targets of ``last`` once more, and for others after them: a decoder without a cache."""
        if not isinstance(last, MultiheadCall) or self.query.shape[1] <= last.query.shape[1]:
            return False
        # what a layer below computed anew for more targets may differ in the last digits
        pairs = ((last.query, self.query), (last.key, self.key), (last.value, self.value))
        same = partial(torch.allclose, rtol=1e-4, atol=1e-5)
        return self._same_parameters(last) and all(grown(before, now, same) for before, now in pairs)

    def _same_parameters(self, last: MultiheadCall) -> bool:
        return all(torch.equal(values, last.parameters[name]) for name, values in self.parameters.items())

    def _projected(self) -> list[Tensor]:
        """Query, key and value after their projections, (B, T, E), sources that the module adds among them."""
        own = self.parameters
        weights = [own[name] for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight") if name in own]
        weights = weights or list(own["in_proj_weight"].chunk(3))
        biases = list(own["in_proj_bias"].chunk(3)) if "in_proj_bias" in own else [None] * 3
        found = [linear(*each) for each in zip((self.query, self.key, self.value), weights, biases, strict=True)]
        for at, name in ((1, "bias_k"), (2, "bias_v")):
            if name in own:
                found[at] = torch.cat([found[at], own[name].expand(len(found[at]), 1, -1)], dim=1)
        return found

    def _heads(self, values: Tensor) -> Tensor:
        """(B, T, E) as (B, heads, T, E / heads)."""
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def multihead_call(
    module: Any, given: Mapping[str, Any], output: Tensor, random: Tensor | None, last: AttentionCall | None = None
) -> MultiheadCall:
    """What a call of ``module`` did.

    Args:
        module: an ``nn.MultiheadAttention``.
        given: the arguments of its forward by name, all of them.
        output: what it returned for the queries.
        random: the state of the generator of random numbers before the call, where it dropped weights.
        last: its call before this one; what is still the same is not copied again.
    """
    before = last if isinstance(last, MultiheadCall) else None
    known: Mapping[str, Tensor] = {} if before is None else before.parameters
    copies: dict[int, Tensor] = {}  # one copy of what is given twice
    for name in ("query", "key", "value"):
        values = laid_out(given[name], module.batch_first)
        if id(given[name]) not in copies:
            copies[id(given[name])] = kept(values, None if before is None else getattr(before, name))
    query, key, value = (copies[id(given[name])] for name in ("query", "key", "value"))
    mask, padding = (given[name] if given[name] is None else kept_mask(given[name]) for name in MASKS)
    if padding is not None and padding.dim() == 1:
        padding = padding[None]
    if given["query"].is_nested:
        mask = nested_mask(given["query"], given["key"], module.num_heads)
    with settled(module):
        own = {name: getattr(module, name) for name in PARAMETERS}
        parameters = {name: kept(values, known.get(name)) for name, values in own.items() if values is not None}
    call = MultiheadCall(
        heads=module.num_heads,
        zeros=module.add_zero_attn,
        parameters=parameters,
        query=query,
        key=key,
        value=value,
        mask=mask,
        padding=padding,
        empty=math.nan if laid_out(output, module.batch_first).isnan().any() else 0.0,
    )
    if given["is_causal"] and mask is not None and padding is None and not given["need_weights"]:
        # torch's kernel may go by the hint and never look at the mask; then sources that the module adds are later ones too
        targets, sources = call.parts().scores.shape[-2:]
        causal = torch.ones(targets, sources, dtype=torch.bool).triu(1)
        call = min((call, replace(call, mask=causal)), key=lambda each: distance(module, each, output))
    return call if random is None else with_dropout(module, call, output, random)


def with_dropout(module: Any, call: MultiheadCall, output: Tensor, random: Tensor) -> MultiheadCall:
    """``call`` with what was dropped: drawn again from the same state, and believed if the output comes out of it."""
    generator = torch.Generator()
    generator.set_state(random)
    scores = call.parts().scores
    kept = torch.empty_like(scores).bernoulli_(1 - module.dropout, generator=generator)
    again = replace(call, dropout=kept / (1 - module.dropout))
    found = distance(module, again, output) <= 1e-3 * max(1.0, float(output.abs().max()))
    return again if found else replace(call, unsure=True)


def distance(module: Any, call: MultiheadCall, output: Tensor) -> float:
    """The largest difference between ``output`` and what ``call`` would have put out."""
    parts, result = call.parts(), copied(laid_out(output, module.batch_first))
    weights = parts.scores.softmax(-1).nan_to_num(call.empty)
    context = (weights if parts.dropout is None else weights * parts.dropout) @ parts.value
    with settled(module.out_proj):
        bias = module.out_proj.bias
        out = linear(
            context.transpose(1, 2).flatten(2), copied(module.out_proj.weight), None if bias is None else copied(bias)
        )
    return float((out - result).abs().nan_to_num(0.0).max())


def laid_out(values: Tensor, batch_first: bool) -> Tensor:
    """What a module reads or puts out as (B, T, E); sequences of several lengths (nested) with zeros after the short ones."""
    if values.is_nested:
        return values.to_padded_tensor(0.0)
    if values.dim() == 2:
        return values[None]
    return values if batch_first else values.transpose(0, 1)


def kept(values: Tensor, before: Tensor | None) -> Tensor:
    """``values`` in memory of their own: ``before``, if it holds the same."""
    if before is not None and before.shape == values.shape and unchanged(before, values):
        return before
    return copied(values)


@contextmanager
def settled(module: nn.Module) -> Iterator[None]:
    """For a while, looking at the module's parametrized tensors does not change them, as spectral norms do in training."""
    moving = [part for part in getattr(module, "parametrizations", nn.ModuleDict()).modules() if part.training]
    for part in moving:
        part.training = False
    try:
        yield
    finally:
        for part in moving:
            part.training = True


def kept_mask(mask: Tensor) -> Tensor:
    """A mask in memory of its own: bool stays bool."""
    return mask.detach().to("cpu", copy=True) if mask.dtype == torch.bool else copied(mask)


def nested_mask(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """(B * heads, Tt, Ts), True wherever nothing is computed as a sequence has no such target or source."""
    lengths = [torch.tensor([len(each) for each in values.unbind()]) for values in (query, key)]
    past = [torch.arange(int(each.max())) >= each[:, None] for each in lengths]
    return (past[0][:, :, None] | past[1][:, None]).repeat_interleave(heads, dim=0)


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as what is added to the scores."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, -torch.inf)

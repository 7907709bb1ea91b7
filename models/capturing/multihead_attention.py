"""Recorded calls of ``nn.MultiheadAttention``: queries, keys, values and scores from the arguments and the parameters.

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

from models.capturing.recorded_arrays import copy_to_cpu, same_bits
from models.core.attention import AttentionCall, AttentionParts, has_prefix

PARAMETERS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "bias_k", "bias_v")
MASKS = ("attn_mask", "key_padding_mask")
SIGNATURE = inspect.signature(nn.MultiheadAttention.forward)


@dataclass(frozen=True, eq=False)
class MultiheadCall:
    """One call of ``nn.MultiheadAttention``: copies, on the CPU.

    Attributes:
        heads: number of heads.
        zeros: whether a source of zeros is added (``add_zero_attn``).
        parameters: the module's, without the output projection.
        query, key, value: its arguments, (B, Tt, E), (B, Ts, E of keys), (B, Ts, E of values).
        mask: added to the scores, (Tt, Ts) or (B * heads, Tt, Ts); or bool, True where excluded.
        padding: the same for the sources, (B, Ts).
        dropout: the factors of the weights, (B, heads, Tt, Ts), or None.
        dropout_unknown, empty_weight: as of ``AttentionParts``.
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
    dropout_unknown: bool = False
    empty_weight: float = 0.0

    def parts(self) -> AttentionParts:
        """Return the tensors that it computed."""
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
        return AttentionParts(scores, query, key, value, self.dropout, self.dropout_unknown, self.empty_weight)

    def continues(self, last: Any) -> bool:
        """Return whether it is the next target after ``last``, with the same sources or with more at the end."""
        if not isinstance(last, MultiheadCall) or self.query.shape[1] != 1 or last.query.shape[1] != 1:
            return False
        return self._same_parameters(last) and has_prefix(last.key, self.key) and has_prefix(last.value, self.value)

    def extends(self, last: Any) -> bool:
        """Return whether it computes all targets of ``last`` again, and more after them: a decoder without a cache."""
        if not isinstance(last, MultiheadCall) or self.query.shape[1] <= last.query.shape[1]:
            return False
        # the recomputed outputs of a layer below may differ in the last digits
        pairs = ((last.query, self.query), (last.key, self.key), (last.value, self.value))
        same = partial(torch.allclose, rtol=1e-4, atol=1e-5)
        return self._same_parameters(last) and all(has_prefix(before, now, same) for before, now in pairs)

    def _same_parameters(self, last: MultiheadCall) -> bool:
        return all(torch.equal(values, last.parameters[name]) for name, values in self.parameters.items())

    def _projected(self) -> list[Tensor]:
        """Return query, key and value after their projections, (B, T, E), with the sources that the module adds."""
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
        """Return (B, T, E) as (B, heads, T, E / heads)."""
        return values.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def multihead_call(
    module: Any, given: Mapping[str, Any], output: Tensor, random: Tensor | None, last: AttentionCall | None = None
) -> MultiheadCall:
    """Return the record of a call of ``module``.

    Args:
        module: an ``nn.MultiheadAttention``.
        given: the arguments of its forward by name, all of them.
        output: what it returned for the queries.
        random: the state of the random number generator before the call, if it dropped weights.
        last: its previous call; tensors that are unchanged are not copied again.
    """
    before = last if isinstance(last, MultiheadCall) else None
    known: Mapping[str, Tensor] = {} if before is None else before.parameters
    copies: dict[int, Tensor] = {}  # one copy of an argument given twice
    for name in ("query", "key", "value"):
        values = to_batch_first(given[name], module.batch_first)
        if id(given[name]) not in copies:
            copies[id(given[name])] = copy_if_changed(values, None if before is None else getattr(before, name))
    query, key, value = (copies[id(given[name])] for name in ("query", "key", "value"))
    mask, padding = (given[name] if given[name] is None else copy_mask(given[name]) for name in MASKS)
    if padding is not None and padding.dim() == 1:
        padding = padding[None]
    if given["query"].is_nested:
        mask = nested_mask(given["query"], given["key"], module.num_heads)
    with fixed_parametrizations(module):
        own = {name: getattr(module, name) for name in PARAMETERS}
        parameters = {
            name: copy_if_changed(values, known.get(name)) for name, values in own.items() if values is not None
        }
    call = MultiheadCall(
        heads=module.num_heads,
        zeros=module.add_zero_attn,
        parameters=parameters,
        query=query,
        key=key,
        value=value,
        mask=mask,
        padding=padding,
        empty_weight=math.nan if to_batch_first(output, module.batch_first).isnan().any() else 0.0,
    )
    if given["is_causal"] and mask is not None and padding is None and not given["need_weights"]:
        # torch's kernel may use the hint and ignore the mask; then sources that the module adds count as later ones too
        targets, sources = call.parts().scores.shape[-2:]
        causal = torch.ones(targets, sources, dtype=torch.bool).triu(1)
        call = min((call, replace(call, mask=causal)), key=lambda each: output_error(module, each, output))
    return call if random is None else with_dropout(module, call, output, random)


def with_dropout(module: Any, call: MultiheadCall, output: Tensor, random: Tensor) -> MultiheadCall:
    """Return ``call`` with its dropout: drawn again from the same state, and accepted if it reproduces the output."""
    generator = torch.Generator()
    generator.set_state(random)
    scores = call.parts().scores
    kept = torch.empty_like(scores).bernoulli_(1 - module.dropout, generator=generator)
    again = replace(call, dropout=kept / (1 - module.dropout))
    found = output_error(module, again, output) <= 1e-3 * max(1.0, float(output.abs().max()))
    return again if found else replace(call, dropout_unknown=True)


def output_error(module: Any, call: MultiheadCall, output: Tensor) -> float:
    """Return the largest difference between ``output`` and the output computed from ``call``."""
    parts, result = call.parts(), copy_to_cpu(to_batch_first(output, module.batch_first))
    weights = parts.scores.softmax(-1).nan_to_num(call.empty_weight)
    context = (weights if parts.dropout is None else weights * parts.dropout) @ parts.value
    with fixed_parametrizations(module.out_proj):
        bias = module.out_proj.bias
        out = linear(
            context.transpose(1, 2).flatten(2),
            copy_to_cpu(module.out_proj.weight),
            None if bias is None else copy_to_cpu(bias),
        )
    return float((out - result).abs().nan_to_num(0.0).max())


def to_batch_first(values: Tensor, batch_first: bool) -> Tensor:
    """Return a module's input or output as (B, T, E); nested tensors are padded with zeros."""
    if values.is_nested:
        return values.to_padded_tensor(0.0)
    if values.dim() == 2:
        return values[None]
    return values if batch_first else values.transpose(0, 1)


def copy_if_changed(values: Tensor, before: Tensor | None) -> Tensor:
    """Return a copy of ``values``: ``before`` itself, if it is equal."""
    if before is not None and before.shape == values.shape and same_bits(before, values):
        return before
    return copy_to_cpu(values)


@contextmanager
def fixed_parametrizations(module: nn.Module) -> Iterator[None]:
    """Keep the module's parametrizations in evaluation mode, since some (spectral norm) change on access in training."""
    moving = [part for part in getattr(module, "parametrizations", nn.ModuleDict()).modules() if part.training]
    for part in moving:
        part.training = False
    try:
        yield
    finally:
        for part in moving:
            part.training = True


def copy_mask(mask: Tensor) -> Tensor:
    """Return a copy of a mask: bool stays bool."""
    return mask.detach().to("cpu", copy=True) if mask.dtype == torch.bool else copy_to_cpu(mask)


def nested_mask(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """Return (B * heads, Tt, Ts), True past the lengths of nested sequences."""
    lengths = [torch.tensor([len(each) for each in values.unbind()]) for values in (query, key)]
    past = [torch.arange(int(each.max())) >= each[:, None] for each in lengths]
    return (past[0][:, :, None] | past[1][:, None]).repeat_interleave(heads, dim=0)


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask as a term added to the scores: -inf where a bool mask is True."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, -torch.inf)

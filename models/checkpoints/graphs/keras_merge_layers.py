"""Keras's layers of several tensors: sums, products, concatenations and attention."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import refuse_setting
from models.checkpoints.graphs.keras_layer import Builder, Holder, KerasLayer, LayerEntry, Value, parameter
from models.checkpoints.parsing.contents import StoredTensor

MERGES: dict[str, Callable[[list[Tensor]], Tensor]] = {
    "Add": lambda xs: reduce(torch.add, xs),
    "Subtract": lambda xs: xs[0] - xs[1],
    "Multiply": lambda xs: reduce(torch.mul, xs),
    "Average": lambda xs: reduce(torch.add, xs) / len(xs),
    "Maximum": lambda xs: reduce(torch.maximum, xs),
    "Minimum": lambda xs: reduce(torch.minimum, xs),
}


def _masked_product(xs: list[Tensor], masks: list[Tensor | None]) -> Tensor:
    """A product in which a masked step counts as 1; where all tensors are masked, 0."""
    pairs = zip(xs, masks, strict=True)
    product = reduce(torch.mul, (x if mask is None else torch.where(mask, x, torch.ones_like(x)) for x, mask in pairs))
    there = [mask for mask in masks if mask is not None]
    if len(there) < len(masks):
        return product
    return torch.where(reduce(torch.logical_or, there), product, torch.zeros_like(product))


def _masked_extreme(
    xs: list[Tensor], masks: list[Tensor | None], extreme: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """The largest or smallest, a masked step of one tensor replaced by the others'."""
    output, known = xs[0], masks[0]
    for x, mask in zip(xs[1:], masks[1:], strict=True):
        other = x if mask is None else torch.where(mask, x, output)
        if known is not None:
            output = torch.where(known, output, other)
        known = None if mask is None or known is None else known | mask
        output = extreme(output, other)
    return output


MASKED_MERGES: dict[str, Callable[[list[Tensor], list[Tensor | None]], Tensor]] = {
    "Multiply": _masked_product,
    "Maximum": lambda xs, masks: _masked_extreme(xs, masks, torch.maximum),
    "Minimum": lambda xs, masks: _masked_extreme(xs, masks, torch.minimum),
}
"""Those that leave masked steps out in Keras 3, with a mask (B, T, 1) or None for each tensor."""


class MergeLayer(KerasLayer):
    """A layer of several tensors of one shape, element by element: ``Add``, ``Multiply``, ..."""

    def values(self, args: list[Any], kwargs: Mapping[str, Any]) -> list[Value]:
        """Return the tensors given; a mask that the call names is a list of their masks."""
        if len(args) != 1 or not isinstance(args[0], list) or not all(isinstance(each, Value) for each in args[0]):
            raise self.wrong_call()
        given: list[Value] = args[0]
        named = kwargs.get("mask")
        if isinstance(named, list) and len(named) == len(given):
            pairs = zip(given, named, strict=True)
            return [Value(x.tensor, mask.tensor) if isinstance(mask, Value) else x for x, mask in pairs]
        if not given or named is not None:
            raise self.wrong_call()
        return given

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """Their merge, and of the masks the steps that are in any of them; up to Keras 2, in all."""
        given = self.values(args, kwargs)
        if self.entry.type == "Subtract" and len(given) != 2:
            raise self.wrong_call()
        rank = max(each.tensor.dim() for each in given)
        tensors = [each.tensor.to(self.dtype) for each in given]
        xs = [x.reshape(len(x), *[1] * (rank - x.dim()), *x.shape[1:]) for x in tensors]
        # a tensor that gets further axes has lost its mask by the time of the merge itself
        seen = [each.mask if each.tensor.dim() == rank else None for each in given]
        if self.version.major < 3 or self.entry.type not in MASKED_MERGES or not any(mask is not None for mask in seen):
            merged = MERGES[self.entry.type](xs)
        else:
            merged = MASKED_MERGES[self.entry.type](xs, [mask if mask is None else mask[..., None] for mask in seen])
        return Value(merged, self.merged_mask([each.mask for each in given]))

    def merged_mask(self, masks: list[Tensor | None]) -> Tensor | None:
        """Return one mask for all."""
        there = [mask for mask in masks if mask is not None]
        if self.version.major < 3:
            return reduce(torch.logical_and, there) if there else None
        return reduce(torch.logical_or, there) if len(there) == len(masks) else None


class ConcatenateLayer(MergeLayer):
    """``Concatenate`` along one axis."""

    settings = frozenset(("axis",))

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """The tensors one after the other; a step is kept that is in any mask, up to Keras 2 in all."""
        given, axis = self.values(args, kwargs), self.setting("axis", int, -1)
        tensor = torch.cat([each.tensor.to(self.dtype) for each in given], axis)
        if all(each.mask is None for each in given):
            return Value(tensor)
        masks = []
        for each in given:
            mask = torch.ones_like(each.tensor, dtype=torch.bool) if each.mask is None else each.mask
            if mask.dim() < each.tensor.dim():
                mask = mask[..., None] if self.version.major < 3 else mask[..., None].expand_as(each.tensor)
            masks.append(mask)
        joined = torch.cat(masks, axis)
        return Value(tensor, joined.all(-1) if self.version.major < 3 else joined.any(-1))


class DotLayer(MergeLayer):
    """``Dot``: the product of two tensors along one axis of each, for each sequence of the batch."""

    settings = frozenset(("axes", "normalize"))

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """The axes of the first without its own, then those of the second."""
        xs = [each.tensor.to(self.dtype) for each in self.values(args, kwargs)]
        axes = self.setting("axes", (int, list), -1)
        listed = axes if isinstance(axes, list) else [axes, axes]
        if len(xs) != 2 or len(listed) != 2 or not all(type(each) is int for each in listed):
            raise self.wrong_call()
        moved = []
        for x, axis in zip(xs, listed, strict=True):
            if self.setting("normalize", bool, False):
                x = x * x.square().sum(axis, keepdim=True).rsqrt().clamp(max=1e12)
            if axis % x.dim() == 0:
                refuse_setting(self.label, "axes", axes)
            moved.append(x.movedim(axis, -1))
        first, second = moved
        product = torch.matmul(first.flatten(1, -2) if first.dim() > 2 else first[:, None],
                               (second.flatten(1, -2) if second.dim() > 2 else second[:, None]).transpose(1, 2))  # fmt: skip
        shape = (*first.shape[1:-1], *second.shape[1:-1]) or (1,)
        return Value(product.reshape(len(first), *shape))


class AttentionLayer(KerasLayer):
    """``Attention`` (Luong) and ``AdditiveAttention`` (Bahdanau): called with query, value and maybe key."""

    settings = frozenset(("use_scale", "score_mode", "dropout", "causal"))
    arguments = frozenset(("mask", "use_causal_mask", "return_attention_scores"))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read how scores are made."""
        super().__init__(entry, builder)
        self.additive = entry.type == "AdditiveAttention"
        self.require("score_mode", "dot", "concat")
        self.concat = self.config.get("score_mode") == "concat"
        scale = ("scale",) if self.setting("use_scale", bool, self.additive) else ()
        self.own = (*scale, *(("concat_score_weight",) if self.concat else ()))

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """The scales."""
        return {"": Holder(**{name: parameter(variables[name], self.dtype) for name in self.own})}

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """(B, T, D), with the query's mask; with ``return_attention_scores`` also the weights (B, T, S)."""
        if len(args) != 1 or not isinstance(args[0], list) or len(args[0]) not in (2, 3):
            raise self.wrong_call()
        given: list[Value] = args[0]
        query, value, key = (
            each.tensor.to(self.dtype) for each in (given[0], given[1], given[-1 if len(given) > 2 else 1])
        )
        masks = [each.mask for each in given]
        if isinstance(named := kwargs.get("mask"), list):
            masks = [each.tensor if isinstance(each, Value) else None for each in named] + [None] * len(given)
        scores = self.scores(self.part(net), query, key)
        allowed = None if masks[1] is None else masks[1][:, None]
        if kwargs.get("use_causal_mask") or self.config.get("causal"):
            below = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            allowed = below if allowed is None else allowed & below
        if allowed is not None:
            scores = torch.where(allowed, scores, scores - 1e9)
        weights = scores.softmax(-1)
        output = weights @ value
        if masks[0] is not None:
            output = torch.where(masks[0][..., None], output, torch.zeros_like(output))
        result = Value(output, masks[0])
        return [result, Value(weights)] if kwargs.get("return_attention_scores") else result

    def scores(self, part: Any, query: Tensor, key: Tensor) -> Tensor:
        """(B, T, S)."""
        scale = part.scale if "scale" in self.own else None
        if self.additive:
            sums = (query[:, :, None] + key[:, None]).tanh()
            return (sums if scale is None else sums * scale).sum(-1)
        if self.concat:
            sums = query[:, :, None] + key[:, None]
            return part.concat_score_weight * (sums if scale is None else sums * scale).tanh().sum(-1)
        scores = query @ key.transpose(1, 2)
        return scores if scale is None else scores * scale


INPUTS = ("query", "value", "key")
MASKS = ("query_mask", "value_mask", "key_mask")


class MultiHeadAttentionLayer(KerasLayer):
    """``MultiHeadAttention`` over sequences (B, T, D)."""

    settings = frozenset(("num_heads", "key_dim", "value_dim", "dropout", "use_bias", "output_shape", "attention_axes",
                          "query_shape", "key_shape", "value_shape"))  # fmt: skip
    arguments = frozenset((*INPUTS, *MASKS, "attention_mask", "use_causal_mask", "return_attention_scores"))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the sizes of the heads."""
        super().__init__(entry, builder)
        self.require("attention_axes", None, [1])
        shape = self.config.get("output_shape")
        if not (shape is None or isinstance(shape, int) or (isinstance(shape, list) and len(shape) == 1)):
            refuse_setting(self.label, "output_shape", shape)
        self.key_dim = self.count("key_dim")
        for place in ("query_dense", "key_dense", "value_dense", "output_dense"):
            self.children[place] = _Projection(
                LayerEntry(place, f"{self.label}.{place.removesuffix('_dense')}", "EinsumDense",
                           {"use_bias": self.setting("use_bias", bool, True), "dtype": self.config.get("dtype")}),
                builder,
            )  # fmt: skip

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """(B, T, D), with the query's mask; with ``return_attention_scores`` also the weights (B, heads, T, S)."""
        given = dict(zip(INPUTS, args, strict=False)) | {name: kwargs[name] for name in INPUTS if name in kwargs}
        query, value = given.get("query"), given.get("value")
        key = given.get("key")
        if not isinstance(query, Value) or not isinstance(value, Value) or not isinstance(key, Value | None):
            raise self.wrong_call()
        known = {"query_mask": query.mask, "value_mask": value.mask, "key_mask": None if key is None else key.mask}
        for name in MASKS[1:] if self.version.major >= 3 else MASKS:
            if isinstance(each := kwargs.get(name), Value):
                known[name] = each.tensor
        allowed = self._allowed(query, value, known, kwargs)
        key = value if key is None else key
        projected = [
            self.children[f"{name}_dense"].apply(net, each.tensor.to(self.dtype)).movedim(2, 1)
            for name, each in zip(INPUTS, (query, value, key), strict=True)
        ]
        if self.version.major >= 3:  # Keras takes the masks away from the tensors themselves
            query.mask = value.mask = key.mask = None
        queries, values, keys = projected
        heads, weights = self._attend(queries, values, keys, allowed, bool(kwargs.get("return_attention_scores")))
        output = Value(self.children["output_dense"].apply(net, heads.movedim(1, 2)), known["query_mask"])
        return output if weights is None else [output, Value(weights)]

    def _allowed(
        self, query: Value, value: Value, known: Mapping[str, Tensor | None], kwargs: Mapping[str, Any]
    ) -> Tensor | None:
        """Return which query may attend to which key, (B, T, S) or broadcast to it; None where each may to all."""
        found = [] if known["query_mask"] is None else [known["query_mask"][..., None]]
        found += [known[name][:, None] for name in ("value_mask", "key_mask") if known[name] is not None]  # type: ignore[index]
        if kwargs.get("use_causal_mask"):
            sides = query.tensor.shape[1], value.tensor.shape[1]
            found.append(torch.ones(1, *sides, dtype=torch.bool, device=query.tensor.device).tril())
        if isinstance(own := kwargs.get("attention_mask"), Value):
            found.append(own.tensor.bool())
        return reduce(torch.logical_and, found) if found else None

    def _attend(
        self, query: Tensor, value: Tensor, key: Tensor, allowed: Tensor | None, listed: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The heads' outputs (B, heads, T, U), and the weights where they are ``listed``."""
        if allowed is not None and allowed.dim() == 3:
            allowed = allowed[:, None]
        scores = query @ key.transpose(-1, -2) / math.sqrt(self.key_dim)
        if allowed is None:
            weights = scores.softmax(-1)
        elif listed or self.config.get("dropout"):
            weights = torch.where(allowed, scores, scores.new_tensor(-1e9)).softmax(-1)
            if self.version.major >= 3:
                weights = torch.where(allowed, weights, torch.zeros_like(weights))
        else:  # as torch's attention takes it: a query that may attend to nothing attends to all keys alike
            hidden = scores.new_tensor(torch.finfo(scores.dtype).min * 0.7)
            weights = torch.where(allowed, scores, hidden).softmax(-1)
        return weights @ value, weights if listed else None


class _Projection(KerasLayer):
    """One of the matrices of ``MultiHeadAttention``: (D, heads, U), or (heads, U, D) for the output."""

    settings = frozenset(("use_bias",))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read whether there is a bias."""
        super().__init__(entry, builder)
        self.own = ("kernel", "bias") if self.config["use_bias"] else ("kernel",)

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """The matrix and the bias."""
        return {"": Holder(**{name: parameter(variables[name], self.dtype) for name in self.own})}

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, heads, U), or back."""
        part = self.part(net)
        axes = 2 if self.entry.name == "output_dense" else 1
        y = torch.tensordot(x, part.kernel, axes)
        return y + part.bias if "bias" in self.own else y


MERGE_LAYERS: dict[str, type[KerasLayer]] = {
    **dict.fromkeys(MERGES, MergeLayer),
    "Concatenate": ConcatenateLayer,
    "Dot": DotLayer,
    "Attention": AttentionLayer,
    "AdditiveAttention": AttentionLayer,
    "MultiHeadAttention": MultiHeadAttentionLayer,
}
"""By the names of their classes."""

"""The table of torch's operators (aten) that can be run, and the bounds on what each may put out.

    run_operator("decoder", "linear", None, (x, weight, bias), {})

Only names in this table are looked up in ``torch.ops.aten``. Operators that draw random numbers are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from models.checkpoints.graphs.graph_module import MAX_ELEMENTS, refuse
from models.checkpoints.parsing.errors import CheckpointError


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTWISE = _names("""
    abs acos acosh asin asinh atan atanh atan2 ceil cos cosh elu celu selu erf erfc exp exp2 expm1 floor frac gelu glu
    hardshrink hardsigmoid hardswish hardtanh isfinite isinf isnan leaky_relu log log10 log1p log2 log_sigmoid
    logical_not logit mish nan_to_num neg negative reciprocal relu relu6 round rsqrt selu sigmoid sign sgn silu sin sinh
    softplus softshrink sqrt square tan tanh threshold trunc bitwise_not positive
""")
"""Of one tensor, with an output of its shape."""

BROADCAST = _names("""
    add sub subtract rsub mul multiply div divide true_divide floor_divide remainder fmod pow maximum minimum fmax fmin
    eq ne lt le gt ge greater less logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor where masked_fill
    lerp addcmul addcdiv clamp clamp_min clamp_max clip prelu __and__ __or__ __xor__ cosine_similarity mse_loss hypot
    expand_as xlogy
""")
"""Of several tensors that are broadcast to one shape."""

REDUCTIONS = _names("""
    sum mean amax amin prod var std argmax argmin any all logsumexp max min norm linalg_vector_norm var_mean std_mean
    cumsum cumprod cummax cummin softmax log_softmax _softmax _log_softmax topk sort argsort logcumsumexp median
    frobenius_norm count_nonzero aminmax dot
""")
"""Along one or more axes."""

NETWORK = _names("""
    batch_norm _native_batch_norm_legit_no_training native_layer_norm layer_norm group_norm native_group_norm instance_norm
    rms_norm _fused_rms_norm max_pool1d max_pool2d avg_pool1d avg_pool2d max_pool1d_with_indices max_pool2d_with_indices
    dropout dropout_ alpha_dropout feature_dropout feature_alpha_dropout native_dropout rrelu _weight_norm
    _weight_norm_interface scaled_dot_product_attention adaptive_avg_pool1d adaptive_max_pool1d adaptive_avg_pool2d
    adaptive_max_pool2d channel_shuffle _pack_padded_sequence _pad_packed_sequence
""")

SHAPES = _names("""
    view reshape _unsafe_view flatten unflatten transpose t permute movedim moveaxis swapaxes squeeze unsqueeze view_as
    reshape_as cat concat stack hstack vstack split split_with_sizes chunk tensor_split unbind select slice narrow flip roll
    tril triu diagonal unfold select_scatter slice_scatter scatter scatter_add copy clone contiguous detach alias to
    _to_copy type_as lift_fresh_copy lift_fresh masked_select numpy_T mT
    unsafe_chunk unsafe_split unsafe_split_with_sizes
    fill zeros_like ones_like full_like empty_like scalar_tensor cpu _shape_as_tensor rot90 index_copy index_add
    index_put masked_scatter atleast_1d atleast_2d ravel zero reshape_as
""")
"""Operators whose outputs have at most as many values as their inputs together."""

PRODUCTS = _names("""
    mm bmm matmul addmm baddbmm addmv mv linear bilinear outer tensordot einsum inner embedding index index_select gather
""")
"""Operators whose outputs may have as many values as the product of their inputs' numbers of values."""

Bound = Callable[[Sequence[Any], Mapping[str, Any]], int]


def _argument(args: Sequence[Any], named: Mapping[str, Any], place: int, name: str, default: Any = None) -> Any:
    value = named.get(name, args[place] if place < len(args) else None)
    return default if value is None else value


def _ints(value: Any) -> list[int]:
    return [int(each) for each in value] if isinstance(value, list | tuple) else [int(value)]


def _size(value: Any) -> int:
    return math.prod(max(0, each) for each in _ints(value))


def _created(place: int) -> Bound:
    return lambda args, named: _size(_argument(args, named, place, "size"))


def _range(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    given = [
        each.item() if isinstance(each, Tensor) and each.dim() == 0 else each for each in args
    ]  # as traces have it
    numbers = [each for each in given if isinstance(each, int | float) and not isinstance(each, bool)]
    start, end = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = abs(_argument(numbers, named, 2, "step", 1)) or 1
    return math.ceil(abs(end - start) / step)


def _repeated(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    return args[0].numel() * _size(_argument(args, named, 1, "repeats", _argument(args, named, 1, "dims", 1)))


def _interleaved(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    repeats = _argument(args, named, 1, "repeats", args[0])
    if isinstance(repeats, Tensor):
        return args[0].numel() * int(repeats.clamp_min(0).max()) if repeats.numel() else 0
    return args[0].numel() * int(repeats)


def _padded(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    shape, pads = list(args[0].shape), _ints(_argument(args, named, 1, "pad", _argument(args, named, 1, "padding")))
    for axis in range(len(pads) // 2):
        shape[-1 - axis] += sum(pads[2 * axis : 2 * axis + 2])
    return _size(shape)


def _one_hot(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    classes = int(_argument(args, named, 1, "num_classes", -1))
    highest = int(args[0].max()) + 1 if args[0].numel() else 0
    return args[0].numel() * max(classes, highest)


def _expanded(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    sizes, shape = _ints(_argument(args, named, 1, "size")), list(args[0].shape)
    own = [1] * (len(sizes) - len(shape)) + shape
    return _size([kept if size == -1 else size for size, kept in zip(sizes, own, strict=True)])


def _convolved(order: tuple[str, ...], transposed: bool | None) -> Bound:
    """Return the bound of a convolution with these settings from its fourth argument on."""

    def bound(args: Sequence[Any], named: Mapping[str, Any]) -> int:
        x, weight = args[0], _argument(args, named, 1, "weight")
        settings = {name: _argument(args, named, 3 + place, name) for place, name in enumerate(order)}
        axes = weight.dim() - 2

        def each(name: str, default: int) -> list[int]:
            value = settings.get(name)
            found = [default] if value is None or isinstance(value, str) or value == [] else _ints(value)
            return found * axes if len(found) == 1 else found

        turned = settings.get("transposed") if transposed is None else transposed
        outputs = weight.shape[1] * int(settings.get("groups") or 1) if turned else weight.shape[0]
        length = 1
        for side, kernel, stride, pad, step, extra in zip(
            x.shape[-axes:] if axes else (), weight.shape[2:], each("stride", 1), each("padding", 0),
            each("dilation", 1), each("output_padding", 0), strict=True,
        ):  # fmt: skip
            length *= side * stride + kernel * step + extra if turned else side + 2 * pad
        return (x.shape[0] if x.dim() > axes + 1 else 1) * outputs * max(0, length)

    return bound


def _pooled(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    sizes = _ints(_argument(args, named, 1, "output_size"))
    return _size([*args[0].shape[: -len(sizes)], *sizes])


def _unpacked(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    data, steps = args[0], args[1]
    longest = max(len(steps), int(_argument(args, named, 4, "total_length", 0)))
    return longest * (int(steps[0]) if len(steps) else 0) * max(1, _size(list(data.shape[1:])))


def _gathered(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    """Return the size of ``tensor[indices]``, or of rows that ids look up."""
    tensor, found = args[0], _argument(args, named, 1, "indices")
    indices = [each for each in (found if isinstance(found, list | tuple) else [found]) if isinstance(each, Tensor)]
    if any(each.dtype in (torch.bool, torch.uint8) for each in indices):
        return tensor.numel()
    count = _size(list(torch.broadcast_shapes(*(each.shape for each in indices)))) if indices else 1
    places = [place for place, each in enumerate(found) if each is not None] if isinstance(found, list | tuple) else [0]
    rest = [side for place, side in enumerate(tensor.shape) if place not in places]
    return count * _size(rest)


def _matrix_product(args: Sequence[Any], named: Mapping[str, Any]) -> int:
    a, b = args[0], args[1]
    if min(a.dim(), b.dim()) < 2:
        return max(a.numel(), b.numel())
    return _size([*torch.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]])


def _einstein_sum(equation: str, tensors: Sequence[Tensor]) -> int:
    left, arrow, right = equation.replace(" ", "").partition("->")
    if "." in equation or not arrow:
        return math.prod(each.numel() for each in tensors)
    sizes = {
        letter: side
        for letters, each in zip(left.split(","), tensors, strict=True)
        for letter, side in zip(letters, each.shape, strict=True)
    }
    return _size([sizes[letter] for letter in right])


BOUNDS: dict[str, Bound] = {
    "zeros": _created(0), "ones": _created(0), "full": _created(0), "empty": _created(0),
    "new_zeros": _created(1), "new_ones": _created(1), "new_full": _created(1), "new_empty": _created(1),
    "arange": _range,
    "linspace": lambda args, named: int(_argument(args, named, 2, "steps", 0)),
    "eye": lambda args, named: _size([each for each in args[:2] if isinstance(each, int)]) ** (1 if len(args) > 1 else 2),
    "repeat": _repeated, "tile": _repeated, "repeat_interleave": _interleaved, "expand": _expanded, "one_hot": _one_hot,
    "pad": _padded, "constant_pad_nd": _padded, "reflection_pad1d": _padded, "replication_pad1d": _padded,
    "adaptive_avg_pool1d": _pooled, "adaptive_max_pool1d": _pooled, "adaptive_avg_pool2d": _pooled,
    "adaptive_max_pool2d": _pooled, "_pad_packed_sequence": _unpacked,
    "conv1d": _convolved(("stride", "padding", "dilation", "groups"), False),
    "conv2d": _convolved(("stride", "padding", "dilation", "groups"), False),
    "conv_transpose1d": _convolved(("stride", "padding", "output_padding", "groups", "dilation"), True),
    "convolution": _convolved(
        ("stride", "padding", "dilation", "transposed", "output_padding", "groups"), None
    ),
    "_convolution": _convolved(
        ("stride", "padding", "dilation", "transposed", "output_padding", "groups"), None
    ),
    "index": _gathered, "embedding": _gathered,
    "mm": _matrix_product, "bmm": _matrix_product, "matmul": _matrix_product,
    "linear": lambda args, named: (
        args[0].numel() // max(1, args[0].shape[-1]) * _argument(args, named, 1, "weight").shape[0]
    ),
    "addmm": lambda args, named: _size([*args[1].shape[:1], *args[2].shape[1:]]),
    "baddbmm": lambda args, named: _size([*args[1].shape[:2], *args[2].shape[2:]]),
    "mv": lambda args, named: args[0].shape[0], "addmv": lambda args, named: args[1].shape[0],
    "bilinear": lambda args, named: args[0].numel() // max(1, args[0].shape[-1]) * args[2].shape[0],
    "index_select": lambda args, named: (
        args[0].numel() // max(1, args[0].shape[args[1]]) * _argument(args, named, 2, "index").numel()
    ),
    "einsum": lambda args, named: _einstein_sum(*args[:2]),
    "gather": lambda args, named: _argument(args, named, 2, "index").numel(),
    "_native_multi_head_attention": lambda args, named: args[0].numel() + args[4] * _size(
        [args[0].shape[0], args[0].shape[1], args[1].shape[1]]
    ),
}  # fmt: skip
"""How many values an operator's output has at most, where that depends on more than the number of its inputs' values."""

ALLOWED = ELEMENTWISE | BROADCAST | REDUCTIONS | NETWORK | SHAPES | PRODUCTS | frozenset(BOUNDS)
IN_PLACE = frozenset(f"{name}_" for name in ELEMENTWISE | BROADCAST | {
    "fill", "zero", "copy", "index_put", "scatter", "scatter_add", "masked_scatter", "index_copy", "index_add", "squeeze",
    "unsqueeze", "transpose", "t", "detach", "contiguous", "tril", "triu", "dropout", "alpha_dropout", "feature_dropout",
    "cumsum",
})  # fmt: skip
"""Operators that change their first input."""

TRAINING = {
    "dropout": 2, "dropout_": 2, "alpha_dropout": 2, "alpha_dropout_": 2, "feature_dropout": 2, "feature_dropout_": 2,
    "feature_alpha_dropout": 2, "native_dropout": 2, "rrelu": 3, "batch_norm": 5,
}  # fmt: skip
"""The place of the argument that is true while a network is trained."""
FROM_NUMBERS = frozenset({"arange", "linspace", "eye", "zeros", "ones", "empty", "full"})
"""Operators without an input tensor."""
UNINITIALIZED = {"empty": "zeros", "new_empty": "new_zeros", "empty_like": "zeros_like"}
"""Operators whose output is not defined before something is written to it."""


def is_allowed(name: str) -> bool:
    """Return whether an operator can be run, whatever its inputs."""
    return (name in ALLOWED or name in IN_PLACE) and hasattr(torch.ops.aten, name)


def run_operator(label: str, name: str, overload: str | None, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """Return what an operator of torch returns.

    Args:
        label: the name of its layer or node for sentences.
        name: such as ``"linear"``.
        overload: such as ``"default"``; None to choose it by the arguments.
        args: its arguments in order.
        named: its arguments by name.

    Raises:
        CheckpointError: it cannot be run, it is run as in training, or its output has too many values.
    """
    if not is_allowed(name) or "out" in named:
        refuse(label, f"aten.{name}")
    if name in TRAINING:
        check_evaluation(label, name, args, named)
    if name in FROM_NUMBERS:  # a trace keeps sizes as tensors without axes
        args = [each.item() if isinstance(each, Tensor) and each.dim() == 0 else each for each in args]
    count = _count(name, args, named)
    if count > MAX_ELEMENTS:
        raise CheckpointError(
            "{layer} has an output of {count} values, but at most {most} are allowed. Use a shorter input.",
            layer=label[:200],
            count=f"{count:,}",
            most=f"{MAX_ELEMENTS:,}",
        )
    packet = getattr(torch.ops.aten, UNINITIALIZED.get(name, name))
    return (packet if overload is None else getattr(packet, overload_name(name, overload)))(*args, **named)


def overload_name(name: str, overload: str) -> str:
    """Return an overload's name; those of uninitialized values are replaced by those of zeros."""
    return "default" if name in UNINITIALIZED else overload


def check_evaluation(label: str, name: str, args: Sequence[Any], named: Mapping[str, Any]) -> None:
    """Raise ``CheckpointError`` for a layer that was saved as it is in training: its output is random, or not its own."""
    flag = _argument(args, named, TRAINING[name], "training", named.get("train", False))
    share = _argument(args, named, 1, "p", 0.5)
    if flag is True and (isinstance(share, Tensor) or share):
        raise CheckpointError(
            "{layer} was saved in training mode, so its output is not determined by its input. Save the network again "
            "after model.eval().",
            layer=label[:200],
        )


def _count(name: str, args: Sequence[Any], named: Mapping[str, Any]) -> int:
    """Return how many values the output has at most, as far as that is not bounded by the number of the inputs' values."""
    base = name.removesuffix("_") if name in IN_PLACE else name
    bound = BOUNDS.get(base)
    if bound is not None:
        return bound(args, named)
    tensors = [each for each in args if isinstance(each, Tensor)]
    if base in BROADCAST and len(tensors) > 1:
        return math.prod(torch.broadcast_shapes(*(each.shape for each in tensors)))
    listed = [each for group in args if isinstance(group, list | tuple) for each in group if isinstance(each, Tensor)]
    if base in PRODUCTS:
        return math.prod(each.numel() for each in tensors + listed)
    return sum(each.numel() for each in listed)  # a list may name one tensor many times

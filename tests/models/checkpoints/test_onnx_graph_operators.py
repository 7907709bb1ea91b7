"""ONNX operators, each alone: every one in the table computes what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.checkpoints import CheckpointError
from models.checkpoints.graphs.onnx_constants import OPERATORS
from models.checkpoints.graphs.onnx_elementwise import BINARY, UNARY, VARIADIC
from models.checkpoints.graphs.onnx_reductions import REDUCTIONS
from tests.support.onnx_models import MICROSOFT, built, compare, model_of

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

made = np.random.default_rng(0)


def f(*shape):
    return made.normal(0, 1, shape).astype(np.float32)


def ints(*values, dtype=np.int64):
    return np.array(values, dtype=dtype)


def small(low, high, *shape):
    return made.integers(low, high, shape).astype(np.int8)


X, POSITIVE = f(2, 3, 4), np.abs(f(2, 3, 4)) + 0.1
UNIT = np.tanh(X) * 0.9
ON_BOOL = {"And", "Or", "Xor"}
IMAGE, SIGNAL = f(2, 4, 7, 6), f(2, 4, 9)
LEFT, RIGHT = ints(*range(6), dtype=np.uint8).reshape(2, 3), ints(*range(-5, 7), dtype=np.int8).reshape(3, 4)
WEIGHT, NARROW = f(6, 4, 3, 2), f(6, 4, 3)


def unary_input(name):
    if name == "Not":
        return X > 0
    return POSITIVE + 1 if name == "Acosh" else UNIT if name in ("Asin", "Acos", "Atanh") else (
        POSITIVE if name in ("Sqrt", "Log") else X * 3
    )  # fmt: skip


CASES: list[tuple] = [(name, [unary_input(name)], {}) for name in UNARY]
CASES += [(name, [X > 0, f(3, 1) > 0] if name in ON_BOOL else [X.round(), f(4).round()], {}) for name in BINARY]
CASES += [(name, [X, f(3, 1), f(4)], {}) for name in (*VARIADIC, "Mean")]
CASES += [(name, [ints(3, -7, 2), ints(-2, 2, 2)], {}) for name in ("Add", "Mul", "Div", "Sub", "Mod", "Max", "Equal")]
CASES += [
    ("Div", [X, f(4) + 3], {}),
    ("Mod", [X, f(4)], {"fmod": 1}),
    ("Mod", [ints(3, -7, 2, dtype=np.int32), ints(-2, 2, 2, dtype=np.int32)], {"fmod": 1}),
    ("Pow", [POSITIVE, f(4)], {}),
    ("Pow", [X, ints(2)], {}),
    ("Where", [X > 0, X, f(4)], {}),
    ("IsInf", [np.array([1, np.inf, -np.inf], np.float32)], {"detect_negative": 0}),
    ("Clip", [X, np.float32(-0.5), np.float32(0.25)], {}),
    ("Clip", [X, None, np.float32(0.25)], {}),
    ("Clip", [X], {"min": -0.5, "max": 0.5}, 6),
    ("LeakyRelu", [X], {"alpha": 0.2}),
    ("PRelu", [X, f(3, 1)], {}),
    ("ThresholdedRelu", [X], {"alpha": 0.3}),
    ("Elu", [X], {"alpha": 0.7}),
    ("Celu", [X], {"alpha": 0.7}),
    ("Selu", [X], {}),
    ("Selu", [X], {"alpha": 1.2, "gamma": 0.9}),
    ("HardSigmoid", [X], {"alpha": 0.3, "beta": 0.4}),
    ("Shrink", [X], {"bias": 0.1, "lambd": 0.3}),
    ("Gelu", [X], {"approximate": "tanh"}, 20),
    ("Gelu", [X], {}, 20),
    ("Gelu", [X], {}, MICROSOFT),
    ("FastGelu", [X, f(4)], {}, MICROSOFT),
    ("QuickGelu", [X], {"alpha": 1.5}, MICROSOFT),
    ("Dropout", [X], {}),
    ("Cast", [X * 3], {"to": TensorProto.INT64}),
    ("Cast", [ints(0, 1, 300)], {"to": TensorProto.BOOL}),
    ("Cast", [X], {"to": TensorProto.DOUBLE}),
    ("CastLike", [X * 3, ints(1)], {}),
    ("ConstantOfShape", [ints(2, 3)], {"value": numpy_helper.from_array(np.array([7], np.int64))}),
    ("ConstantOfShape", [ints(2, 3)], {}),
    ("Range", [np.float32(1), np.float32(2.2), np.float32(0.3)], {}),
    ("Range", [np.int64(9), np.int64(1), np.int64(-3)], {}),
    ("Range", [np.int64(1), np.int64(1), np.int64(3)], {}),
    ("Shape", [X], {}),
    ("Shape", [X], {"start": -2, "end": 3}),
    ("Size", [X], {}),
    ("Reshape", [X, ints(0, -1, 2)], {}),
    ("Reshape", [f(0, 3), ints(3, 0)], {"allowzero": 1}),
    ("Flatten", [X], {"axis": 2}),
    ("Flatten", [X], {"axis": -1}),
    ("Flatten", [X], {"axis": 0}),
    ("Transpose", [X], {"perm": [2, 0, 1]}),
    ("Transpose", [X], {}),
    ("Squeeze", [f(1, 3, 1), ints(0)], {}),
    ("Squeeze", [f(1, 3, 1)], {}),
    ("Squeeze", [f(1, 3, 1)], {"axes": [2]}, 11),
    ("Unsqueeze", [X, ints(0, -1)], {}),
    ("Unsqueeze", [X], {"axes": [1, 4]}, 11),
    ("Expand", [f(3, 1), ints(2, 1, 4)], {}),
    ("Tile", [f(3, 2), ints(2, 3)], {}),
    ("Concat", [X, f(2, 1, 4)], {"axis": -2}),
    ("Split", [X, ints(1, 2)], {"axis": 1}, 18, 2),
    ("Split", [f(2, 7)], {"axis": -1, "num_outputs": 3}, 18, 3),
    ("Split", [f(2, 6)], {"axis": 1}, 13, 3),
    ("Split", [f(2, 6)], {"axis": 1, "split": [4, 2]}, 11, 2),
    ("Slice", [X, ints(1, -3), ints(9, -1), ints(1, 2), ints(1, 1)], {}),
    ("Slice", [X, ints(-1), ints(-(2**63) + 1), ints(2), ints(-2)], {}),
    ("Slice", [X, ints(3), ints(1)], {}),
    ("Slice", [X, ints(0, 0), ints(1, 2)], {}),
    ("Slice", [X], {"starts": [1], "ends": [3], "axes": [1]}, 9),
    ("Gather", [X, ints(2, 0, -1).reshape(3, 1)], {"axis": 1}),
    ("Gather", [f(5, 3), np.int64(-2)], {}),
    ("GatherElements", [X, ints(*[0, -1, 1, 2] * 2).reshape(2, 1, 4)], {"axis": 1}),
    ("GatherND", [X, ints(1, 2, 0, -1).reshape(2, 2)], {}),
    ("GatherND", [X, ints(1, 0, 2, 3).reshape(2, 1, 2)], {"batch_dims": 1}),
    ("ScatterElements", [X, ints(0, 2, 1, 0).reshape(1, 1, 4), f(1, 1, 4)], {"axis": 1}),
    ("ScatterElements", [X, ints(0, 2, 1, 0).reshape(1, 1, 4), f(1, 1, 4)], {"axis": 1, "reduction": "add"}),
    ("Scatter", [X, ints(0, 2, 1, 0).reshape(1, 1, 4), f(1, 1, 4)], {"axis": 1}, 10),
    ("ScatterND", [X, ints(1, 2, 0, -1).reshape(2, 2), f(2, 4)], {}),
    ("ScatterND", [X, ints(0, 1, 1, 1).reshape(2, 2), f(2, 4)], {"reduction": "max"}),
    ("Pad", [X, ints(1, 0, 2, 0, 3, 1), np.float32(1.5)], {}),
    ("Pad", [X, ints(0, -1, 0, 0, 0, 2)], {}),
    ("Pad", [X, ints(1, 2), np.float32(0), ints(-1)], {}),
    ("Pad", [X, ints(0, 2, 1, 0, 1, 3)], {"mode": "reflect"}),
    ("Pad", [X, ints(0, 2, 1, 0, 1, 3)], {"mode": "edge"}),
    ("Pad", [X, ints(0, 2, 1, 0, 1, 3)], {"mode": "wrap"}, 19),
    ("Pad", [X], {"pads": [0, 1, 0, 0, 0, 2], "value": 2.0}, 10),
    ("ReverseSequence", [f(4, 2, 3), ints(3, 1)], {}),
    ("ReverseSequence", [f(2, 4, 3), ints(3, 1)], {"batch_axis": 0, "time_axis": 1}),
    ("OneHot", [ints(0, 2, -1, 5), np.int64(4), f(2)], {}),
    ("OneHot", [ints(0, 2, 3, 1).reshape(2, 2), ints(4), f(2)], {"axis": 1}),
    ("Trilu", [X, np.int64(1)], {}),
    ("Trilu", [X], {"upper": 0}),
    ("NonZero", [X.round()], {}),
    ("EyeLike", [f(3, 4)], {"k": 1}),
    ("Compress", [X, np.array([True, False, True])], {"axis": 1}),
    ("Compress", [X, np.array([True, False, True])], {}),
    ("TopK", [X.round(), ints(2)], {"axis": 1}, 18, 2),
    ("TopK", [X, ints(3)], {"largest": 0}, 18, 2),
    ("CumSum", [X, np.int64(1)], {}),
    ("CumSum", [X, ints(-1)], {"exclusive": 1, "reverse": 1}),
    ("CumSum", [ints(1, 2, 3), np.int64(0)], {"exclusive": 1}),
    ("Softmax", [X], {}),
    ("Softmax", [X], {"axis": 1}, 11),
    ("Softmax", [X], {}, 11),
    ("LogSoftmax", [X], {"axis": 0}),
    ("Hardmax", [X], {"axis": 1}),
    ("LpNormalization", [X], {"axis": 1, "p": 1}),
    ("LpNormalization", [X], {}),
    ("BatchNormalization", [X, f(3), f(3), f(3), np.abs(f(3))], {"epsilon": 1e-3}),
    ("InstanceNormalization", [X, f(3), f(3)], {"epsilon": 1e-3}),
    ("GroupNormalization", [SIGNAL, f(4), f(4)], {"num_groups": 2}, 21),
    ("GroupNormalization", [SIGNAL, f(2), f(2)], {"num_groups": 2}, 18),
    ("LayerNormalization", [X, f(4), f(4)], {"epsilon": 1e-3}),
    ("LayerNormalization", [X, f(3, 4)], {"axis": 1}),
    ("SkipLayerNormalization", [X, f(2, 3, 4), f(4), f(4), f(4)], {"epsilon": 1e-5}, MICROSOFT),
    ("RMSNormalization", [X, f(4)], {"epsilon": 1e-3}, 23),
    ("MatMul", [X, f(4, 5)], {}),
    ("MatMul", [f(3, 4), f(2, 4, 5)], {}),
    ("MatMul", [X, f(4)], {}),
    ("Gemm", [f(4, 3), f(5, 4), f(5)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", [f(3, 4), f(4, 5)], {}),
    ("Gemm", [f(3, 4), f(4, 5), f(3, 1)], {}),
    ("FusedMatMul", [X, f(2, 5, 4)], {"alpha": 0.5, "transB": 1}, MICROSOFT),
    ("Einsum", [X, f(2, 4, 5)], {"equation": "bij, bjk -> bik"}),
    ("Einsum", [X], {"equation": "bij->j"}),
    ("Conv", [SIGNAL, NARROW, f(6)], {"strides": [2], "pads": [1, 2], "dilations": [2]}),
    ("Conv", [SIGNAL, f(6, 2, 3)], {"group": 2, "auto_pad": "SAME_UPPER", "strides": [2], "kernel_shape": [3]}),
    ("Conv", [IMAGE, WEIGHT, f(6)], {"strides": [2, 1], "pads": [1, 0, 2, 1]}),
    ("Conv", [IMAGE, WEIGHT], {"auto_pad": "SAME_LOWER"}),
    ("Conv", [f(1, 2, 4, 4, 4), f(3, 2, 2, 2, 2)], {}),
    ("ConvTranspose", [SIGNAL, f(4, 3, 3), f(3)], {"strides": [2], "pads": [1, 0], "output_padding": [1]}),
    ("ConvTranspose", [IMAGE, f(4, 3, 3, 2)], {"strides": [2, 2], "group": 2, "dilations": [1, 2]}),
    ("ConvTranspose", [SIGNAL, f(4, 3, 3)], {"strides": [2], "auto_pad": "SAME_UPPER"}),
    ("MaxPool", [SIGNAL], {"kernel_shape": [3], "strides": [2], "pads": [1, 0]}),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]}),
    ("MaxPool", [IMAGE], {"kernel_shape": [2, 2], "dilations": [2, 1]}),
    ("AveragePool", [SIGNAL], {"kernel_shape": [3], "strides": [2], "pads": [1, 2]}),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4, "count_include_pad": 1}),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "auto_pad": "SAME_LOWER"}),
    ("GlobalAveragePool", [IMAGE], {}),
    ("GlobalMaxPool", [IMAGE], {}),
    ("QuantizeLinear", [X, np.float32(0.05), np.uint8(120)], {}),
    ("QuantizeLinear", [X, np.abs(f(3)) + 0.01, ints(1, -2, 3, dtype=np.int8)], {"axis": 1}),
    ("QuantizeLinear", [POSITIVE, np.float32(0.05)], {}),
    ("DequantizeLinear", [ints(3, 200, 7, dtype=np.uint8), np.float32(0.05), np.uint8(120)], {}),
    ("DequantizeLinear", [RIGHT.reshape(4, 3), f(3), ints(1, 2, 3, dtype=np.int8)], {"axis": 1}),
    ("DequantizeLinear", [ints(*range(-6, 6), dtype=np.int8), np.float32(2), np.int8(1)], {}, MICROSOFT),
    ("QuantizeLinear", [X, np.float32(0.05), np.uint8(120)], {}, MICROSOFT),
    ("DynamicQuantizeLinear", [X], {}, 18, 3),
    ("DynamicQuantizeLinear", [POSITIVE], {}, 18, 3),
    ("MatMulInteger", [LEFT, RIGHT, np.uint8(2)], {}),
    (
        "MatMulIntegerToFloat",
        [LEFT, RIGHT, np.float32(0.1), np.abs(f(4)), np.uint8(2), ints(0, 1, 2, 3, dtype=np.int8), f(4)], {}, MICROSOFT,
    ),
    ("DynamicQuantizeMatMul", [f(3, 4), small(-60, 60, 4, 5), np.float32(0.02), np.int8(3), f(5)], {}, MICROSOFT),
    (
        "DynamicQuantizeMatMul",
        [X, small(0, 120, 4, 5).astype(np.uint8), np.abs(f(5)), small(0, 9, 5).astype(np.uint8)], {}, MICROSOFT,
    ),
    (
        "ConvInteger",
        [small(0, 100, 2, 3, 9).astype(np.uint8), small(0, 100, 4, 3, 3).astype(np.uint8), np.uint8(7), np.uint8(9)],
        {"pads": [1, 1]},
    ),
]  # fmt: skip
for name in REDUCTIONS:
    given = POSITIVE if "Log" in name else X
    CASES += [
        (name, [given, ints(1, -1)], {}),
        (name, [given], {"keepdims": 0}),
        (name, [given], {"axes": [0], "keepdims": 0}, 11),
        (name, [given, ints(-2)], {"keepdims": 0}),
    ]
CASES += [("ReduceSum", [X, ints()], {"noop_with_empty_axes": 1}), ("ReduceMax", [ints(3, 1), ints(0)], {})]
for name in ("ArgMax", "ArgMin"):
    CASES += [
        (name, [X.round()], {"axis": 1}),
        (name, [X.round()], {"axis": -1, "keepdims": 0, "select_last_index": 1}),
    ]


def model_of_case(name, inputs, options, place=18, outputs=1, constants=()):
    domain, opset = (place, 18) if isinstance(place, str) else ("", place)
    names = ["" if each is None else f"x{index}" for index, each in enumerate(inputs)]
    made = [f"y{index}" for index in range(outputs)]
    node = helper.make_node(name, names, made, domain=domain, name=f"/{name}", **options)
    arrays = {name: np.asarray(each) for name, each in zip(names, inputs, strict=True) if name}
    feed = {name: each for name, each in arrays.items() if int(name[1:]) not in constants}
    fixed = {name: each for name, each in arrays.items() if name not in feed}
    return model_of([node], feed, made, fixed, opset), feed


def label(case):
    return case[0] if isinstance(case, tuple) else None


@pytest.mark.parametrize("case", CASES, ids=label)
def test_operator(case):
    compare(*model_of_case(*case))


@pytest.mark.parametrize("case", [case for case in CASES if len(case[1]) > 1], ids=label)
def test_operator_on_constants(case):
    """The same with all inputs but the first as constants, which dense layers and embeddings turn into modules."""
    compare(*model_of_case(*case, *(18, 1)[len(case) - 3 :], constants=range(1, 9)))


def test_every_operator_is_tried():
    tried = {(case[3] if len(case) > 3 and isinstance(case[3], str) else "", case[0]) for case in CASES}
    assert set(OPERATORS) - tried <= {("", "Constant")}


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"value_floats": [1.0, 2.5]}, [1.0, 2.5]),
        ({"value_float": 1.5}, 1.5),
        ({"value_ints": [3, 4]}, [3, 4]),
        ({"value_int": 3}, 3),
        ({"value": numpy_helper.from_array(X)}, X),
    ],
)
def test_constants(options, value):
    node = helper.make_node("Constant", [], ["y"], **options)
    got = built(model_of([node], {}, ["y"]))()
    assert np.array_equal(got.detach().numpy(), np.asarray(value))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (("Bernoulli", [X], {}), "/Bernoulli has the type Bernoulli, which cannot be run"),
        (("Gelu", [X], {}, "my.domain"), r"/Gelu has the type my\.domain\.Gelu"),
        (("Cast", [X], {"to": TensorProto.STRING}), "/Cast has to = 8"),
        (("Softmax", [X], {"temperature": 2.0}), "/Softmax has temperature = 2.0"),
        (("MaxPool", [SIGNAL], {"kernel_shape": [2]}, 18, 2), "/MaxPool has output = y1"),
        (("BatchNormalization", [X, f(3), f(3), f(3), f(3)], {"training_mode": 1}), "has training_mode = 1"),
        (("Add", [X, X], {}, 6), "/Add has opset = 6"),
    ],
)
def test_what_cannot_be_run_is_named(case, words):
    data, feed = model_of_case(*case)
    with pytest.raises(CheckpointError, match=words):
        module = built(data)
        module(*(torch.tensor(feed[each.name]) for each in module.inputs))


@pytest.mark.parametrize(
    ("name", "inputs", "options"),
    [
        ("ConstantOfShape", [ints(1 << 20, 1 << 20)], {}),
        ("Expand", [f(1), ints(1 << 20, 1 << 20)], {}),
        ("Tile", [f(2, 2), ints(1 << 20, 1 << 20)], {}),
        ("Range", [np.int64(0), np.int64(1 << 40), np.int64(1)], {}),
        ("Pad", [X, ints(1 << 40, 0, 0, 0, 0, 0)], {}),
        ("OneHot", [ints(0, 2), np.int64(1 << 40), f(2)], {}),
        ("MatMul", [f(20_000, 1), f(1, 20_000)], {}),
        ("Add", [f(20_000, 1), f(1, 20_000)], {}),
        ("Einsum", [f(20_000), f(20_000)], {"equation": "i,j->ij"}),
        ("Conv", [f(1, 1, 3), f(1, 1, 1)], {"pads": [1 << 30, 1 << 30]}),
        ("ConvTranspose", [f(1, 1, 3), f(1, 1, 1)], {"strides": [1 << 30]}),
    ],
)
def test_sizes_are_bounded(name, inputs, options):
    data, feed = model_of_case(name, inputs, options)
    module = built(data)
    with pytest.raises(CheckpointError, match=f"/{name} has an output of"):
        module(*(torch.tensor(feed[each.name]) for each in module.inputs))

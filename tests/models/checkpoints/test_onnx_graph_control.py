"""If, Loop, Scan and functions of an ONNX model: the network built from the graph computes what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import pytest

from models.checkpoints import CheckpointError
from models.checkpoints.graphs import graph_run, onnx_control
from tests.support.onnx_models import built, compare, model_of, run

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


def branch(name, nodes, output):
    """A graph without inputs of its own."""
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)])


def choice(then, otherwise, condition="flag"):
    return helper.make_node(
        "If",
        [condition],
        ["y"],
        name="/if",
        then_branch=branch("then", then, "a"),
        else_branch=branch("else", otherwise, "b"),
    )


@pytest.mark.parametrize("flag", [True, False])
def test_of_two_branches_the_one_taken_runs(flag):
    """The other one could not even be computed from this input."""
    fails = helper.make_node("Reshape", ["x", "shape"], ["b"])
    node = choice([helper.make_node("Tanh", ["x"], ["a"])], [fails if flag else helper.make_node("Relu", ["x"], ["b"])])
    feed = {"x": X, "flag": np.array(flag)}
    compare(model_of([node], feed, ["y"], {"shape": np.array([7])}), feed)


def test_a_branch_that_is_never_taken_need_not_be_known():
    node = choice(
        [helper.make_node("Tanh", ["x"], ["a"])], [helper.make_node("Bernoulli", ["x"], ["b"], name="/other")]
    )
    compare(model_of([node], {"x": X}, ["y"], {"flag": np.array(True)}), {"x": X})
    with pytest.raises(CheckpointError, match="/other has the type Bernoulli"):
        built(model_of([node], {"x": X, "flag": np.array(True)}, ["y"]))


def value(name, kind=TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def counting_loop(most, limit):
    """Add x to a sum, keep each sum, until the sum's maximum passes ``limit``."""
    nodes = [
        helper.make_node("Add", ["sum", "x"], ["next"]),
        helper.make_node("ReduceMax", ["next"], ["highest"], keepdims=0),
        helper.make_node("Less", ["highest", "limit"], ["going_on"]),
        helper.make_node("Identity", ["next"], ["kept"]),
    ]
    body = helper.make_graph(
        nodes, "body", [value("i", TensorProto.INT64, []), value("going", TensorProto.BOOL, []), value("sum")],
        [value("going_on", TensorProto.BOOL, []), value("next"), value("kept")],
    )  # fmt: skip
    node = helper.make_node("Loop", ["most", "", "x"], ["total", "all"], name="/loop", body=body)
    feed = {"x": np.abs(X) + 0.1, "most": np.array(most)}
    return model_of([node], feed, ["total", "all"], {"limit": np.array(limit, np.float32)}), feed


@pytest.mark.parametrize(("most", "limit"), [(4, 1e6), (50, 3.0), (0, 1e6)])
def test_loops(most, limit):
    data, feed = counting_loop(most, limit)
    if most:
        compare(data, feed)
    else:
        with pytest.raises(CheckpointError, match="/loop cannot be computed from these inputs"):
            run(built(data), feed)


def test_loops_are_bounded(monkeypatch):
    data, feed = counting_loop(1 << 40, 1e9)
    monkeypatch.setattr(onnx_control, "MAX_ITERATIONS", 20)
    with pytest.raises(CheckpointError, match="/loop is run too often in a loop"):
        run(built(data), feed)
    monkeypatch.setattr(onnx_control, "MAX_ITERATIONS", 1 << 30)
    monkeypatch.setattr(graph_run, "MAX_STEPS", 50)
    with pytest.raises(CheckpointError, match="is run too often in a loop"):
        run(built(data), feed)


@pytest.mark.parametrize("backwards", [0, 1])
def test_scan(backwards):
    nodes = [
        helper.make_node("Add", ["state", "row"], ["next"]),
        helper.make_node("Mul", ["next", "row"], ["out"]),
    ]
    body = helper.make_graph(
        nodes, "body", [value("state", shape=[2]), value("row", shape=[2])],
        [value("next", shape=[2]), value("out", shape=[2])],
    )  # fmt: skip
    node = helper.make_node(
        "Scan", ["first", "x"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_axes=[1],
        scan_input_directions=[backwards], scan_output_axes=[1], scan_output_directions=[backwards],
    )  # fmt: skip
    feed = {"x": X, "first": X[:, 0].copy()}
    compare(model_of([node], feed, ["last", "all"]), feed)


def test_functions_of_the_model():
    """A function with an attribute, called twice, in a branch too; another one calls it."""
    body = [
        helper.make_node("Elu", ["p"], ["q"]),
        helper.make_node("Add", ["q", "p"], ["r"]),
    ]
    body[0].attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    inner = helper.make_function("own", "Inner", ["p"], ["r"], body, opsets, ["alpha"])
    calls = [
        helper.make_node("Inner", ["p"], ["m"], domain="own", alpha=0.3),
        helper.make_node("Inner", ["m"], ["r"], domain="own"),
    ]
    outer = helper.make_function("own", "Outer", ["p"], ["r"], calls, opsets)
    node = choice(
        [helper.make_node("Outer", ["x"], ["a"], domain="own")],
        [helper.make_node("Inner", ["x"], ["b"], domain="own", alpha=0.5)],
    )
    for flag in (True, False):
        feed = {"x": X, "flag": np.array(flag)}
        compare(model_of([node], feed, ["y"], functions=[inner, outer], domains=["own"]), feed)

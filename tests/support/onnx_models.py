"""Small ONNX models, and their outputs by onnxruntime beside those of the network built from their graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.checkpoints.graphs.onnx_graph import build_graph
from models.checkpoints.parsing.contents import Limits
from models.checkpoints.parsing.onnx_model import parse_model

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
from onnx import helper, numpy_helper  # noqa: E402

MICROSOFT = "com.microsoft"


def model_of(nodes, inputs, outputs, constants=None, opset=18, shapes=None, functions=(), domains=()):
    """The bytes of a model.

    Args:
        nodes: of its graph.
        inputs: arrays by name, for their types; ``shapes`` may state shapes.
        outputs: names.
        constants: arrays by name.
    """
    graph = helper.make_graph(
        nodes,
        "graph",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(each.dtype), (shapes or {}).get(name))
            for name, each in inputs.items()
        ],
        [helper.make_value_info(name, helper.make_tensor_type_proto(0, None)) for name in outputs],
        [numpy_helper.from_array(each, name) for name, each in (constants or {}).items()],
    )
    for each in graph.output:
        each.ClearField("type")
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    imports += [helper.make_opsetid(domain, 1) for domain in domains]
    made = helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions))
    return made.SerializeToString()


def expected(data, feed):
    """onnxruntime's outputs, without its optimizations."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def built(data):
    """The network built from the graph."""
    return build_graph(parse_model(memoryview(data), Limits()))


def run(module, feed):
    """The network's outputs as arrays, for inputs by name."""
    with torch.no_grad():
        outputs = module(*(torch.tensor(feed[each.name]) for each in module.inputs))
    return [each.numpy() for each in (outputs if isinstance(outputs, tuple) else (outputs,))]


def compare(data, feed, tolerance=1e-5):
    """Run both; return the network."""
    module = built(data)
    for want, got in zip(expected(data, feed), run(module, feed), strict=True):
        assert want.shape == got.shape
        if want.dtype != got.dtype:
            assert want.dtype.kind in "iub" and got.dtype.kind in "iub", (want.dtype, got.dtype)
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=tolerance)
    return module

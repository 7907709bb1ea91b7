"""What a file's graph puts out for the whole sequence, or besides its prediction, is in the run by name."""

import numpy as np
import pytest
import torch

from models import load_checkpoint
from models.decoding.run_network import run_network
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork

TEXT = "0.1 0.2; 0.3 0.4; -0.5 1; 0 2"


def test_values_of_the_whole_sequence(tmp_path):
    from tests.support.keras_files import L, keras, outputs, randomized, written

    model = randomized(
        keras.Sequential([keras.Input((None, 2)), L.GRU(4, name="gru"), L.Dense(3, "relu", name="levels")])
    )
    net = written(model, tmp_path / "model.keras").network()
    run = run_network(net, TEXT)
    assert net.left_out == () and run.prediction is None
    (values,) = run.outputs.values()
    np.testing.assert_allclose(values, outputs(model, net.encode(TEXT).numpy())[0], rtol=0, atol=1e-5)
    edited = EditedNetwork(net, read_edits("gru.l0.weight_hh[0,1]=2")).read(TEXT)
    model.get_layer("gru").weights[1].assign(_edited(model.get_layer("gru").weights[1].numpy()))
    (values,) = edited.outputs.values()
    np.testing.assert_allclose(values, outputs(model, net.encode(TEXT).numpy())[0], rtol=0, atol=1e-5)


def _edited(kernel):
    """The recurrent kernel (H, 3 H) of Keras, with the weight from unit 1 to unit 0 set to 2 in each of the gates."""
    kernel = np.array(kernel)
    kernel[1, :: kernel.shape[0]] = 2
    return kernel


def test_several_outputs_of_a_keras_model(tmp_path):
    from tests.support.keras_files import L, keras, outputs, randomized, written

    given = keras.Input((None,))
    inner = L.LSTM(4, return_sequences=True)(L.Embedding(6, 3)(given))
    model = keras.Model(given, [L.Dense(6, "softmax", name="next")(inner), L.Dense(2, name="length")(inner[:, -1])])
    net = written(randomized(model), tmp_path / "model.keras").network()
    run = run_network(net, "3 1 4 1 5")
    first, second = outputs(model, np.array([[3, 1, 4, 1, 5]]))
    np.testing.assert_allclose(run.prediction.probability, first[0], rtol=0, atol=1e-5)
    (values,) = run.outputs.values()
    np.testing.assert_allclose(values, second, rtol=0, atol=1e-5)


def test_final_states_of_an_onnx_layer():
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    helper, rng = onnx.helper, np.random.default_rng(0)
    tensors = {"W": (1, 16, 2), "R": (1, 16, 4), "B": (1, 32)}
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["x", *tensors], ["y", "last", "memory"], hidden_size=4, name="lstm")],
        "g",
        [helper.make_tensor_value_info("x", 1, ["steps", 1, 2])],
        [helper.make_tensor_value_info(name, 1, None) for name in ("last", "memory")],
        [onnx.numpy_helper.from_array(rng.normal(size=s).astype(np.float32), n) for n, s in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8).SerializeToString()
    net = load_checkpoint(model).network()
    run = run_network(net, TEXT)
    expected = runtime.InferenceSession(model).run(None, {"x": net.encode(TEXT).numpy().transpose(1, 0, 2)})
    assert list(run.outputs) == ["last", "memory"]
    for values, own in zip(run.outputs.values(), expected, strict=True):
        np.testing.assert_allclose(values, own, rtol=0, atol=1e-5)


def test_a_network_without_a_graph_has_no_further_outputs():
    from models import load_network

    net = load_network("counter")
    given = net.encode(".ab")
    scores, further = net.run_with_outputs(given)
    assert further == {} and torch.equal(scores, net.module(given))

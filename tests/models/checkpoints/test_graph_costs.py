"""What running the network of a hostile file may cost: time and memory are bounded for every operation and every call."""

import pytest
import torch

from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.graphs import graph_run
from models.checkpoints.graphs.aten_operators import run_operator
from tests.support.mutated_files import exported_network, onnx_network, scripted_network


@pytest.mark.slow
@pytest.mark.parametrize("make", [scripted_network, exported_network, onnx_network])
@pytest.mark.filterwarnings("ignore")
def test_a_call_that_takes_too_long_ends_with_a_sentence(make, monkeypatch):
    graph = load_checkpoint(make()).graph()
    ids = torch.zeros(1, 4, dtype=torch.long)
    assert torch.isfinite(graph(ids)).all()
    monkeypatch.setattr(graph_run, "MAX_SECONDS", -1.0)
    with pytest.raises(CheckpointError, match="was not computed within"):
        graph(ids)


@pytest.mark.parametrize("name", ["cat", "stack"])
def test_a_list_that_names_one_tensor_many_times_is_counted_before_it_is_joined(name):
    large = torch.zeros(1).expand(1 << 22)  # one number in memory
    with pytest.raises(CheckpointError, match="has an output of 134,217,728 values"):
        run_operator("layer", name, None, [[large] * 32, 0], {})
    assert run_operator("layer", name, None, [[torch.ones(2)] * 3, 0], {}).numel() == 6

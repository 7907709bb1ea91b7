"""Traces and runs as arrays and tables of other libraries: the same numbers, with named dimensions."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from models import CaptureWarning, capture, load_network, load_trace, watch
from models.core.messages import Problem
from tests.support.watched_loop import Net, batch_of


def test_a_padded_batch_has_names_lengths_and_nan_past_the_ends():
    torch.manual_seed(0)
    net = nn.LSTM(3, 5, bidirectional=True, batch_first=True, proj_size=2)
    x = torch.randn(2, 4, 3)
    with capture(net) as trace:
        out, _ = net(pack_padded_sequence(x, torch.tensor([4, 2]), batch_first=True))
        out.data.square().sum().backward()
    tree = trace.with_tokens("abcd").to_xarray()
    for name, layer in trace.layers.items():
        found = tree[f"layers/{name}"]
        assert found["forget_gate"].dims == ("batch", "time", "unit")
        assert found["hidden"].dims == found["hidden_grad"].dims == ("batch", "time", "hidden_unit")
        for quantity in ("forget_gate", "hidden", "cell_grad", "hidden_grad"):
            expected = np.array(layer[quantity] if quantity in layer.quantities else getattr(layer, quantity))
            expected[1, 2:] = np.nan
            np.testing.assert_array_equal(found[quantity].values, expected)
        assert found["token"].values.tolist() == list("abcd") and found["length"].values.tolist() == [4, 2]
        assert found.attrs == {"kind": "LSTM", "reverse": int(name.endswith("_reverse"))}
    mean = tree["layers/" + next(iter(trace.layers))]["forget_gate"].mean("unit")
    assert mean.dims == ("batch", "time") and np.isnan(mean.values[1, 2:]).all() and mean.notnull().sum() == 6


def test_attention_without_gradients_and_a_saved_run(tmp_path):
    network = load_network("dates-dot")
    with torch.no_grad(), capture(network.module) as trace:
        network.module(network.encode("August 4, 2024"))
    trace.save(tmp_path / "run.npz")
    for each in (trace, load_trace(tmp_path / "run.npz")):
        tree = each.to_xarray()
        (name,) = each.attention
        found = tree[f"attention/{name}"]["weights"]
        assert found.dims == ("batch", "head", "target", "source")
        np.testing.assert_allclose(found.sum("source").values, 1, rtol=1e-5)
        np.testing.assert_array_equal(found.values, each.attention[name].weights)
        assert all("hidden_grad" not in tree[f"layers/{layer}"] for layer in each.layers)


def test_a_run_is_a_table_of_its_scalars(tmp_path):
    torch.manual_seed(0)
    net = Net("LSTM")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    with watch(net, tmp_path / "run", every=2) as run:
        for update in range(5):
            optimizer.zero_grad()
            loss = net(batch_of(update)).pow(2).mean()
            loss.backward()
            run.step(loss=loss.item())
            optimizer.step()
            losses.append(loss.item())
    from models import open_run

    table = open_run(tmp_path / "run").to_pandas()
    assert table.index.name == "training_step"
    assert table["loss/train"].dropna().index.tolist() == [0, 2, 4]
    assert table["loss/train"].dropna().tolist() == losses[::2]


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.warns(CaptureWarning), capture(nn.RNN(2, 3)) as trace:
        pass
    with pytest.raises(Problem, match=r"needs the package xarray, which is not installed. Run: pip install xarray"):
        trace.to_xarray()

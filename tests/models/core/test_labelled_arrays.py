"""Traces and runs as arrays and tables of other libraries: the same numbers, with named dimensions."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from models import CaptureWarning, capture, load_network, load_trace, open_run, watch
from models.core.messages import Problem
from tests.support.watched_loop import Net, batch_of, state_gradients, train


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
    table = open_run(tmp_path / "run").to_pandas()
    assert table.index.name == "training_step"
    assert table["loss/train"].dropna().index.tolist() == [0, 2, 4]
    assert table["loss/train"].dropna().tolist() == losses[::2]
    labelled = open_run(tmp_path / "run").to_xarray()["scalars"]["value"]
    assert labelled.sel(scalar="loss/train").dropna("training_step").values.tolist() == losses[::2]
    assert labelled.dims == ("training_step", "scalar")


def test_maps_of_a_run_have_the_gradients_of_torch(tmp_path):
    torch.manual_seed(0)
    net, networks = Net("LSTM", packed=[9, 4, 1, 7]), []
    with watch(net, tmp_path / "run", every=3) as run:
        train(
            net, torch.optim.SGD(net.parameters(), lr=0.5), step=lambda loss: run.step(loss=loss.item()),
            seen=lambda update, x: networks.append(copy.deepcopy(net)),
        )  # fmt: skip
    opened = open_run(tmp_path / "run")
    tree, table = opened.to_xarray(), opened.to_pandas("rnn.l0")
    maps = tree["maps/rnn.l0"]
    assert maps["gradient_hidden"].dims == ("training_step", "time")
    for step in (0, 3, 6, 9):
        hidden, cell = state_gradients(networks[step], batch_of(step))
        for name, norms in (("gradient_hidden", *hidden.values()), ("gradient_cell", *cell.values())):
            np.testing.assert_allclose(maps[name].sel(training_step=step).values, norms, rtol=1e-4)
            np.testing.assert_array_equal(table.loc[step][name].to_numpy(), maps[name].sel(training_step=step).values)
    for gate in opened.layers["rnn.l0"].gates:
        for statistic in ("mean", "open", "closed"):
            expected = opened.gate_map("rnn.l0", gate, statistic).values
            np.testing.assert_array_equal(maps[f"{statistic}_{gate}"].values, expected)
    assert table.index.names == ["training_step", "time"] and len(table) == 4 * 9
    with pytest.raises(Problem, match=r"no layer rnn\.l7"):
        opened.to_pandas("rnn.l7")


def test_maps_of_sequences_of_other_lengths_have_no_rows_past_their_ends(tmp_path):
    net = nn.GRU(2, 3, batch_first=True)
    with watch(net, tmp_path / "run", every=1) as run:
        for steps in (5, 2):
            net.zero_grad()
            net(torch.randn(1, steps, 2))[0].sum().backward()
            run.step(loss=0.0)
    opened = open_run(tmp_path / "run")
    found = opened.to_xarray()["maps/l0"]["mean_update_gate"].values
    assert np.isfinite(found[0]).all() and np.isnan(found[1, 2:]).all() and np.isfinite(found[1, :2]).all()
    assert opened.to_pandas("l0").loc[1].index.tolist() == [0, 1] and len(opened.to_pandas("l0")) == 7


def test_a_layer_of_a_trace_is_a_table():
    torch.manual_seed(0)
    net = nn.LSTM(3, 5, batch_first=True, proj_size=2)
    x = torch.randn(2, 4, 3)
    with capture(net) as trace:
        out, _ = net(pack_padded_sequence(x, torch.tensor([4, 2]), batch_first=True))
        out.data.square().sum().backward()
    with torch.no_grad():
        whole, _ = net(x[1:, :2])
    table = trace.with_tokens("abcd").to_pandas("l0")
    assert table.index.names == ["batch", "time", "unit"] and len(table) == (4 + 2) * 5
    assert table.xs(0, level="batch").xs(0, level="unit")["token"].tolist() == list("abcd")
    for step in range(2):
        for unit in range(5):
            row = table.loc[(1, step, unit)]
            assert row["forget_gate"] == trace.layers["l0"].forget_gate[1, step, unit]
            assert (
                np.isnan(row["hidden"])
                if unit >= 2
                else row["hidden"] == pytest.approx(float(whole[0, step, unit]), abs=1e-6)
            )
    assert table["hidden_grad"].notna().sum() == 6 * 2
    with pytest.raises(Problem, match="no layer “l1”"):
        trace.to_pandas("l1")


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.warns(CaptureWarning), capture(nn.RNN(2, 3)) as trace:
        pass
    with pytest.raises(Problem, match=r"needs the package xarray, which is not installed. Run: pip install xarray"):
        trace.to_xarray()

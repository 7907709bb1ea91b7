"""`show` of a run of training: what it contains, its size, and what it refuses."""

import re
from base64 import b64decode
from gzip import decompress

import numpy as np
import pytest
import torch
from torch import nn

from models import Problem, open_run, watch
from models.runs.map_store import MapRow
from models.runs.run_writer import RunWriter
from tests.support.watched_loop import EVERY, UPDATES, Net, train
from viz.i18n import translate, use_language
from viz.payloads.binary_payload import unpack
from viz.payloads.training_payload import MAX_POINTS, curve_points, training_numbers, training_payload
from viz.show import show
from viz.show.training_view import training_view

MAX_BYTES = 3_000_000
CHOSEN = {"layer": None, "step": None, "unit": None, "quantity": None}


@pytest.fixture(scope="module", name="folder")
def watched(tmp_path_factory):
    """Return the folder of a run of two layers."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("runs") / "lstm"
    net = Net("LSTM", num_layers=2)
    with watch(net, folder, every=EVERY, settings={"clipping": "norm", "clip_threshold": 0.02}) as run:
        train(net, torch.optim.SGD(net.parameters(), lr=0.5), step=lambda loss: run.step(loss=loss.item()))
    return folder


@pytest.mark.parametrize("layer", ["rnn.l0", "rnn.l1"])
def test_every_number_is_that_of_the_run(folder, layer):
    run = open_run(folder)
    names = run.scalar_names
    header, arrays = unpack(training_payload("a", training_numbers(run, run.layers[layer], names)))
    steps = header["options"]["training_steps"]
    for name in names:
        curve = header["options"]["curves"][name]
        known, values = run.scalar(name)
        assert [steps[place] for place in curve["at"]] == known.tolist()
        np.testing.assert_array_equal(np.array(curve["values"], np.float64), values)
    maps = {"gradient/hidden": run.gradient_map(layer), "gradient/cell": run.gradient_map(layer, "cell")}
    maps |= {f"saturation/{gate}": run.gate_map(layer, gate) for gate in run.layers[layer].gates}
    assert set(maps) == set(header["options"]["maps"])
    for name, expected in maps.items():
        np.testing.assert_array_equal(arrays[f"map:{name}"], expected.values)
        assert [steps[place] for place in header["options"]["maps"][name]["at"]] == expected.steps.tolist()


def test_a_thinned_curve_has_recorded_values_and_their_bounds():
    values = np.random.default_rng(0).normal(size=5 * MAX_POINTS + 3)
    values[1234] = np.nan
    values[77] = 50.0
    steps = 3 * np.arange(len(values))
    points = curve_points(steps, values)
    at = points.steps // 3
    assert len(at) <= MAX_POINTS + 3 and at[-1] == len(values) - 1 and 1234 in at
    np.testing.assert_array_equal(points.values, values[at])
    for place, (first, end) in enumerate(zip(at, [*at[1:], len(values)], strict=True)):
        block = values[first:end][np.isfinite(values[first:end])]
        if len(block):
            assert (points.low[place], points.high[place]) == (block.min(), block.max())
    assert points.high.max() == 50.0


def test_a_long_run_of_random_numbers_fits(tmp_path):
    random = np.random.default_rng(0)
    gates = ["input_gate", "forget_gate", "candidate", "output_gate"]
    maps = [
        "gradient/hidden",
        "gradient/cell",
        *(f"{part}/{gate}" for gate in gates for part in ("mean", "closed", "open")),
    ]
    layers = {f"rnn.l{k}": {"kind": "LSTM", "inputs": 4, "units": 8, "outputs": 8} for k in range(6)}
    writer = RunWriter(tmp_path / "run", 1, layers, dict.fromkeys(layers, maps), snapshots=0)
    names = ["loss/train", "gradient_norm/total", *(f"update_ratio/weight{k}" for k in range(14))]
    names += [
        f"{part}/rnn.l{k}/{gate}"
        for part in ("spectral_radius", "saturation", "mean")
        for k in range(6)
        for gate in gates
    ]
    for step in range(1500):
        rows = {f"rnn.l{k}": MapRow(step, 250, 1, random.random((len(maps), 250), np.float32)) for k in range(6)}
        writer.write_step(step, {name: float(random.random()) for name in names}, rows)
    writer.close("finished")
    shown = show(tmp_path / "run")
    assert shown.save(tmp_path / "x.html").stat().st_size <= MAX_BYTES
    notes = " ".join(training_view(open_run(tmp_path / "run"), "a", CHOSEN).content().notes)
    assert "of 1,500 recorded values" in notes and "of 1,500 recorded training steps" in notes


def test_a_run_is_shown_however_it_is_given(folder):
    run = open_run(folder)
    last = int(run.gradient_map("rnn.l1").steps[-1])
    for thing in (run, folder, str(folder)):
        shown = show(thing)
        assert shown.step == last and shown.quantity == "forget_gate"
    assert run._repr_html_().startswith("<iframe srcdoc=")
    net = Net("GRU")
    with watch(net, folder.parent / "gru") as watcher:
        train(net, torch.optim.SGD(net.parameters(), lr=0.5), step=lambda loss: watcher.step(loss=loss.item()))
        assert show(watcher).step == UPDATES - 1 and show(watcher).quantity == "update_gate"


def test_steps_are_training_steps(folder):
    shown, seen = show(folder, step=EVERY), []
    assert shown.step == EVERY
    shown.observe(lambda change: seen.append((change["name"], change["old"], change["new"])))
    shown.step = 2 * EVERY
    assert shown.step == 2 * EVERY and seen == [("step", EVERY, 2 * EVERY)]
    for wrong in (1.0, "3", True, -1, 10**6, None):
        with pytest.raises(Problem, match="whole number"):
            shown.step = wrong
    with pytest.raises(Problem, match=f"nearest ones are 0, {EVERY}"):
        shown.step = 1
    assert shown.step == 2 * EVERY


@pytest.mark.parametrize(
    ("thing", "options"),
    [
        *(("run", each) for each in (
            {"lens": "step"}, {"text": "a"}, {"row": 1}, {"unit": 0}, {"layer": "rnn.l9"}, {"quantity": "update_gate"},
            {"step": 1}, {"step": -1}, {"step": 1.0},
        )),
        ("counter", {"lens": "train"}),
        ("empty", {}),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_of_a_run_is_said_in_one_sentence(folder, tmp_path, thing, options):
    with watch(nn.LSTM(2, 3), tmp_path / "empty"):
        pass
    things = {"run": folder, "empty": tmp_path / "empty", "counter": "counter"}
    with pytest.raises(Problem) as raised:
        show(things[thing], **options)
    assert translate(raised.value).endswith(".")
    with use_language("ko"):
        assert re.search("[가-힣]", translate(raised.value))


def test_the_name_of_a_run_is_not_markup(folder):
    hostile = folder.rename(folder.parent / "<b>&\"'")
    try:
        html = show(hostile).html()
    finally:
        hostile.rename(folder)
    assert "<b>" not in html and "<title>&lt;b&gt;" in html
    assert b"<b>" in decompress(b64decode(re.search(r'id="unrolled-numbers">([^<]*)<', html)[1]))

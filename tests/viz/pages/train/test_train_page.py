"""The Train lens without a browser: a run of the command line, its curves, maps and snapshots; the settings of a new run."""

import base64
import json
import shutil
from hashlib import sha256

import numpy as np
import pytest
import torch
from torch import nn

from models import open_run, watch
from models.core.messages import Problem
from models.runs.run_folder import read_description, write_description
from models.runs.run_writer import RECORDING_ENDED
from models.training.presets import PRESETS
from models.training.run_queue import QueueState
from models.training.step_masks import step_masks
from models.training.training_loop import prepare, train
from models.training.training_options import TrainingOptions
from models.training.training_tasks import task_data
from tests.support.lens_page import mounted_components, run, start, text_of, widget_at
from viz.command_line import named_path
from viz.figures.mask_grid import DrawnMask, mask_grid
from viz.pages.panels import PAGE_PANELS
from viz.pages.run_folders import READER
from viz.pages.train.run_names import RUNS
from viz.panel_choice import PANELS
from viz.view_options import format_options, parse_options

SMALL = TrainingOptions(
    task="counting",
    units=6,
    layers=2,
    embedding=0,
    examples=64,
    steps=24,
    sequence_length=20,
    validate_every=12,
    record_every=4,
    snapshots=6,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a short run."""
    folder = tmp_path_factory.mktemp("runs")
    train(SMALL, folder / "counting-a")
    return folder


def plotted(page, name):
    """Return the figure drawn under a key."""
    chart = next(each for each in page.get("plotly_chart") if name in each.proto.id)
    return json.loads(chart.proto.spec)


def test_a_run_of_the_command_line_is_listed_and_drawn(runs):
    page = start("train", opened=runs)
    view = page.session_state["unrolled"].view
    assert view.run == "counting-a" and view.training_step is None
    assert page.selectbox[0].options == ["counting-a"]
    assert {each.name for each in page.session_state[PAGE_PANELS].panels} <= set(PANELS)
    text = text_of(page)
    assert "The same probe sequence at the recorded training steps, one in 4." in text
    recording = open_run(runs / "counting-a")
    steps, losses = recording.scalar("loss/train")
    curve = next(each for each in plotted(page, "live_loss")["data"] if each["name"] == "training")
    assert curve["x"] == steps.tolist() and np.allclose(curve["y"], losses)
    assert not [button.label for button in page.button if button.label in ("Pause", "Stop", "Delete the run")]


@pytest.mark.slow
def test_the_link_names_the_nearest_snapshot_and_other_pages_show_its_network(runs):
    page = start("train", opened=runs, run="counting-a", training_step="9")
    view = page.session_state["unrolled"].view
    assert view.training_step == 8 and page.select_slider[0].value == 8
    step = start("step", opened=runs, run="counting-a", training_step="9")
    view = step.session_state["unrolled"].view
    assert view.net.startswith("counting-a@8~") and view.training_step == 8 and view.run == "counting-a"
    assert not step.warning
    again = start("states", opened=runs, net=view.net)
    assert again.session_state["unrolled"].view.net == view.net
    assert not again.session_state["unrolled"].notices


def test_a_snapshot_that_changed_is_not_shown_without_a_sentence(runs):
    page = start("step", opened=runs, run="counting-a", training_step="8", net="counting-a@8~000000000000")
    assert page.session_state["unrolled"].view.net.startswith("counting-a@8~")
    assert "no longer stored" in page.warning[0].value


@pytest.mark.parametrize("name", ["nothing", "..", "../counting-a", "counting-a\0", "카운트"])
def test_an_unknown_run_is_one_sentence(runs, name):
    page = start("train", opened=runs, run=name)
    assert len(page.warning) == 1 and not page.error
    assert page.session_state["unrolled"].view.run == "counting-a"


def test_a_run_of_another_reader_is_seen_by_its_link_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RUNS", str(tmp_path))
    folder = tmp_path / "counting-lstm-0123456789ab"
    train(SMALL, folder)
    (folder / "reader").write_text("another")
    assert start("train").session_state["unrolled"].view.run is None
    page = start("train", run=folder.name)
    assert page.session_state["unrolled"].view.run == folder.name and not page.warning
    assert "train_delete" not in {each.key for each in page.button}


def test_settings_are_checked_at_once_in_one_sentence():
    page = start("train")
    widget_at(page.number_input, "train_rate").set_value(1e9)
    run(page)
    assert [each.value for each in page.warning] == [
        "The learning rate is 1e+09. Choose one above 0 and at most 100; usual are 0.0001 to 0.1."
    ]
    assert page.button(key="train_start").disabled
    widget_at(page.number_input, "train_rate").set_value(0.01)
    widget_at(page.selectbox, "train_cell").set_value("GRU")
    run(page)
    assert not page.warning and not page.button(key="train_start").disabled
    assert "nn.GRU(16, 32" in "\n".join(each.value for each in page.code)
    look = page.session_state["unrolled"].view.look
    assert parse_options(look) == {"training": '{"cell":"GRU","rate":0.01}'}
    again = start("train", look=look)  # as after a reload
    assert widget_at(again.number_input, "train_rate").value == 0.01 and not again.warning
    assert widget_at(again.selectbox, "train_cell").value == "GRU"


@pytest.mark.parametrize("value", ['{"cell":"MLP"}', '{"rate":NaN}', '{"batch":1e400}', '{"batch":true}', "[1]", "{"])
def test_settings_of_a_link_that_no_control_can_show_are_one_sentence(value):
    page = start("train", look=format_options({"training": value}), panel="-none")
    assert len(page.warning) == 1 and "look" in page.warning[0].value and not page.error
    assert "look" not in page.query_params


def test_own_data_too_long_for_a_link_stay_in_the_session():
    page = start("train", look=format_options({"training": '{"task":"text"}'}), panel="new_run")
    for text, in_link in (("aaa", True), ("short, but; odd\\ " * 12, True), ("long " * 500, False)):
        widget_at(page.text_area, "train_data").set_value(text)
        run(page)
        one_symbol = [each.value for each in page.warning if "only one symbol" in each.value]
        assert bool(one_symbol) == page.button(key="train_start").disabled == (text == "aaa")
        assert widget_at(page.text_area, "train_data").value == text
        settings = parse_options(page.session_state["unrolled"].view.look)["training"]
        assert TrainingOptions.from_json(settings) == TrainingOptions(task="text", data=text if in_link else "")


@pytest.mark.slow
def test_a_snapshot_of_a_module_of_ones_own_opens_as_its_file(tmp_path):
    net = nn.ModuleDict({"rnn": nn.LSTM(3, 4, batch_first=True), "head": nn.Linear(4, 3)})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with watch(net, tmp_path / "own", every=1) as recorder:
        for _ in range(3):
            optimizer.zero_grad()
            loss = net["head"](net["rnn"](torch.ones(2, 5, 3))[0]).square().mean()
            loss.backward()
            recorder.step(loss=loss.item())
            optimizer.step()
    page = start("train", opened=tmp_path)
    assert not page.warning and "The batch of the recorded training steps, one in 1." in text_of(page)
    step = start("step", opened=tmp_path, run="own", training_step="1", panel="-none")
    assert step.session_state["unrolled"].view.net.startswith("1.safetensors~")


@pytest.mark.slow
def test_runs_that_differ_in_the_seed_are_one_line_with_their_range(tmp_path):
    names = ["counting-a,b", "counting-seed1-0123456789ab", "again%2C"]
    options = [SMALL.with_changes(seed=seed) for seed in (0, 1, 1)]
    for name, each in zip(names, options, strict=True):
        train(each, tmp_path / name)
    page = start("train", opened=tmp_path, panel="run_comparison", look=format_options({"runs": RUNS.format(names)}))
    assert not page.warning and "Band: from the lowest to the highest run." in text_of(page)
    table = page.table[0].value.to_string()
    drawn = plotted(page, "live_compared_loss")["data"]
    pairs = [open_run(tmp_path / name).scalar("loss/validation") for name in names]
    values = np.stack([found for _steps, found in pairs[:2]])
    lines = {each["name"]: each["y"] for each in drawn if each.get("showlegend") is not False}
    assert "counting-a,b, 2 seeds" in table and np.allclose(lines["counting-a,b, 2 seeds"], values.mean(0))
    assert np.allclose(lines["again%2C"], pairs[2][1])  # the same seed again is a line of its own
    low, high = (each["y"] for each in drawn if each.get("showlegend") is False and len(each["y"]) == values.shape[1])
    assert np.allclose(low, values.min(0)) and np.allclose(high, values.max(0))
    last = values[:, -1]
    assert f"{last.mean():.4g} ({last.min():.4g} – {last.max():.4g})" in table.replace("\\", "")


def test_runs_are_compared_on_one_axis_with_their_parameters(runs):
    page = start("train", opened=runs, panel="run_comparison", look="runs:counting-a,nothing")
    shown = page.table[0].value
    assert "4(6·3 + 6² + 2·6) + 4(6·6 + 6² + 2·6) = 600" in shown.to_string()
    assert plotted(page, "live_compared_loss")["data"][0]["name"] == "counting-a"


@pytest.fixture
def started(monkeypatch, tmp_path):
    """A list that grows by the settings and the folder of each run that the page starts."""
    monkeypatch.setenv("UNROLLED_RUNS", str(tmp_path))
    found = []

    def submit(options, folder, reader):
        prepare(options, folder)
        found.append((options, folder))

    monkeypatch.setattr("viz.pages.train.start_runs.submit", submit)
    return found


def test_several_cells_and_seeds_are_started_together_and_compared(started):
    settings = {"training": '{"units":6,"forget_bias":1.0}', "sweep": "GRU,LSTM", "seeds": "2"}
    page = start("train", look=format_options(settings), panel="new_run")
    assert not page.warning
    page.button(key="train_start").click()
    run(page)
    sweep = [(options.cell, options.seed, options.forget_bias) for options, _folder in started]
    assert sweep == [("GRU", 0, None), ("GRU", 1, None), ("LSTM", 0, 1.0), ("LSTM", 1, 1.0)]
    view = page.session_state["unrolled"].view
    assert parse_options(view.look)["runs"].split(",") == [folder.name for _options, folder in started]
    assert view.run == started[0][1].name


@pytest.mark.slow
def test_an_experiment_says_what_to_look_for_and_starts_all_its_runs(started):
    page = start("train")
    text = text_of(page)
    for preset in PRESETS:
        assert preset.look_for.sentence[:30] in text.replace("\\", "") and page.button(
            key=f"train_experiment_{preset.name}"
        )
    page.button(key="train_experiment_clipping").click()
    run(page)
    assert [options.clipping for options, _folder in started] == ["off", "norm"]
    view = page.session_state["unrolled"].view
    assert view.run == started[0][1].name and view.look.count("clipping-") == 2


@pytest.mark.slow
def test_masks_are_drawn_as_the_run_used_them(tmp_path):
    options = SMALL.with_changes(time_dropout=0.5, time_mask="variational", steps=4)
    train(options, tmp_path / "runs" / "masked")
    page = start("train", opened=tmp_path / "runs", panel="dropout_masks")
    grids = plotted(page, "live_masks")["data"]
    assert len(grids) == 2
    expected = step_masks(options, task_data(options), 3)  # of the last of four steps, as the slider is at its end
    cells = grids[-1]["z"]
    shape = [int(size) for size in cells["shape"].split(",")]
    drawn = np.frombuffer(base64.b64decode(cells["bdata"]), cells["dtype"]).reshape(shape)
    assert np.array_equal(drawn.T == 1, expected[0].values[:, 0] == 0)
    text = text_of(page)
    assert (
        "batch of training step 3;" in text
        and "Coloured: values that are dropped" in text
        and "zoneout" not in text.lower()
    )
    page = start("train", opened=tmp_path / "runs", panel="dropout_masks", run="masked", training_step="0")
    assert "batch of training step 0;" in text_of(page)


def test_masks_of_several_gates_have_the_gates_names():
    values = np.arange(3 * 4 * 9).reshape(3, 4, 9) % 5
    each = DrawnMask("title", values, gates=("i", "f", "g", "o"))
    assert each.units == 6 and np.array_equal(each.rows()[:, 6:12], values[:, 1, :6])
    figure = mask_grid([each, DrawnMask("other", values[:, :1])])
    assert figure.layout.yaxis2.ticktext == ("i", "f", "g", "o")  # the first mask is the lowest
    assert figure.layout.yaxis2.tickvals == (2.5, 8.5, 14.5, 20.5)
    assert figure.data[1].customdata[7, 0] == "1 · f" and figure.layout.yaxis.title.text == "unit"


def test_the_colour_of_nan_is_named(tmp_path):
    net = nn.LSTM(3, 4, batch_first=True)
    with watch(net, tmp_path / "runs" / "a", every=1) as run:
        for step in range(3):
            net.zero_grad()
            loss = net(torch.randn(2, 5, 3) + (torch.inf if step == 2 else 0))[0].sum()
            loss.backward()
            run.step(loss=loss)
            if step == 1:
                assert "Pink: NaN or infinity." not in text_of(start("train", opened=tmp_path / "runs"))
    assert "Pink: NaN or infinity." in text_of(start("train", opened=tmp_path / "runs"))


def test_what_zero_means_is_said_at_each_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RUNS", str(tmp_path))
    helps = {each.key.partition(":")[0]: each.help for each in start("train").number_input}
    for name in ("examples", "validate_every", "steps", "bptt_length", "embedding", "patience"):
        assert helps[f"train_{name}"].startswith("0: ")
    assert "10,000 sequences" in helps["train_examples"] and helps["train_units"].startswith("PyTorch")


def test_the_upload_box_states_its_own_limit_in_korean(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RUNS", str(tmp_path))
    own = format_options({"training": json.dumps({"task": "text"})})
    styles = [each.proto.body for each in start("train", look=own, lang="ko").get("html")]
    assert sum(".st-key-train_upload_0 " in each and "최대 8 MB" in each for each in styles) == 1


def test_a_text_that_a_link_cannot_carry_is_kept_and_said_to_be_lost_at_a_reload(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RUNS", str(tmp_path))
    own = format_options({"training": json.dumps({"task": "text"})})
    page, lost = start("train", look=own), "neither the link nor a reload of the page brings it back"
    for repeated in (100, 1000):
        box = next(each for each in page.text_area if (each.key or "").startswith("train_data"))
        box.set_value("abc " * repeated)
        assert (lost in text_of(run(page))) == (repeated == 1000)


@pytest.mark.slow
def test_snapshots_of_a_keras_run_open_on_the_other_pages(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    from models.runs.keras_callback import RunCallback

    for cell, title in (("LSTM", "LSTM"), ("SimpleRNN", "RNN")):
        layer = getattr(keras.layers, cell)(32)
        layer.build((None, None, 16))
        own = format_options({"training": json.dumps({"cell": title})})
        assert f"Keras counts {layer.count_params():,}: its {cell} " in text_of(start("train", look=own))
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(4), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    x = np.random.default_rng(0).normal(size=(8, 6, 3))
    model.fit(x, x[:, :1, 0], batch_size=2, verbose=0, callbacks=[RunCallback(tmp_path / "runs" / "k", every=1)])
    page = start("train", opened=tmp_path / "runs")
    assert page.select_slider[0].options[0] == "0" and "Keras passes no states" in text_of(page)
    opened = []
    monkeypatch.setattr("streamlit.switch_page", opened.append)
    page.button(key="train_open_step").click()
    view = run(page).session_state["unrolled"].view
    assert [each.url_path for each in opened] == [""] and view.run == "k" and view.net
    other = start("step", net=view.net, state={"unrolled": page.session_state["unrolled"]})
    assert not other.error and "LSTM" in text_of(other) + str(mounted_components(other))


@pytest.mark.slow
def test_a_run_says_how_many_updates_it_made_and_opens_with_zoneout_as_a_saved_run(tmp_path, monkeypatch):
    train(SMALL.with_changes(zoneout=0.1, record_every=10, validate_every=100), tmp_path / "runs" / "a")
    page = start("train", opened=tmp_path / "runs")
    text = text_of(page)
    assert page.get("progress")[0].proto.text == "Finished at training step 24 · 24 in all"
    assert "MaskedLSTM" not in text
    assert "the gates of this run are not recorded" in text and "Nothing has been recorded yet" not in text
    opened = []
    monkeypatch.setattr("streamlit.switch_page", opened.append)
    page.text_area(key="train_zoneout_text_a").set_value("a").run()
    page.button(key="train_zoneout_step").click()
    assert "two tokens or more" in text_of(run(page)) and not opened
    page.text_area(key="train_zoneout_text_a").set_value(".aab").run()
    page.button(key="train_zoneout_step").click()
    view = run(page).session_state["unrolled"].view
    assert [each.url_path for each in opened] == [""] and view.net.startswith("a-24.npz~") and view.run is None
    other = start("step", net=view.net, layer="rnn.0.l0", state={"unrolled": page.session_state["unrolled"]})
    assert not other.warning and "ZoneoutLSTM" in text_of(other) + str(mounted_components(other))
    page = start("train", opened=tmp_path / "runs")
    page.button(key="train_zoneout_checkpoint").click()
    view = run(page).session_state["unrolled"].view
    assert opened[-1].url_path == "checkpoint" and view.net.startswith("24.safetensors~")
    other = start("step", net=view.net, state={"unrolled": page.session_state["unrolled"]})
    assert "zoneout = 0.1" in text_of(other) and "not this network's own" in text_of(other)


def test_a_full_disk_is_one_sentence_on_the_page(runs, tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "full"
    shutil.copytree(runs / "counting-a", folder)
    write_description(folder, read_description(folder) | {"recording_ended": str(RECORDING_ENDED)})
    assert str(RECORDING_ENDED) in text_of(start("train", opened=folder.parent, panel="-none"))
    failed = QueueState("failed", None, Problem("The run cannot be written: {reason}.", reason="the disk is full"))
    for module in ("shown_run", "run_header"):
        monkeypatch.setattr(f"viz.pages.train.{module}.state", lambda folder: failed)
    page = start("train", opened=folder.parent, panel="-none")
    assert [each.value for each in page.error] == ["The run failed: The run cannot be written: the disk is full."]


def test_a_folder_of_the_command_line_is_created_if_it_ends_with_a_slash(tmp_path):
    assert named_path([]) is None
    assert named_path([f"{tmp_path}/new/runs/"]) == tmp_path / "new" / "runs" and (tmp_path / "new" / "runs").is_dir()
    missing = named_path([f"{tmp_path}/other"])
    page = start("train", opened=missing, panel="-none")
    assert [each.value for each in page.warning] == [
        "The folder other was not found. End its name with a slash to create it."
    ]
    assert not missing.exists()


def test_a_run_that_was_stopped_before_it_began_can_still_be_started(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_RUNS", str(tmp_path))
    folder = tmp_path / "counting-lstm-0123456789ab"
    prepare(SMALL, folder)
    (folder / "reader").write_text(sha256(b"0" * 32).hexdigest())
    page = start("train", state={READER: "0" * 32})
    assert "This run has no training step yet." in text_of(page)
    assert {"train_continue", "train_delete"} <= {each.key for each in page.button}
    page.button(key="train_delete").click()
    run(page)
    assert not folder.exists() and page.session_state["unrolled"].view.run is None

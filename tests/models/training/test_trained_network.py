"""The network of a run opens in the engine of every lens, at any snapshot; a damaged or hostile folder does not."""

import json

import numpy as np
import pytest
import torch

from models import load_checkpoint, load_trace, run_network
from models.core.messages import Problem
from models.edits.edit import Edits
from models.edits.edited_network import run_edited
from models.gradients.losses import Loss, differentiate
from models.runs.run_folder import read_description
from models.runs.snapshots import list_snapshots
from models.training.bundled_tasks import recall_accuracy_by_distance
from models.training.framework_lines import settings_lines
from models.training.sequence_models import build_sequence_model
from models.training.trained_network import CARD, OPTIONS, network_of, probe_of, snapshot_network, training_card
from models.training.training_loop import FEW, train
from models.training.training_options import CHOICES, OWN_DATA, TrainingOptions
from models.training.training_tasks import task_data
from models.training.zoneout_recording import record_zoneout, replace_probe
from tests.models.training.test_training_tasks import SERIES, TEXT

DATA = {"text": TEXT, "series": SERIES}


def trained(task, folder, **changes):
    small = {
        "examples": 12,
        "batch": 4,
        "epochs": 1,
        "units": 5,
        "embedding": 3,
        "sequence_length": 12,
        "record_every": 2,
    }
    options = TrainingOptions(**{"task": task, "data": DATA.get(task, "")} | small | changes)
    train(options, folder)
    return options


@pytest.mark.parametrize("task", CHOICES["task"])
def test_every_lens_can_run_a_trained_network(task, tmp_path):
    options = trained(task, tmp_path, cell={"text": "GRU", "series": "RNN"}.get(task, "LSTM"), layers=2)
    network = network_of(tmp_path)
    text = network.card.default.text
    run = run_network(network, text)
    assert network.card.default.step == len(run.labels) - 1
    assert set(run.trace.layers) == {"rnn.l0", "rnn.l1"} and run.prediction is not None
    loss = Loss("answer") if network.vocabulary else Loss("next", step=1)
    assert np.isfinite(differentiate(network, text, loss).value)
    edited = run_edited(network, text, Edits(()))
    assert np.array_equal(edited.trace.layers["rnn.l1"].hidden, run.trace.layers["rnn.l1"].hidden)
    for each in network.card.examples:
        network.encode(each.text)
    fresh = build_sequence_model(options, task_data(options)).eval()
    first = network_of(tmp_path, 0)
    given = network.encode(text)
    with torch.no_grad():
        assert torch.equal(first(given), fresh(given)) and not torch.equal(first(given), network(given))
    assert first.card.training["steps"] == 0 and network.card.training["steps"] > 0


@pytest.mark.parametrize("task", CHOICES["task"])
def test_the_card_of_few_sequences_is_that_of_all(task):
    options = TrainingOptions(task=task, data=DATA.get(task, ""), examples=40, sequence_length=12)
    few = task_data(options if task in OWN_DATA else options.with_changes(examples=FEW))
    data = task_data(options)
    cards = [training_card(options, each, build_sequence_model(options, each)) for each in (few, data)]
    assert cards[0] == cards[1]


def test_recall_is_measured_by_distance_when_a_run_ends(tmp_path):
    trained("recall", tmp_path, distance=8)
    about = read_description(tmp_path)
    assert about["reason"] == "finished" and about["seconds"] > 0
    module = network_of(tmp_path).module
    expected = recall_accuracy_by_distance(module, (5, 60))
    assert about["accuracy_by_distance"]["5"] == expected[5] and about["accuracy_by_distance"]["60"] == expected[60]


def test_the_nearest_snapshot_is_opened(tmp_path):
    trained("counting", tmp_path, epochs=4)
    assert [network_of(tmp_path, step).card.training["steps"] for step in (0, 3, 10**6)] == [0, 2, 12]


def test_dropout_along_time_opens_as_the_plain_cell(tmp_path):
    trained("counting", tmp_path, time_dropout=0.5)
    network = network_of(tmp_path)
    plain = torch.nn.LSTM(3, 5, batch_first=True)
    plain.load_state_dict(network.module.rnn.state_dict())
    given = network.encode(".aabb")
    with torch.no_grad():
        expected = network.module.head(plain(network.module.embedding(given))[0])
        assert torch.equal(network(given), expected)
    hidden = run_network(network, ".aabb").trace.layers["rnn.l0"].hidden
    assert np.allclose(hidden[0], plain(network.module.embedding(given))[0][0].detach(), atol=1e-6)


def test_a_network_with_zoneout_is_refused_rather_than_opened_as_another_cell(tmp_path):
    trained("counting", tmp_path, zoneout=0.2)
    with pytest.raises(Problem, match="zoneout"):
        network_of(tmp_path)
    with pytest.raises(Problem, match="two tokens"):
        record_zoneout(tmp_path, text="a")
    with pytest.raises(Problem, match="c"):
        record_zoneout(tmp_path, text="abc")


def test_the_file_of_a_snapshot_with_zoneout_names_it_as_not_applied(tmp_path):
    for folder, settings in ((tmp_path / "a", {"zoneout": 0.2, "zoneout_cell": 0.4}), (tmp_path / "b", {})):
        trained("counting", folder, **settings)
        checkpoint = load_checkpoint(list_snapshots(folder)[0])
        named = [f"{name} = {rate} (__metadata__.{name})" for name, rate in settings.items()]
        assert list(checkpoint.unapplied) == named
        assert [name for name in checkpoint.network().left_out if "zoneout" in name] == named


@pytest.mark.filterwarnings("error::models.core.gradient_proof.GradientWarning")
@pytest.mark.parametrize(
    ("cell", "zoneout", "text"),
    [
        ("RNN", (0.3, 0), None),
        ("LSTM", (0.3, 0.6), None),
        ("LSTM", (0.3, 0.6), ".aaabb"),
        ("LSTM", (0.3, 0), None),
        ("LSTM", (0, 0.6), None),
        ("GRU", (0.3, 0), None),
    ],
)
def test_a_sequence_of_a_network_with_zoneout_is_as_torch_computes_its_steps(cell, zoneout, text, tmp_path):
    trained("counting", tmp_path, cell=cell, layers=2, zoneout=float(zoneout[0]), zoneout_cell=float(zoneout[1]))
    record_zoneout(tmp_path, text=text).save(tmp_path / "run.npz")
    saved = load_trace(tmp_path / "run.npz")
    network = snapshot_network(tmp_path)
    network = network if text is None else replace_probe(network, text)
    given, loss = probe_of(network)
    assert saved.tokens == tuple(text or network.labels(network.card.default.text))[:-1] and len(saved.layers) == 2
    x, seen = network.module.embedding(given), []
    for level in range(2):
        step = {"RNN": torch.nn.RNNCell, "LSTM": torch.nn.LSTMCell, "GRU": torch.nn.GRUCell}[cell](x.shape[2], 5)
        weights = {name.removesuffix(f"_l{level}"): each for name, each in network.module.rnn.named_parameters()}
        step.load_state_dict({name: weights[name] for name in step.state_dict()})
        states, rows = [torch.zeros(1, 5)] * (2 if cell == "LSTM" else 1), []
        for t in range(x.shape[1]):
            found = step(x[:, t], tuple(states) if cell == "LSTM" else states[0])
            new = dict(zip(("new_hidden", "new_cell"), found if cell == "LSTM" else (found,), strict=False))
            states = [z * old + (1 - z) * each for z, old, each in zip(zoneout, states, new.values(), strict=False)]
            row = new | dict(zip(("hidden", "cell"), states, strict=False))
            for each in row.values():
                each.retain_grad()
            rows.append(row)
        seen.append(rows)
        x = torch.stack([row["hidden"] for row in rows], 1)
    with torch.no_grad():
        torch.testing.assert_close(x, network.module.rnn(network.module.embedding(given))[0], rtol=0, atol=1e-6)
    loss(network.module.head(x), given).backward()
    for rows, layer in zip(seen, saved.layers.values(), strict=True):
        assert all(formula is not None for formula in layer.cell_equations.formulas.values())
        for name in rows[0]:
            expected = torch.stack([row[name] for row in rows], 1).detach()
            np.testing.assert_allclose(layer[name], expected, rtol=0, atol=1e-6)
            none = torch.zeros(1, 5)  # of the last cell state
            grads = torch.stack([none if row[name].grad is None else row[name].grad for row in rows], 1).numpy()
            np.testing.assert_allclose(
                getattr(layer, f"{name}_grad"), grads, rtol=1e-4, atol=1e-6 * np.abs(grads).max()
            )


def overwrite(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


HOSTILE = {
    "no options": lambda folder: (folder / OPTIONS).unlink(),
    "no card": lambda folder: (folder / CARD).unlink(),
    "a link": lambda folder: [(folder / CARD).unlink(), (folder / CARD).symlink_to("/etc/hostname")],
    "not json": lambda folder: (folder / CARD).write_text("[" * 50_000),
    "another list": lambda folder: (folder / CARD).write_text("[]"),
    "huge": lambda folder: overwrite(folder / OPTIONS, lambda options: options.update(units=4096, layers=8)),
    "huge output": lambda folder: overwrite(folder / CARD, lambda card: card["architecture"].update(outputs=10**9)),
    "other class": lambda folder: overwrite(
        folder / CARD, lambda card: card["architecture"].update({"class": "Popen"})
    ),
    "other sizes": lambda folder: overwrite(folder / OPTIONS, lambda options: options.update(units=7)),
    "no vocabulary": lambda folder: overwrite(folder / CARD, lambda card: card.update(vocabulary=None)),
    "no title": lambda folder: overwrite(folder / CARD, lambda card: card.update(title={})),
    "long title": lambda folder: overwrite(folder / CARD, lambda card: card["title"].update(en="x" * 10**6)),
    "title of numbers": lambda folder: overwrite(folder / CARD, lambda card: card.update(title={"en": 1, "ko": 2})),
    "classes": lambda folder: overwrite(folder / CARD, lambda card: card.update(classes={"en": ["a"], "ko": ["a"]})),
    "unit": lambda folder: overwrite(folder / CARD, lambda card: card["default"].update(unit=-1)),
    "examples": lambda folder: overwrite(folder / CARD, lambda card: card.update(examples=[{"text": [1]}])),
    "predicts": lambda folder: overwrite(folder / CARD, lambda card: card.update(predicts="sequence")),
    "unknown": lambda folder: overwrite(folder / CARD, lambda card: card.update(unknown="?")),
    "numbers": lambda folder: overwrite(folder / CARD, lambda card: card.update(vocabulary=[1, 2, 3])),
    "damaged": lambda folder: [path.write_bytes(b"\xff" * 30) for path in (folder / "snapshots").iterdir()],
    "no snapshots": lambda folder: [path.unlink() for path in (folder / "snapshots").iterdir()],
}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    trained("counting", folder)
    return folder


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_folder_is_refused_in_one_sentence(name, run_folder, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(run_folder, folder)
    HOSTILE[name](folder)
    with pytest.raises(Problem):
        network_of(folder)


OPTIONS_OF_LINES = [
    {},
    {
        "cell": "GRU",
        "layers": 2,
        "depth_dropout": 0.2,
        "time_mask": "fresh",
        "clipping": "value",
        "optimizer": "RMSprop",
    },
    {"cell": "RNN", "embedding": 0, "optimizer": "SGD", "momentum": 0.9, "clipping": "off"},
    {"layers": 2, "time_dropout": 0.3, "input_dropout": 0.1, "depth_dropout": 0.1, "time_mask": "keras", "patience": 3},
    {"task": "series", "data": SERIES, "optimizer": "AdamW", "weight_decay": 0.01, "initialization": "normal"},
    {"forget_bias": 1.0, "initialization": "uniform", "input_dropout": 0.2, "optimizer": "Adagrad"},
    {"tied": True, "embedding": 6, "units": 6},
]


@pytest.mark.parametrize("changes", OPTIONS_OF_LINES, ids=str)
def test_pytorchs_lines_build_the_same_layers(changes):
    options = TrainingOptions(**{"task": "counting", "examples": 4, "units": 6, "embedding": 4} | changes)
    data = task_data(options)
    lines, space = settings_lines(options, data.inputs, data.outputs).pytorch, {"torch": torch, "nn": torch.nn}
    exec("\n".join(line for line in lines if not line.startswith(("loss", "nn.utils", "optimizer.step"))).replace(
        "parameters,", "[*rnn.parameters(), *head.parameters()],"), space)  # fmt: skip
    module = build_sequence_model(options, data)
    assert [each.shape for each in space["rnn"].parameters()] == [each.shape for each in module.rnn.parameters()]
    assert space["head"].weight.shape == module.head.weight.shape
    assert space["rnn"].dropout == (module.rnn.dropout if options.time_mask == "fresh" else 0)
    if options.tied:
        assert space["embedding"].weight is space["head"].weight


@pytest.mark.slow
@pytest.mark.parametrize("changes", OPTIONS_OF_LINES, ids=str)
def test_kerass_lines_build_and_compile_a_network_of_the_same_size(changes, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    options = TrainingOptions(**{"task": "counting", "examples": 4, "units": 6, "embedding": 4} | changes)
    data = task_data(options)
    found = settings_lines(options, data.inputs, data.outputs)
    space = {"keras": keras, "layers": keras.layers, "initializers": keras.initializers}
    exec("\n".join(line for line in found.keras if not line.startswith("model.fit")), space)
    one_hot = options.task == "series" or options.embedding == 0
    space["model"].build((None, 5, data.inputs) if one_hot else (None, 5))
    module = build_sequence_model(options, data)
    ours = sum(each.numel() for each in module.parameters() if each.requires_grad)
    second_biases = options.layers * options.units * {"LSTM": 4, "RNN": 1, "GRU": 0}[options.cell]
    tied = module.head.weight.numel() if options.tied else 0  # Keras has no argument for it: a named difference
    assert space["model"].count_params() == ours - second_biases + tied
    assert ("tied" in found.differences) == options.tied
    assert float(space["model"].optimizer.learning_rate) == pytest.approx(options.rate)

"""The training loop against a hand-written one, resumed runs against uninterrupted ones, and its commands."""

import errno
import os
import sqlite3
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from models import open_run
from models.core.messages import Problem
from models.runs.run_folder import read_description, run_status
from models.runs.run_writer import RECORDING_ENDED, RunWarning, RunWriter
from models.runs.scalar_store import ScalarWriter
from models.runs.snapshots import list_snapshots
from models.training import training_loop
from models.training.early_stopping import EarlyStopping
from models.training.sequence_models import NextTokenModel, build_sequence_model
from models.training.training_checkpoint import own_tensors
from models.training.training_control import read_command, send_command
from models.training.training_loop import batch_loss, resume, step_batch, step_seed, train
from models.training.training_options import CHOICES, TrainingOptions
from models.training.training_tasks import task_data

QUICK = {"task": "counting", "examples": 24, "batch": 8, "units": 6, "embedding": 4, "sequence_length": 12, "epochs": 3}


def quick(**changes):
    return TrainingOptions(**QUICK | {"record_every": 2} | changes)


def until(condition, seconds=60):
    """Wait until a condition is true; return its value."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def weights_of(folder):
    return {
        name: values
        for name, values in load_file(folder / "checkpoint.safetensors").items()
        if name.startswith("module/")
    }


def plain_network(options, data):
    """The network of plain torch modules with the same initial weights."""
    module = build_sequence_model(options, data)
    parts = nn.ModuleDict({"embedding": nn.Embedding(data.inputs, 4), "rnn": nn.LSTM(4, 6, batch_first=True)})
    parts["head"] = nn.Linear(6, data.outputs)
    parts.load_state_dict(module.state_dict())
    return parts


@pytest.mark.parametrize("clipping", CHOICES["clipping"])
def test_training_is_the_loop_that_one_writes_by_hand(tmp_path, clipping):
    options = quick(clipping=clipping, clip_threshold=0.05, optimizer="SGD", momentum=0.9, rate=0.5, weight_decay=0.01)
    data = task_data(options)
    net = plain_network(options, data)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9, weight_decay=0.01)
    result = train(options, tmp_path / "run")
    for step in range(result.step):
        batch = step_batch(options, data, step)
        logits = net["head"](net["rnn"](net["embedding"](batch.inputs))[0])
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten()).backward()
        if clipping == "norm":
            nn.utils.clip_grad_norm_(net.parameters(), 0.05)
        elif clipping == "value":
            nn.utils.clip_grad_value_(net.parameters(), 0.05)
        optimizer.step()
    assert result.reason == "finished" and result.step == 9
    for name, values in weights_of(tmp_path / "run").items():
        assert torch.allclose(values, net.state_dict()[name.removeprefix("module/")], atol=1e-6), name


@settings(max_examples=12)
@given(st.integers(1, 13), st.sampled_from(("RNN", "LSTM", "GRU")), st.integers(1, 2))
def test_truncated_bptt_is_detaching_the_state(length, cell, layers):
    options = quick(bptt_length=length, cell=cell, layers=layers)
    data = task_data(options)
    module = build_sequence_model(options, data)
    batch = step_batch(options, data, 0)
    loss, _ = batch_loss(module, batch, length)
    loss.backward()
    found = {name: values.grad.clone() for name, values in module.named_parameters()}
    module.zero_grad()
    state = None
    for first in range(0, 12, length):
        part = slice(first, first + length)
        out, state = module.rnn(module.embedding(batch.inputs[:, part]), state)
        logits = module.head(out)
        share = logits.shape[1] / 12
        (F.cross_entropy(logits.flatten(0, 1), batch.targets[:, part].flatten()) * share).backward()
        state = tuple(each.detach() for each in state) if cell == "LSTM" else state.detach()
    for name, values in module.named_parameters():
        assert torch.allclose(found[name], values.grad, atol=1e-6), name


VARIANTS = [
    {"optimizer": "Adam"},
    {"optimizer": "SGD", "momentum": 0.9},
    {"optimizer": "RMSprop", "cell": "GRU", "layers": 2, "depth_dropout": 0.3, "time_mask": "fresh"},
    {"optimizer": "Adagrad", "time_dropout": 0.4, "zoneout": 0.1, "patience": 9},
    {"optimizer": "AdamW", "input_dropout": 0.2, "units": 4, "tied": True, "time_mask": "variational"},
]


@pytest.mark.parametrize("further", VARIANTS, ids=lambda each: each["optimizer"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch, further):
    from models import open_run

    options = quick(**further)
    train(options, tmp_path / "whole")
    step = training_loop.TrainingLoop._step

    def interrupted(self, run):
        if self.state.step == 5:  # after the checkpoint of the first epoch's end, step 3
            raise KeyboardInterrupt
        return step(self, run)

    monkeypatch.setattr(training_loop.TrainingLoop, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(options, tmp_path / "parts")
    monkeypatch.undo()
    assert resume(tmp_path / "parts").step == 9
    whole, parts = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert whole.keys() == parts.keys() and all(torch.equal(parts[name], values) for name, values in whole.items())
    first, second = open_run(tmp_path / "whole"), open_run(tmp_path / "parts")
    assert first.scalar_names == second.scalar_names
    for name in ("loss/train", "loss/validation", "accuracy/validation"):
        for one, other in zip(first.scalar(name), second.scalar(name), strict=True):
            assert np.array_equal(one, other), name
    assert first.samples == second.samples


def test_the_same_seed_gives_the_same_weights_and_another_others(tmp_path):
    found = []
    for place, seed in enumerate((1, 1, 2)):
        train(quick(seed=seed, epochs=1, time_dropout=0.3), tmp_path / str(place))
        found.append(weights_of(tmp_path / str(place)))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert not all(torch.equal(found[0][name], found[2][name]) for name in found[0])


def test_a_run_can_be_paused_continued_and_stopped_from_elsewhere(tmp_path):
    folder, results = tmp_path / "run", []
    thread = threading.Thread(target=lambda: results.append(train(quick(epochs=100_000), folder)))
    thread.start()

    def steps():
        try:
            return os.stat(folder / "checkpoint.safetensors").st_mtime_ns
        except OSError:
            return 0

    until(lambda: steps() > 0)
    before = steps()
    until(lambda: steps() > before)  # it trains
    send_command(folder, "pause")
    until(lambda: run_status(folder, read_description(folder)) == "running")
    while (paused := steps()) != (time.sleep(0.5), steps())[1]:
        pass
    send_command(folder, "run")
    until(lambda: steps() > paused)
    send_command(folder, "stop")
    thread.join(60)
    assert results[0].reason == "stopped" and read_description(folder)["status"] == "stopped"
    assert read_description(folder)["reason"] == "stopped"


def test_a_stopped_run_goes_on(tmp_path):
    options = quick()
    training_loop.prepare(options, tmp_path)
    send_command(tmp_path, "stop")
    assert training_loop.start(tmp_path).step == 0 and read_command(tmp_path) == "stop"
    assert resume(tmp_path).step == 9 and read_description(tmp_path)["status"] == "finished"
    with pytest.raises(Problem, match="already contains"):
        train(options, tmp_path)


def test_a_long_pause_becomes_a_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(training_loop, "MAX_PAUSE", 0.05)
    training_loop.prepare(quick(), tmp_path)
    send_command(tmp_path, "pause")
    assert training_loop.start(tmp_path).reason == "stopped" and resume(tmp_path).reason == "finished"


@pytest.mark.parametrize("level", CHOICES["level"])
def test_samples_are_texts_that_continue_the_prompt(tmp_path, level):
    from models import open_run

    text = "one two\nthree four five\nsix seven. " * 40
    train(quick(task="text", data=text, level=level, sequence_length=5, examples=20, epochs=1), tmp_path)
    samples = open_run(tmp_path).samples
    start = text[:5] if level == "characters" else "one two three four five "
    assert [step for step, _ in samples] == [0, 3] and all(sample.startswith(start) for _, sample in samples)
    assert all(len(sample) > len(start) and not set("⏎␣") & set(sample) for _, sample in samples)


def test_the_time_limit_ends_a_run(tmp_path):
    assert train(quick(epochs=100_000, minutes=0.01), tmp_path).reason == "time"


def test_a_run_ends_where_its_loss_is_not_finite(tmp_path):
    from models import open_run

    options = quick(
        optimizer="SGD", rate=100.0, clipping="off", task="series", data="\n".join(str(t % 7) for t in range(300))
    )
    result = train(options.with_changes(cell="RNN", epochs=500, initialization="normal", initial_scale=5.0), tmp_path)
    assert result.reason == "not finite"
    found = open_run(tmp_path).first_nonfinite
    assert found is not None and found[0] <= result.step


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("min_delta", [0.0, 0.25])
def test_early_stopping_stops_where_keras_does(monkeypatch, patience, min_delta):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")

    class Model:
        stop_training = False

    rows = np.random.default_rng(patience).choice([0.5, 0.75, 1.0, 1.25, 2.0, np.nan], (60, 12)).tolist()
    for losses in [*rows, [1.0, 0.75, 0.5, 0.25], [np.nan] * 5]:
        theirs = keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience, min_delta=min_delta, mode="min")
        theirs.set_model(Model())
        theirs.on_train_begin()
        ours, expected, found = EarlyStopping(patience, min_delta), None, None
        for epoch, loss in enumerate(losses):
            theirs.on_epoch_end(epoch, {"val_loss": loss})
            if theirs.model.stop_training and expected is None:
                expected = epoch
            if ours.update(loss) and found is None:
                found = epoch
            if expected is not None:
                break
        assert found == expected, losses


def test_a_run_stops_early(tmp_path):
    result = train(quick(epochs=1000, patience=1, min_delta=1e3), tmp_path)
    assert result.reason == "early stopping" and result.step == 6 and read_description(tmp_path)["status"] == "finished"


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(training_loop, "save_checkpoint", full)
    with pytest.raises(Problem, match=r"the disk is full\. Free space"):
        train(quick(), tmp_path)
    assert read_description(tmp_path)["status"] == "failed"


def test_training_ends_where_its_recording_does(tmp_path, monkeypatch):
    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(RunWriter, "write_scalars", lambda *_: None)
    monkeypatch.setattr(ScalarWriter, "write", full)
    with pytest.warns(RunWarning), pytest.raises(Problem, match=r"written: the disk is full\. Free space"):
        train(quick(), tmp_path)
    assert open_run(tmp_path).status == "failed" and open_run(tmp_path).notes == (str(RECORDING_ENDED),)


def test_the_masks_of_a_step_depend_on_its_seed_alone():
    options = quick(time_dropout=0.5, time_mask="fresh", layers=2, depth_dropout=0.5)
    module = build_sequence_model(options, task_data(options)).train()
    ids, found = torch.zeros(2, 12, dtype=torch.int64), []
    for step in (3, 4, 3):
        torch.manual_seed(step_seed(0, step))
        found.append(module(ids))
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


def test_tied_weights_are_one_tensor_and_stay_one(tmp_path):
    options = quick(tied=True, units=4)
    module = build_sequence_model(options, task_data(options))
    assert module.embedding.weight is module.head.weight
    assert sum(each.numel() for each in module.parameters()) == sum(
        each.numel() for each in own_tensors(module).values()
    )
    train(options, tmp_path)
    snapshot = load_file(list_snapshots(tmp_path)[9])
    assert torch.equal(snapshot["embedding.weight"], snapshot["head.weight"])
    assert not torch.equal(snapshot["head.weight"], load_file(list_snapshots(tmp_path)[0])["head.weight"])


@pytest.mark.parametrize("initialization", CHOICES["initialization"])
def test_initial_weights(initialization):
    options = quick(initialization=initialization, layers=2, units=40, initial_scale=0.3, forget_bias=2.5)
    module = build_sequence_model(options, task_data(options))
    assert isinstance(module, NextTokenModel)
    for level in range(2):
        w, u = (getattr(module.rnn, f"{name}_l{level}").detach() for name in ("weight_ih", "weight_hh"))
        b, d = (getattr(module.rnn, f"{name}_l{level}").detach() for name in ("bias_ih", "bias_hh"))
        assert (b[40:80] == 2.5).all() and (d[40:80] == 0).all()
        others = torch.cat([b[:40], b[80:], d[:40], d[80:]])
        assert (others == 0).all() == (initialization in ("keras", "uniform", "normal"))
        if initialization == "keras":
            assert torch.allclose(u.T @ u, torch.eye(40), atol=1e-5)
            assert w.abs().max() <= (6 / (w.shape[1] + 160)) ** 0.5
        elif initialization == "orthogonal":
            for block in u.split(40):
                assert torch.allclose(block.T @ block, torch.eye(40), atol=1e-5)
        elif initialization == "normal":
            assert abs(float(u.std()) - 0.3) < 0.02
        else:
            bound = 0.3 if initialization == "uniform" else 40**-0.5
            assert 0.9 * bound < u.abs().max() <= bound


def test_keras_starts_the_forget_gate_at_one():
    options = quick(initialization="keras")
    module = build_sequence_model(options, task_data(options))
    assert (module.rnn.bias_ih_l0[6:12] == 1).all()

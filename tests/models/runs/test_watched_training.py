"""The recording beside the training: what is recorded when, and what remains as it is without it."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from models import Problem, load_checkpoint, open_run, watch
from models.capturing.recordable import CaptureWarning
from models.runs.run_writer import RECORDING_ENDED
from models.training.dropout_masks import DropoutRates
from models.training.masked_layers import MaskedLSTM
from tests.support.watched_loop import (
    CLIP,
    EVERY,
    UPDATES,
    Net,
    batch_of,
    close,
    load_snapshot,
    state_gradients,
    train,
)


def test_fixed_probes_leave_training_alone(tmp_path):
    torch.manual_seed(0)
    net = Net("LSTM", num_layers=2, dropout=0.5)
    plain, probe = copy.deepcopy(net), batch_of(99)[:1]
    for each, folder in ((net, "run"), (plain, None)):
        torch.manual_seed(5)
        optimizer = torch.optim.Adam(each.parameters())
        if folder is None:
            train(each, optimizer)
            continue
        with watch(
            each, tmp_path / folder, every=EVERY, probes=[probe], loss=lambda output, given: output.pow(2).mean()
        ) as run:
            train(each, optimizer, step=lambda loss: run.step(loss=loss))
            assert each.training and each.rnn.training
    for name, values in net.state_dict().items():
        assert torch.equal(values, plain.state_dict()[name])
    opened = open_run(tmp_path / "run")
    assert opened.maps_of == "probes"
    first = Net("LSTM", num_layers=2)
    first.load_state_dict(load_snapshot(opened, 3))
    close(opened.gradient_map("rnn.l1").values[1], state_gradients(first, probe)[0]["l1"])


def test_clipping_may_come_before_the_call_and_the_update_too(tmp_path):
    runs = []
    for order in ("after", "before", "updated"):
        torch.manual_seed(0)
        net = Net("GRU")
        optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
        with watch(net, tmp_path / order, every=1, snapshots=100) as run:
            for update in range(4):
                optimizer.zero_grad()
                loss = net(batch_of(update)).pow(2).mean()
                loss.backward()
                if order == "after":
                    run.step(loss=loss)
                clip_grad_norm_(net.parameters(), CLIP)
                if order == "before":
                    run.step(loss=loss)
                optimizer.step()
                if order == "updated":
                    run.step(loss=loss)
        runs.append(open_run(tmp_path / order))
    first, *others = runs
    assert first.scalar("gradient_norm/total_clipped")[1].max() < first.scalar("gradient_norm/total")[1].min()
    for other in others:
        for name, (steps, values) in first.scalars(first.scalar_names).items():
            if name.startswith(("gradient_norm", "update_ratio", "loss", "learning_rate")):
                assert other.scalar(name)[0].tolist() == steps.tolist()
                assert other.scalar(name)[1].tolist() == values.tolist()
        assert list(other.snapshots) == list(first.snapshots) == [0, 1, 2, 3, 4]
        for step in other.snapshots:
            for name, values in load_snapshot(first, step).items():
                assert torch.equal(load_snapshot(other, step)[name], values)


def test_validation_and_further_backward_passes_are_not_recorded(tmp_path):
    net = Net("LSTM")
    x, other = batch_of(0), batch_of(1)
    with watch(net, tmp_path / "run") as run:
        with torch.no_grad():
            net(other)
        net(other)  # without a backward pass
        (net(x).pow(2).mean() / 2).backward()
        net(other).pow(2).mean().backward()
        run.step(loss=1.0, accuracy=0.5, **{"loss/validation": 2.0})
        run.record(**{"loss/validation": torch.tensor(3.0)})
        run.sample("h\x00i")
    opened = open_run(tmp_path / "run")
    close(opened.gradient_map("rnn.l0").values[0], np.array(state_gradients(net, x)[0]["l0"]) / 2)
    assert opened.scalar("accuracy/train")[1].tolist() == [0.5]
    assert [part.tolist() for part in opened.scalar("loss/validation")] == [[0, 1], [2.0, 3.0]]
    assert [step for step, _ in opened.samples] == [1]


def test_a_validation_that_records_gradients_is_not_taken_for_the_step(tmp_path):
    net, x = Net("LSTM"), batch_of(0)
    with watch(net, tmp_path / "run", every=1) as run:
        for count in (20, 3):
            for update in range(count):
                net(batch_of(update + 1))
            net(x).pow(2).mean().backward()
            run.step(loss=1.0)
            net.zero_grad()
    found = open_run(tmp_path / "run").gradient_map("rnn.l0")
    assert found.steps.tolist() == [1]  # of step 0, so many runs without a gradient were not all recorded
    close(found.values[0], state_gradients(net, x)[0]["l0"])


def test_hooks_are_gone_between_recorded_steps_and_afterwards(tmp_path):
    net, seen = Net("LSTM"), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def hooks():
        own = [*net.rnn._forward_hooks, *net.rnn._forward_pre_hooks, *net._forward_pre_hooks]
        return len(own) + sum(len(each._post_accumulate_grad_hooks or ()) for each in net.parameters())

    with watch(net, tmp_path / "run", every=4) as run:
        train(net, optimizer, step=lambda loss: (seen.append(hooks()), run.step(loss=loss)))
    assert [count > 0 for count in seen] == [update % 4 == 0 for update in range(UPDATES)]
    assert hooks() == 0
    assert not _global_optimizer_post_hooks and not _global_optimizer_pre_hooks


@pytest.mark.parametrize("how", ["loss", "weight", "state"])
def test_the_first_nan_is_found(tmp_path, how):
    net = Net("RNN", nonlinearity="relu") if how == "state" else Net("LSTM")
    with watch(net, tmp_path / "run", every=10) as run:
        for update in range(12):
            x = batch_of(update)
            if update == 10 and how == "state":
                x[2, 3, 1] = torch.inf
            if update == 7 and how == "weight":
                net.rnn.weight_hh_l0.data[2, 3] = torch.nan
            loss = net(x).pow(2).mean()
            if update == 7 and how == "loss":
                loss = loss * torch.inf
            net.zero_grad()
            loss.backward()
            run.step(loss=loss.item())
    step, place = open_run(tmp_path / "run").first_nonfinite
    expected = {"loss": (7, "loss", ""), "weight": (7, "weight", "rnn.weight_hh_l0"), "state": (10, "state", "rnn.l0")}
    assert (step, place.kind, place.name) == expected[how]
    if how == "state":
        assert (place.position, place.sequence, place.quantity) == (3, 2, "preactivation")
    assert {"loss": "The loss is", "weight": "rnn.weight_hh_l0", "state": "time step 4"}[how] in str(place)


def test_snapshots_open_as_the_module(tmp_path):
    net = Net("RNN", nonlinearity="relu", num_layers=2)
    net.out.weight.data.mul_(0)
    net.tied = net.out  # the same parameters under two names
    with watch(net, tmp_path / "run", every=1, snapshots=3) as run:
        train(net, torch.optim.SGD(net.parameters(), lr=0.1), step=lambda loss: run.step(loss=loss))
    opened = open_run(tmp_path / "run")
    assert list(opened.snapshots) == [0, 8, 11]
    found = load_checkpoint(opened.snapshots[11]).layers["rnn.l0"]
    assert found.nonlinearity == "relu"
    np.testing.assert_array_equal(found.weight_hh, net.rnn.weight_hh_l0.detach())
    again = copy.deepcopy(net)
    again.load_state_dict(load_snapshot(opened, 11))


def test_scalars_are_logged_elsewhere_too(tmp_path):
    class Writer:
        def __init__(self):
            self.found = {}

        def add_scalar(self, name, value, step):
            self.found[name, step] = value

    class Log:
        def __init__(self):
            self.found = {}

        def log(self, values, step):
            self.found |= {(name, step): value for name, value in values.items()}

    for log in (Writer(), Log()):
        net = Net("GRU")
        with watch(net, tmp_path / type(log).__name__, every=2, log=log) as run:
            train(net, torch.optim.SGD(net.parameters(), lr=0.1), 3, step=lambda loss, run=run: run.step(loss=loss))
        opened = open_run(tmp_path / type(log).__name__)
        every = {
            (name, int(step)): value
            for name, pair in opened.scalars(opened.scalar_names).items()
            for step, value in zip(*pair, strict=True)
        }
        assert log.found == every


def test_modules_without_recorded_layers_still_have_scalars(tmp_path):
    net = nn.Linear(3, 2)
    with watch(net, tmp_path / "run") as run:
        net(torch.ones(1, 3)).sum().backward()
        run.step(loss=1.0)
    opened = open_run(tmp_path / "run")
    assert "gradient_norm/weight" in opened.scalar_names and not opened.layers
    assert "nn.RNN" in opened.notes[0]


def test_wrong_arguments_are_refused(tmp_path):
    net = Net("RNN")
    for options, message in (
        ({"every": 0}, "1 or more"),
        ({"snapshots": -1}, "0 or more"),
        ({"probes": [batch_of(0)]}, "need a loss"),
    ):
        with pytest.raises(Problem, match=message):
            watch(net, tmp_path / "new", **options)
        assert not (tmp_path / "new").exists()
    with watch(net, tmp_path / "run"):
        with pytest.raises(Problem, match="already contains a run"):
            watch(net, tmp_path / "run")
        with pytest.raises(Problem, match="still being written"):
            watch(net, tmp_path / "run", resume_at=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="cannot be written"):
        watch(net, tmp_path / "file" / "run")
    with pytest.raises(Problem, match="is not a run folder"):
        watch(net, tmp_path / "none", resume_at=3)


def test_a_full_disk_ends_the_recording_and_not_the_training(tmp_path, monkeypatch):
    net = Net("RNN")
    with watch(net, tmp_path / "run", every=1) as run:
        run.writer._connection.execute("PRAGMA max_page_count=1")
        with pytest.warns(UserWarning, match="the disk is full"):
            train(net, torch.optim.SGD(net.parameters(), lr=0.1), 60, step=lambda loss: run.step(loss=loss))
        assert run.training_step == 60 and run.writer.failure is not None
    opened = open_run(tmp_path / "run")
    assert opened.scalar("loss/train")[0][0] == 0
    assert opened.status == "finished" and opened.notes == (str(RECORDING_ENDED),)


def test_a_run_resumes_where_it_was_interrupted(tmp_path):
    torch.manual_seed(0)
    start = Net("LSTM")
    whole, parts = copy.deepcopy(start), copy.deepcopy(start)
    with watch(whole, tmp_path / "whole", every=2) as run:
        train(whole, torch.optim.SGD(whole.parameters(), lr=0.1), step=lambda loss: run.step(loss=loss))
    with pytest.raises(RuntimeError), watch(parts, tmp_path / "parts", every=2) as run:
        optimizer = torch.optim.SGD(parts.parameters(), lr=0.1)
        for update in range(8):
            if update == 5:
                saved = copy.deepcopy(parts.state_dict())
            one_update(parts, optimizer, update, run)
        run.sample("late")
        raise RuntimeError
    assert open_run(tmp_path / "parts").status == "failed"
    parts.load_state_dict(saved)
    optimizer = torch.optim.SGD(parts.parameters(), lr=0.1)
    with watch(parts, tmp_path / "parts", every=2, resume_at=5) as run:
        for update in range(5, UPDATES):
            one_update(parts, optimizer, update, run)
    one, other = open_run(tmp_path / "whole"), open_run(tmp_path / "parts")
    assert other.status == "finished" and other.samples == []
    for name, (steps, values) in one.scalars(one.scalar_names).items():
        if not name.startswith("spectral"):  # computed at every tenth recorded step of a part
            assert other.scalar(name)[0].tolist() == steps.tolist()
            assert other.scalar(name)[1].tolist() == values.tolist()
    np.testing.assert_array_equal(one.gradient_map("rnn.l0").values, other.gradient_map("rnn.l0").values)
    assert list(one.snapshots) == [step for step in other.snapshots if step != 5]


@pytest.mark.parametrize("snapshots", [0, 4])
def test_a_run_that_ends_between_recorded_steps_knows_its_updates(tmp_path, snapshots):
    net = Net("GRU")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with watch(net, tmp_path / "run", every=5, snapshots=snapshots) as run:
        for update in range(3):
            one_update(net, optimizer, update, run)
        run.store_weights()
        opened = open_run(tmp_path / "run")
        assert opened.updates == 3 and opened.last_step == 0
        assert list(opened.snapshots) == ([0, 3] if snapshots else [])
        for update in range(3, 9):
            one_update(net, optimizer, update, run)
    assert (opened.updates, opened.last_step) == (9, 5)
    assert list(opened.snapshots)[-1:] == ([9] if snapshots else [])


def test_a_layer_that_probes_do_not_record_is_noted(tmp_path):
    net = MaskedLSTM(2, 3, batch_first=True)
    net.set_rates(DropoutRates(zoneout=0.5))
    probe = torch.ones(1, 4, 2)
    with watch(net, tmp_path / "run", every=1, probes=[probe], loss=lambda output: output[0].sum()) as run:
        net(probe)[0].sum().backward()
        run.step()
    assert open_run(tmp_path / "run").notes[0].startswith("not recorded: the module (MaskedLSTM")


def one_update(net, optimizer, update, run):
    optimizer.zero_grad()
    loss = net(batch_of(update)).pow(2).mean()
    loss.backward()
    run.step(loss=loss)
    clip_grad_norm_(net.parameters(), CLIP)
    optimizer.step()


def test_compiled_calls_are_noted(tmp_path):
    net = Net("LSTM")
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaptureWarning)
        with watch(net, tmp_path / "run") as run:
            torch.func.functional_call(net, dict(net.named_parameters()), (batch_of(0),)).sum().backward()
            run.step(loss=1.0)
    assert open_run(tmp_path / "run").status == "finished"


@pytest.mark.parametrize("scale", [1e25, 1e-25])
def test_norms_whose_squares_leave_the_range_of_float32(tmp_path, scale):
    torch.manual_seed(0)
    double = Net("LSTM")
    single, x = copy.deepcopy(double).float(), batch_of(0)
    with watch(single, tmp_path / "run", every=1) as run:
        loss = single(x.float()).pow(2).mean() * scale
        loss.backward()
        run.step(loss=loss)
    opened = open_run(tmp_path / "run")
    hidden, cell = state_gradients(double, x, reduce=lambda squares: squares.mean() * scale)
    for state, expected in (("hidden", hidden["l0"]), ("cell", cell["l0"])):
        np.testing.assert_allclose(opened.gradient_map("rnn.l0", state).values[0], expected, rtol=1e-4)
    (double(x).pow(2).mean() * scale).backward()
    for name, each in double.named_parameters():
        recorded = opened.scalar(f"gradient_norm/{name}")[1][0]
        assert recorded == pytest.approx(float(torch.linalg.vector_norm(each.grad)), rel=1e-4)
    assert opened.first_nonfinite is None

"""Runs of pages take turns; several readers at once get their own numbers, and what they all ask for is computed once."""

import asyncio
import copy
import threading

import numpy as np
import pytest
import torch
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

from models import load_network
from tests.support.class_client import ClassClient
from viz import page_turns
from viz.page_turns import PageTurns
from viz.pages import cache

LONG = 3600.0
"""Seconds of a share that does not end in a test."""
NET, TEXT, WEIGHT = "counter", "aaabbb", "weight_hh[forget_gate.0,0]"


class Run:
    """A thread that takes a turn and keeps it until ``end`` is set; ``began`` is set while it has one."""

    def __init__(self, turns):
        self.turns, self.began, self.end, self.go, self.passed = turns, *(threading.Event() for _ in range(4))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with self.turns.turn():
            self.began.set()
            self.go.wait()
            self.turns.let_others_go()
            self.passed.set()
            self.end.wait()

    def finish(self):
        self.go.set()
        self.end.set()
        self.thread.join()


def waiting(turns, count):
    """Wait until so many runs wait for a turn."""
    while len(turns._waiting) != count:
        threading.Event().wait(0.001)


def in_line(turns, count):
    """Start runs, one behind the other."""
    runs = []
    for number in range(count):
        runs.append(Run(turns))
        if number < turns.places:
            runs[-1].began.wait()
        else:
            waiting(turns, number - turns.places + 1)
    return runs


def test_so_many_runs_compute_at_a_time_and_the_others_in_their_order():
    turns = PageTurns(2, LONG)
    runs = in_line(turns, 5)
    for number in range(5):
        assert [run.began.is_set() for run in runs[number:]] == [each < 2 for each in range(5 - number)]
        runs[number].finish()
        if number + 2 < 5:
            runs[number + 2].began.wait()


def test_a_run_that_fails_leaves_its_place():
    turns = PageTurns(1, LONG)
    with pytest.raises(ValueError, match="no"), turns.turn():
        raise ValueError("no")
    Run(turns).finish()


def test_a_long_run_that_sends_nothing_does_not_keep_the_others_waiting():
    turns = PageTurns(1, 0.01)
    first, second = Run(turns), Run(turns)
    assert first.began.wait(60) and second.began.wait(60)  # neither has ended
    first.finish()
    second.finish()


def test_a_long_run_goes_behind_the_others_when_it_sends_something():
    turns = PageTurns(1, LONG)
    first, second = in_line(turns, 2)
    turns.share = 0.0  # now its turn has been long enough
    turns.places = 0  # but nobody has a place
    first.go.set()
    waiting(turns, 2)
    assert [thread for thread, _ready in turns._waiting] == [second.thread.ident, first.thread.ident]
    turns.places, turns.share = 1, LONG
    turns._since.clear()
    with turns._lock:
        turns._admit()
    assert second.began.wait(60) and not first.passed.is_set()
    second.finish()
    assert first.passed.wait(60)
    first.finish()


def test_a_short_run_goes_on_though_others_wait():
    turns = PageTurns(1, LONG)
    first, second = in_line(turns, 2)
    first.go.set()
    assert first.passed.wait(60) and not second.began.is_set()
    first.finish()
    second.finish()


def test_runs_of_streamlit_take_turns(monkeypatch):
    held = []
    turns = PageTurns(1, LONG)
    for name in ("_run_script", "_enqueue_forward_msg"):
        monkeypatch.setattr(ScriptRunner, name, getattr(ScriptRunner, name))
    monkeypatch.setattr(page_turns, "TURNS", turns)
    monkeypatch.setattr(page_turns, "_run", lambda runner, data: held.append((runner, data, len(turns._since))))
    page_turns.take_turns()
    ScriptRunner._run_script("runner", "data")
    assert held == [("runner", "data", 1)] and not turns._since


def torch_hidden(value):
    """Return the hidden states (T, H) of torch's own layer with this weight."""
    network = load_network(NET)
    module, found = copy.deepcopy(network.module), []
    layer = next(each for each in module.modules() if isinstance(each, torch.nn.LSTM))
    layer.register_forward_hook(lambda _module, _given, output: found.append(output[0]))
    with torch.no_grad():
        layer.weight_hh_l0[layer.hidden_size, 0] = value  # unit 0 of the second gate
        module(network.encode(TEXT))
    return found[0][0].numpy()


@pytest.mark.slow
def test_readers_who_edit_at_the_same_time_get_their_own_numbers(app):
    async def read(number):
        client = ClassClient(app)
        await client.open(f"net={NET}&text={TEXT}&edits=rnn.l0.{WEIGHT}%3D0.25", "edit")
        found = []
        for change in range(3):
            value = round(0.3 + 0.1 * number + 0.03 * change, 3)
            await client.drag(WEIGHT, value)
            found.append((value, client.hidden))
        await client.close()
        assert client.errors == []
        return found

    async def read_all():
        return await asyncio.gather(*(read(number) for number in range(8)))

    for found in asyncio.run(read_all()):
        for value, hidden in found:
            np.testing.assert_allclose(hidden, torch_hidden(value), atol=1e-5, err_msg=str(value))


def test_what_all_readers_ask_for_is_computed_once(monkeypatch):
    first, second, calls = threading.Event(), threading.Event(), []
    compute = cache.run_network

    def count(network, text):
        calls.append(text)
        (second if first.is_set() else first).set()
        second.wait(1)  # for another computation of the same, which must not come
        return compute(network, text)

    monkeypatch.setattr(cache, "run_network", count)
    text, found = "aabbaabbaabb", []
    threads = [threading.Thread(target=lambda: found.append(cache.forward_run(NET, text))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [text] and len(found) == 8 and len({id(run) for run in found}) == 1

"""Files parsed in a separate process: the same contents as here, or one sentence, whatever the file does to its parser."""

from __future__ import annotations

import io
import random
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from models.checkpoints import CheckpointError, Limits, load_checkpoint
from models.checkpoints.parsing import parser_pool
from models.checkpoints.parsing.errors import CheckpointError as Refusal
from tests.benchmarks.fuzz_files import LIMITS, outcome
from tests.support.hostile_files import HOSTILE, pickle_shared_list, safetensors_of, usual
from tests.support.hostile_graphs import keras_bidirectional
from tests.support.mutated_files import made_files, mutated
from tests.support.open_whole import tensor_refusals
from tests.support.zip_archive import archive

SAMPLE = 170
QUICK = (
    "pickle_shared_list", "pickle_shared_symbols", "safetensors_huge_shape", "safetensors_long_numbers",
    "safetensors_overlap_1000", "safetensors_wide", "safetensors_long_names", "safetensors_deep", "keras_deep",
    "keras_bidirectional", "onnx_huge_shape", "onnx_nested_functions", "onnx_constant_fill", "script_many_lines",
    "script_deep", "script_loop", "export_wide",
)  # fmt: skip
"""Hostile files that are made in a moment; ``tests/benchmarks/hostile_files.py`` opens all."""


@pytest.fixture(scope="module")
def files():
    return made_files()


def contents(checkpoint):
    tensors = {name: (stored.shape, stored.dtype) for name, stored in checkpoint.stored.items()}
    layers = {name: (each.kind, each.sources, each.certainty) for name, each in checkpoint.found.items()}
    return checkpoint.format, tensors, layers, dict(checkpoint.provenance), dict(checkpoint.vocabularies)


def graph_layers(checkpoint):
    """The recurrent layers of a file's graph, or why it is refused."""
    try:
        return None if checkpoint.graph is None else checkpoint.graph().recurrent_layers
    except CheckpointError as problem:
        return str(problem)


@pytest.mark.slow
def test_every_format_opens_the_same_in_a_process(files):
    for data in files.values():
        here, there = load_checkpoint(data), load_checkpoint(data, isolated=True)
        assert contents(here) == contents(there)
        for name in here.layers:
            for part, values in here.layers[name].arrays().items():
                np.testing.assert_array_equal(there.layers[name].arrays()[part], values)
        for name in here.tensors:
            np.testing.assert_array_equal(there.tensors[name], here.tensors[name])
        assert graph_layers(here) == graph_layers(there)
        if isinstance(graph_layers(there), tuple):
            assert there.graph() is there.graph()  # built once


@pytest.mark.slow
def test_mutated_files_are_listed_or_refused(files):
    """A sample of what ``tests/benchmarks/fuzz_files.py`` runs in full."""
    chance, named = random.Random(time.time_ns()), list(files.items())
    seeds = [(named[number % len(named)], chance.getrandbits(60)) for number in range(SAMPLE)]
    results = {(name, seed): outcome(mutated(data, random.Random(seed))) for (name, data), seed in seeds}
    assert {case: result for case, result in results.items() if result.startswith("OTHER")} == {}
    assert len(set(results.values())) > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_hostile_files_are_listed_or_refused_within_the_limits(name):
    data = HOSTILE[name]()
    start = time.process_time()
    try:
        checkpoint = load_checkpoint(data, limits=LIMITS, isolated=True)
    except CheckpointError as problem:
        assert str(problem).count("\n") == 0 and str(problem).endswith(".")
    else:
        stored = [
            *checkpoint.stored.values(),
            *(part for each in checkpoint.found.values() for part in each.parts.values()),
        ]
        most = max(LIMITS.decoded, 4 * len(data))
        assert sum(each.memory for each in stored) <= most
        assert all(str(problem).endswith(".") for problem in tensor_refusals(checkpoint))
        assert checkpoint.decoded_bytes <= most  # decoded in this process, one after the other
    assert time.process_time() - start < 4 * LIMITS.seconds  # in this process: about what the other one was allowed


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 6), max_size=3),
    st.sampled_from(["float16", "bfloat16", "float32", "float64", "int64", "uint8", "bool"]),
    st.sampled_from(["safetensors", "torch", "torch expanded", "torch transposed", "npz"]),
)
def test_decoded_tensors_take_no_more_memory_than_was_counted(shape, dtype, form):
    values, file = torch.zeros(shape, dtype=getattr(torch, dtype)), io.BytesIO()
    if form == "safetensors":
        file.write(save({"w": values}))
    elif form == "npz":
        np.savez_compressed(file, w=(values.float() if dtype == "bfloat16" else values).numpy())
    else:
        large = values.expand(5, *shape) if form == "torch expanded" else values
        torch.save({"w": large.transpose(0, -1) if form == "torch transposed" and shape else large}, file)
    checkpoint = load_checkpoint(file.getvalue())
    assert tensor_refusals(checkpoint) == []
    assert checkpoint.decoded_bytes <= sum(each.memory for each in checkpoint.stored.values())


def test_too_much_time_is_said():
    with pytest.raises(CheckpointError, match=r"could not be opened within 0\.01 s"):
        load_checkpoint(keras_bidirectional(), limits=Limits(seconds=0.01, work=1 << 60), isolated=True)
    assert load_checkpoint(usual(), isolated=True).layers  # by another process


def test_too_much_memory_is_said():
    data = archive({"a/data.pkl": b"\x80\x02" + b"N0" * 7_000_000 + b"N."})
    with pytest.raises(CheckpointError, match="more than 8 MB of memory"):
        load_checkpoint(data, limits=Limits(memory=8 << 20), isolated=True)
    assert load_checkpoint(usual(), isolated=True).layers


def test_a_crash_costs_a_sentence(monkeypatch):
    load_checkpoint(usual(), isolated=True)
    before = parser_pool.ParserProcess.ask

    def crash(self, request, seconds):
        self._process.kill()
        return before(self, request, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(parser_pool.ParserProcess, "ask", crash)
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(usual(), isolated=True)
    assert load_checkpoint(usual(), isolated=True).layers


def test_a_copy_is_opened_without_the_files_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(parser_pool.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "secret.safetensors").write_bytes(usual())
    index = b'{"weight_map": {"weight_ih_l0": "secret.safetensors"}}'
    with pytest.raises(CheckpointError, match="only the index"):
        load_checkpoint(index, isolated=True)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.safetensors"]
    (tmp_path / "model.safetensors.index.json").write_bytes(index)
    assert load_checkpoint(tmp_path / "model.safetensors.index.json", isolated=True).tensors


def test_a_process_that_ended_is_replaced_before_the_next_file(monkeypatch):
    monkeypatch.setattr(parser_pool.ParserProcess, "get_ready", lambda process: setattr(process, "ready", True))
    pool, ended, end = parser_pool.ParserPool(), [], time.monotonic() + 120
    pool.start()
    for _ in range(3):
        while not pool._idle and time.monotonic() < end:
            time.sleep(0.01)
        assert pool._idle
        with pool.process("") as process:
            ended.append(process)
            process.end()
    assert len(set(ended)) == 3
    pool.close()


def test_one_process_serves_many_files():
    load_checkpoint(usual(), isolated=True)
    idle = {each._process.pid for each in parser_pool._pool._idle}
    for _ in range(5):
        load_checkpoint(usual(), isolated=True)
    assert {each._process.pid for each in parser_pool._pool._idle} == idle


@pytest.mark.parametrize(
    "header",
    [
        {"refused": "{0.__class__}.", "values": {"0": "a"}},
        {"refused": "{name.__class__}.", "values": {"name": "a"}},
        {"refused": "{name:>999999999}.", "values": {"name": "a"}},
        {"refused": "{name!r}.", "values": {"name": "a"}},
        {"refused": "{name}.", "values": {}},
        {"refused": "{", "values": {}},
        {"refused": 3, "values": None},
        {"refused": "x" * 10_000, "values": {}},
    ],
)
def test_a_refusal_is_text_alone(header):
    assert str(parser_pool._refusal(header)) == "This file is damaged. Copy or save it again."


def test_a_refusal_keeps_its_values():
    refusal = parser_pool._refusal({"refused": "{name} has {n}.", "values": {"name": "a" * 9000, "n": 3}})
    assert isinstance(refusal, Refusal) and str(refusal) == f"{'a' * parser_pool.MAX_VALUE} has 3."


def test_overlapping_tensors_are_refused():
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    with pytest.raises(CheckpointError, match="a and b are in the same place"):
        load_checkpoint(safetensors_of({"a": entry, "b": entry | {"data_offsets": [4, 12]}}, bytes(12)))
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [4, 4]}
    assert load_checkpoint(safetensors_of({"a": entry, "b": empty}, bytes(8))).tensors["b"].size == 0


def test_shared_lists_are_visited_once():
    """Work that the budget counts, not time: a list that is named 2,000 times costs what one name costs."""
    with pytest.raises(CheckpointError, match="no tensors"):
        load_checkpoint(pickle_shared_list(), limits=replace(Limits(), work=60_000))


def test_the_budget_is_one_for_a_whole_file():
    with pytest.raises(CheckpointError, match="too many items"):
        load_checkpoint(usual(), limits=Limits(work=20))

"""Damaged files that open all the same: whatever is done with them works, or is refused in one sentence.

Likewise damaged lists of symbols and sequences of numbers.
"""

from __future__ import annotations

import io
import json
import random
import warnings

import numpy as np
import pytest

from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.building.build import build_network, compatible_parts, default_setup
from models.checkpoints.building.vocabulary import parse_typed_vocabulary, read_vocabulary
from models.checkpoints.health import verdict
from models.checkpoints.health.compare_checkpoints import compare_checkpoints
from models.checkpoints.save import to_safetensors
from models.core.messages import Problem
from models.decoding.run_network import run_network
from models.networks.sequence_files import parse_sequence
from tests.models.checkpoints.test_checkpoint_fuzz import MAKERS, damaged, hdf5_file

OPENED, CASES = 25, 500
"""Damaged checkpoints of each format that still open; damaged lists of symbols or sequences of each kind."""


def run(checkpoint):
    network = build_network(checkpoint, default_setup(compatible_parts(checkpoint)), "damaged")
    if network.card.default.text:
        run_network(network, network.card.default.text)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [make for make in MAKERS if make is not hdf5_file], ids=lambda make: make.__name__)
def test_what_is_done_with_damaged_checkpoints(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = make()
    whole, chance = load_checkpoint(data), random.Random(11)
    jobs = (run, verdict, to_safetensors, lambda checkpoint: list(compare_checkpoints(whole, checkpoint).all_changes()))
    opened = 0
    while opened < OPENED:
        try:
            checkpoint = load_checkpoint(damaged(data, chance))
        except CheckpointError:
            continue
        opened += 1
        for job in jobs:
            try:
                job(checkpoint)
            except Problem as problem:
                assert problem.sentence and "\n" not in str(problem)


LISTS = {
    "json list": json.dumps(["<unk>", *"abcdefgh", "é", "한국어"]).encode(),
    "json ids": json.dumps({"model": {"vocab": {symbol: index for index, symbol in enumerate("abcdefgh")}}}).encode(),
    "json symbols": json.dumps({str(index): symbol for index, symbol in enumerate("abcdefgh")}).encode(),
    "lines": "\n".join(["<unk>", *"abcdefgh", "한국어"]).encode(),
    "deep": b"[" * 100_000,
    "large numbers": b'{"a": 1' + b"0" * 5000 + b', "b": 0}',
}


@pytest.mark.parametrize("made", LISTS)
def test_damaged_lists_of_symbols(made):
    chance = random.Random(3)
    for case in range(CASES):
        data = damaged(LISTS[made], chance) if case else LISTS[made]
        try:
            symbols = read_vocabulary(data)
        except Problem as problem:
            assert str(problem)
        else:
            assert len(set(symbols)) == len(symbols) > 1 and all(isinstance(symbol, str) for symbol in symbols)


def npy(values, **options):
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


NUMBERS = {
    "npy": npy(np.random.default_rng(0).normal(size=(6, 3))),
    "npy by columns": npy(np.asfortranarray(np.arange(18, dtype=">i4").reshape(6, 3))),
    "npy objects": npy(np.array([[{"a": 1}]], dtype=object), allow_pickle=True),
    "csv": b"a,b,c\n" + b"\n".join(b"0.5,1e3,-2" for _ in range(6)),
    "csv with semicolons": b"0,5;1;2\n" * 4,
}


@pytest.mark.parametrize("made", NUMBERS)
def test_damaged_sequences_of_numbers(made, tmp_path):
    chance = random.Random(5)
    for case in range(CASES):
        data = damaged(NUMBERS[made], chance) if case else NUMBERS[made]
        try:
            values = parse_sequence(data, 3)
        except Problem as problem:
            assert str(problem)
        else:
            assert values.dtype == np.float32 and values.shape[1] == 3 and np.isfinite(values).all()


def test_a_header_alone_takes_no_memory():
    """An array of 8 TB by its header is refused before anything is allocated."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 1)})
    with pytest.raises(Problem, match="truncated"):
        parse_sequence(header.getvalue() + bytes(100), 1)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("abc", ("a", "b", "c")),
        ("<unk> the cat", ("<unk>", "the", "cat")),
        ("a b\nc", ("a b", "c")),
        ('["x", "y z"]', ("x", "y z")),
        ('{"y": 1, "x": 0, "z": 3}', ("x", "y", "#2", "z")),
        ('{"0": "x", "1": "y"}', ("x", "y")),
    ],
)
def test_typed_symbols(text, symbols):
    assert parse_typed_vocabulary(text) == symbols


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"a", "contains fewer than two symbols. Write one symbol per line"),
        (b"[1, 2]", "This JSON contains no list of symbols"),
        (b"a\nb\na", "“a” occurs twice in the list"),
        (b"a\n" + b"b" * 300, "longer than 200 characters"),
        (b"a\nb" * (1 << 23), "but the limit is 16,777,216 bytes"),
    ],
)
def test_what_is_no_list_of_symbols(data, sentence):
    with pytest.raises(Problem, match=sentence):
        read_vocabulary(data)

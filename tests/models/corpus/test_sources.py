"""The sources of a corpus: text files, tables, folders and patterns, local or not; and the command."""

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from models.core.messages import Problem
from models.corpus.build_index import build_index
from models.corpus.read_sources import read_documents
from models.corpus.text_places import annotation_places
from tests.models.corpus.small_indexes import letter_network

ROOT = Path(__file__).parents[3]
ROWS = [
    {"text": "ab", "kind": "x", "phase": [0.5, 2]},
    {"text": "", "kind": "y", "phase": None},
    {"text": 'a"b', "kind": None, "phase": [1, None, 3]},
]


def test_tables_have_the_same_documents_and_annotations(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    parquet.write_table(
        pa.Table.from_pylist([row | {"phase": row["phase"] or []} for row in ROWS if row["text"]]),
        tmp_path / "b.parquet",
    )
    (tmp_path / "c.csv").write_text('text,kind\nab,x\n"a""b",\n' + "a" * 200_000 + ",z\n")
    (tmp_path / "d.tsv").write_text("body\tkind\nab\tx\n")
    for name in ("a.jsonl", "b.parquet"):
        index = build_index(letter_network(), str(tmp_path / name), tmp_path / f"{name}-index", scheduler="here")
        assert [index.document_text(each) for each in range(2)] == ["ab", 'a"b']
        phase = index.read("annotations/phase", slice(None))
        assert np.array_equal(phase, np.float32([0.5, 2, 1, np.nan, 3]), equal_nan=True)
        assert annotation_places(index, "kind", "x").mask(0, 5).tolist() == [True, True, False, False, False]
        assert index.document_at(3).source.endswith(f"{name}:{3 if name == 'a.jsonl' else 2}")
    rows = list(read_documents(str(tmp_path / "c.csv")))
    assert [len(each.text) for each in rows] == [2, 3, 200_000] and rows[1].annotations == {"kind": ""}
    assert next(read_documents(str(tmp_path / "d.tsv"), "body")).annotations == {"kind": "x"}


def test_a_column_may_begin_with_nothing(tmp_path):
    rows = [{"text": "ab"}, {"text": "ab", "pos": None}, {"text": "ab", "pos": ["N", None]}, {"text": "a"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    index = build_index(letter_network(), str(tmp_path / "a.jsonl"), tmp_path / "index", scheduler="here")
    assert annotation_places(index, "pos", "N").start.tolist() == [4]
    assert index.read("annotations/pos", slice(None)).tolist() == [0, 0, 0, 0, 1, 0, 0]


def test_columns_of_numbers_in_a_csv_are_numbers(tmp_path):
    rows = ["text,phase,pos,code,empty", *(f"ab,{k / 8},{k % 3},N{k % 2}," for k in range(10_050)), "a,,x,,"]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    index = build_index(letter_network(), str(tmp_path / "a.csv"), tmp_path / "index", scheduler="here")
    phase = index.read("annotations/phase", slice(None))
    assert np.array_equal(phase, np.append(np.repeat(np.arange(10_050) / 8, 2), np.nan), equal_nan=True)
    assert "labels" not in index.array("annotations/phase").attrs
    assert index.array("annotations/pos").attrs["labels"] == ["", "0", "1", "2", "x"]  # not all are numbers
    assert (
        annotation_places(index, "phase", 1.5, 1.625).count == 4
        and annotation_places(index, "code", "N1").count == 10_050
    )
    assert (index.read("annotations/empty", slice(None)) == 0).all()
    (tmp_path / "b.csv").write_text("text,n\n1_000,1_000\n7,nan\n")
    found = list(read_documents(str(tmp_path / "b.csv")))
    assert [(each.text, each.annotations) for each in found] == [("1_000", {"n": "1_000"}), ("7", {"n": "nan"})]


def test_folders_patterns_and_other_addresses(tmp_path):
    (tmp_path / "in").mkdir()
    for name, text in (("b.txt", "b"), ("a.txt", "\ufeffa"), ("in/c.md", "ab"), (".hidden", "\0")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "d.txt").write_text("ab", encoding="utf-16")
    assert [each.text for each in read_documents(str(tmp_path))] == ["a", "b", "ab", "ab"]
    assert [each.text for each in read_documents(f"{tmp_path}/[ab].txt")] == ["a", "b"]
    system = fsspec.filesystem("memory")
    system.pipe("/corpus/a.txt", b"ab")
    system.pipe("/corpus/b.jsonl", b'{"content": "b"}')
    found = list(read_documents("memory://corpus/*"))
    assert [(each.source, each.text) for each in found] == [
        ("memory:///corpus/a.txt", "ab"),
        ("memory:///corpus/b.jsonl:1", "b"),
    ]


def run_command(folder, *arguments):
    command = [sys.executable, "-m", "models.corpus", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_command_builds_and_describes(tmp_path):
    (tmp_path / "a.txt").write_text(".aabb" * 20)
    built = run_command(tmp_path, "build", "counter", "a.txt", "out", "--threads", "--cell")
    assert built.returncode == 0 and "100 tokens of 1 documents" in built.stdout and "hidden, cell" in built.stdout
    assert run_command(tmp_path, "about", "out").stdout == built.stdout
    (tmp_path / "a.txt").write_text("abc")
    failed = run_command(tmp_path, "build", "counter", "a.txt", "other")
    assert failed.returncode == 1 and "contains “c”" in failed.stderr and "Traceback" not in failed.stderr


def test_identifiers_stay_apart(tmp_path):
    ids = [(1 << 24) + 1, 1 << 24, (1 << 53) - 1, (1 << 53) - 2]
    (tmp_path / "a.csv").write_text("text,user,post\n" + "".join(f"ab,{each},{each << 8}\n" for each in ids))
    index = build_index(letter_network(), str(tmp_path / "a.csv"), tmp_path / "index", scheduler="here")
    for number, each in enumerate(ids):
        assert annotation_places(index, "user", str(each)).start.tolist() == [2 * number]
        assert annotation_places(index, "post", str(each << 8)).start.tolist() == [2 * number]
    assert "labels" not in index.array("annotations/user").attrs and "labels" in index.array("annotations/post").attrs
    (tmp_path / "a.jsonl").write_text('{"text": "ab", "user": 9007199254740993}')
    with pytest.raises(Problem, match=r"whole numbers above 2\^53"):
        build_index(letter_network(), str(tmp_path / "a.jsonl"), tmp_path / "other", scheduler="here")

"""Corpora, folders and questions that are not as they should be: one sentence each, and no wrong number."""

import errno
import json
import time

import numpy as np
import pytest
import torch
import zarr

from models.core.messages import Problem
from models.corpus import write_shard as write_shard_module
from models.corpus.__main__ import main
from models.corpus.build_index import IndexOptions, build_index
from models.corpus.corpus_index import CorpusIndex
from models.corpus.nearest_states import nearest_states
from models.corpus.pattern_search import UnitPattern, find_pattern, pattern_of_span
from models.corpus.read_sources import Document, read_documents
from models.corpus.text_places import annotation_places, regex_places
from models.corpus.unit_contexts import strongest_contexts
from models.corpus.unit_distribution import separating_units, unit_distribution
from tests.models.corpus.small_indexes import Letters, build, letter_network, letter_texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of an index of two shards."""
    made = tmp_path_factory.mktemp("index") / "index"
    build(letter_network(), [*letter_texts(1, 9, 90), "ab" * 300], made, layers=("rnn.l0",))
    return made


@pytest.fixture
def index(folder):
    return CorpusIndex(folder)


FILES = {
    "empty.txt": (b"", "The corpus is empty"),
    "binary.txt": (b"ab\0ab", "is a binary file"),
    "latin.txt": (b"ab \xe9\xff", "not text in UTF-8"),
    "other.txt": (b"abc", "contains “c”, which the vocabulary"),
    "no.jsonl": (b'{"text": "ab"}\n{"text": ', "Line 2 of"),
    "list.jsonl": (b'["ab"]', "is not a JSON object"),
    "deep.jsonl": (b"[" * 200_000, "Line 1 of .* is not valid JSON"),
    "long_number.jsonl": (b'{"text": "ab", "n": ' + b"1" * 5000 + b"}", "Line 1 of .* is not valid JSON"),
    "column.jsonl": (b'{"words": "ab"}', "has no column “text”. It has “words”"),
    "number.jsonl": (b'{"text": 3}', "Row 1 of .* has no text"),
    "counts.jsonl": (b'{"text": "ab", "pos": ["X"]}', "has 1 values for 2 tokens"),
    "mixed.jsonl": (b'{"text": "ab", "pos": "X"}\n{"text": "ab", "pos": 3}', "numbers in some rows and text in others"),
    "path.jsonl": (b'{"text": "ab", "../x": 3}', "cannot be named “../x”"),
    "node.jsonl": (b'{"text": "ab", "zarr.json": 3}', "cannot be named “zarr.json”"),
    "nul.jsonl": (b'{"text": "ab", "a\\u0000": 3}', "cannot be named"),
    "half.jsonl": (b'{"text": "ab", "a\\ud800": 3}', "cannot be named"),
    "column.csv": (b"a,b\n1,2\n", "has no column “text”"),
    "bytes.csv": (b"text\n\xff\xfe\xe9", "not text in UTF-8"),
    "bad.parquet": (b"PAR1 no", "not a valid Parquet file"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_cannot_be_read(name, tmp_path):
    data, sentence = FILES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Problem, match=sentence):
        build_index(letter_network(), str(tmp_path / name), tmp_path / "index", scheduler="here")
    assert not (tmp_path / "index").exists()


def test_a_row_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("models.corpus.read_sources.MAX_ROW", 1000)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a" * 2000}))
    (tmp_path / "a.csv").write_text("text\n" + "a" * 2000)
    for name, sentence in (("a.jsonl", "Line 1 .* is larger"), ("a.csv", "field larger")):
        with pytest.raises(Problem, match=sentence):
            list(read_documents(str(tmp_path / name)))
    monkeypatch.setattr("models.corpus.read_sources.MAX_FILE", 10)
    (tmp_path / "a.txt").write_text("a" * 11)
    with pytest.raises(Problem, match="Split it"):
        list(read_documents(str(tmp_path / "a.txt")))


def test_large_numbers_are_kept_and_whole_ones_that_would_be_rounded_refused(tmp_path):
    index = build(letter_network(), [Document("d", "ab", {"n": [np.inf, -1e300]})], tmp_path / "index")
    assert index.read("annotations/n", slice(None)).tolist() == [np.inf, -1e300]
    with pytest.raises(Problem, match=r"whole numbers above 2\^53"):
        build(letter_network(), [Document("d", "ab", {"n": [10**400, 1]})], tmp_path / "other")


@pytest.mark.parametrize("address", ["no/such/*.txt", "nothing.txt", "nonsense://x", "memory://none/*.jsonl"])
def test_addresses_at_which_there_is_nothing(address, tmp_path):
    with pytest.raises(Problem, match=r"There is no file|cannot be opened"):
        list(read_documents(address))


def chunk_of(folder, array):
    return next(each for each in sorted((folder / array / "c").rglob("*")) if each.is_file())


@pytest.mark.parametrize(
    "array",
    ["states/rnn.l0/hidden", "tokens", "places", "annotations/position", "summaries/rnn.l0/hidden/masks", "text"],
)
@pytest.mark.parametrize("damage", ["deleted", "cut", "flipped"])
def test_chunks_that_are_damaged_or_missing_are_named(array, damage, folder):
    chunk = chunk_of(folder, array)
    whole = chunk.read_bytes()
    try:
        if damage == "deleted":
            chunk.unlink()
        else:
            middle = len(whole) // 3
            data = (
                whole[:middle]
                if damage == "cut"
                else whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
            )
            chunk.write_bytes(data)
        with pytest.raises(Problem, match=f"A chunk of “{array}” cannot be read"):
            CorpusIndex(folder).read(array, slice(None))
    finally:
        chunk.write_bytes(whole)


def test_a_chunk_of_zeros_is_there(tmp_path):
    network = letter_network()
    with torch.no_grad():
        for each in network.module.rnn.parameters():
            each.zero_()
    index = build(network, ["ab" * 700], tmp_path / "index")
    assert not index.read("states/rnn.l0/hidden", slice(None)).any()
    assert not index.read("annotations/inside_quotes", np.array([0, 900])).any()
    chunk_of(tmp_path / "index", "states/rnn.l0/hidden").unlink()
    with pytest.raises(Problem, match=r"the file c/0/0 is not there"):
        index.read("states/rnn.l0/hidden", (slice(0, 3), 0))
    assert not index.read("states/rnn.l0/hidden", slice(512, None)).any()


def test_folders_that_are_no_index(tmp_path, folder):
    for path in (tmp_path, tmp_path / "none", tmp_path / "a{b}", folder / "states"):
        with pytest.raises(Problem, match="is not the index"):
            CorpusIndex(path)
    (tmp_path / "zarr.json").write_text("[[[")
    with pytest.raises(Problem, match="is not the index"):
        CorpusIndex(tmp_path)
    with pytest.raises(Problem, match="is not empty and not an index"):
        build(letter_network(), ["ab"], tmp_path)
    group = zarr.create_group(tmp_path / "old")
    group.attrs.update({"unrolled_index": 0, "status": "complete"})
    with pytest.raises(Problem, match="another version"):
        CorpusIndex(tmp_path / "old")


def test_an_index_of_another_network(index):
    index.check_network(letter_network())
    for other in (letter_network(Letters(seed=1)), letter_network(vocabulary=tuple('ba" .\n'))):
        with pytest.raises(Problem, match="made with another network"):
            index.check_network(other)


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(write_shard_module, "save_summaries", full)
        with pytest.raises(Problem, match="The disk is full"):
            build(letter_network(), ["ab"], tmp_path / "index")
    with pytest.raises(Problem, match="is not complete"):
        CorpusIndex(tmp_path / "index")
    assert build(letter_network(), ["ab"], tmp_path / "index").steps == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e5])
def test_states_that_are_not_finite(value, tmp_path):
    class Broken(Letters):
        def forward(self, ids):
            return self.readout(self.rnn(torch.where(ids[..., None] == 2, value, 0.0).expand(-1, -1, self.symbols))[0])

    network = letter_network(Broken())
    if value == 1e5:  # a cell state that grows beyond float16
        with torch.no_grad():
            network.module.rnn.weight_ih_l0.fill_(1)
            network.module.rnn.bias_ih_l0.fill_(100)
        assert build(network, ["ab" * 9], tmp_path / "index", quantities=("hidden", "cell")).steps == 18
        return
    if value == float("inf"):
        with torch.no_grad():
            network.module.rnn.weight_ih_l0[0] = 0  # 0 times infinity
    with pytest.raises(Problem, match=r"not a finite float16 number at token 3 \(d0\)"):
        build(network, ['ab"ab'], tmp_path / "index")


def test_a_cluster_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_SCHEDULER", "tcp://127.0.0.1:9")
    import distributed

    client = distributed.Client
    monkeypatch.setattr(
        distributed, "Client", lambda address, **options: client(address, **options | {"timeout": "1s"})
    )
    with pytest.raises(Problem, match=r"The cluster at tcp://127.0.0.1:9 does not answer"):
        build(letter_network(), ["ab"], tmp_path / "index", scheduler="processes")


@pytest.mark.parametrize("expression", ["(", "", "a" * 1001, "(((a{99}){99}){99}){99}", "(?<=a)b", r"\1"])
def test_expressions_that_are_not_valid(expression, index):
    with pytest.raises(Problem, match=r"regular expression"):
        regex_places(index, expression)


def test_a_hostile_expression_takes_little_time(tmp_path):
    index = build(letter_network(), ["a" * 5000], tmp_path / "index", longest=5000)
    began = time.process_time()
    for expression in ("(a+a+)+b", "(a|a)*b", "(a*)*b", "(.*.*.*)=", "a*?"):
        assert regex_places(index, expression).count == 0
    assert time.process_time() - began < 5


def test_half_of_a_surrogate_pair(tmp_path):
    network = letter_network(vocabulary=(*'ab" .', "\ufffd"), unknown="\ufffd")
    index = build(network, ["ab\ud800ab"], tmp_path / "index")
    assert index.document_text(0) == "ab\ud800ab" and index.about["unknown"] == 1
    assert regex_places(index, "b").start.tolist() == [1, 4]


def test_questions_that_have_no_answer(index):
    layer, state = ("rnn.l0", "hidden"), np.zeros(5)
    some = regex_places(index, "a")
    none = regex_places(index, "z")
    assert none.count == 0
    for ask, sentence in (
        (lambda: find_pattern(index, *layer, UnitPattern((9,), (False,), 0.3, 1)), "has 5 units"),
        (lambda: find_pattern(index, *layer, UnitPattern((), (), 0.3, 1)), "has no units"),
        (lambda: find_pattern(index, "rnn.l7", "hidden", UnitPattern((0,), (False,), 0.3, 1)), "no array"),
        (lambda: pattern_of_span(np.zeros((3, 2)), 2, 2, 0.3), "span is empty"),
        (lambda: pattern_of_span(np.zeros((3, 2)), 0, 2, float("nan")), "positive number"),
        (lambda: nearest_states(index, *layer, np.zeros(4)), "needs 5 numbers"),
        (lambda: nearest_states(index, *layer, state * np.nan), "not finite"),
        (lambda: nearest_states(index, *layer, state, metric="hamming"), "no metric"),
        (lambda: strongest_contexts(index, *layer, 5), "has 5 units"),
        (lambda: unit_distribution(index, *layer, -1, some), "has 5 units"),
        (lambda: separating_units(index, *layer, none), "not none"),
        (lambda: annotation_places(index, "phase", 1), "no array"),
        (lambda: annotation_places(index, "position", "x"), "has numbers"),
        (lambda: index.document_at(index.steps), "there is no token"),
        (lambda: IndexOptions(longest=0), "at least one token"),
        (lambda: IndexOptions(threshold=float("nan")), "positive number"),
        (lambda: IndexOptions(shard_steps=700), "multiple of 512"),
    ):
        with pytest.raises(Problem, match=sentence):
            ask()


@pytest.mark.parametrize(
    "arguments", [["about", "nowhere"], ["build", "no-such-network", "x", "y"], ["build", "counter", "none", "out"]]
)
def test_the_command_prints_one_sentence_and_ends_with_1(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.strip().splitlines()) == 1 and "Traceback" not in printed.err

"""The nearest states by inverted lists, against comparison with all of them."""

import json
import sys
import tracemalloc

import numpy as np
import pytest

from models.core.messages import Problem
from models.corpus import nearest_lists, nearest_states
from models.corpus.__main__ import main
from models.corpus.nearest_lists import ABOUT, LISTS, build_lists, described_lists, lists_folder
from tests.models.corpus.small_indexes import build, letter_network, letter_texts

LAYER = ("rnn.l0", "hidden")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of an index of several shards."""
    folder = tmp_path_factory.mktemp("index") / "index"
    build(letter_network(), letter_texts(7, 80, 60), folder, shard_steps=512)
    return folder


@pytest.fixture
def index(folder, monkeypatch):
    """An index for which inverted lists are used although it is small, built from blocks of one shard."""
    monkeypatch.setattr(nearest_states, "EXACT_STEPS", 0)
    monkeypatch.setattr(nearest_lists, "BLOCK_STATES", 512)
    return nearest_lists.CorpusIndex(folder)


@pytest.mark.parametrize("metric", nearest_states.METRICS)
@pytest.mark.parametrize("per_document", [None, 2])
def test_the_nearest_of_the_lists_have_the_distances_of_exact_search(index, metric, per_document):
    about = build_lists(index, *LAYER, metric)
    assert about.steps == index.steps > 2 * 512 and about.lists > 1 and about.recall >= nearest_lists.WANTED_RECALL
    states = index.read("states/rnn.l0/hidden", slice(None)).astype(np.float32)
    hits, rounding = 0, 2e-4 if metric == "cosine" else 1e-6
    for step in range(0, index.steps, 97):
        options = {"metric": metric, "per_document": per_document}
        found = nearest_states.nearest_states(index, *LAYER, states[step], 10, **options)
        exact = nearest_states.nearest_states(index, *LAYER, states[step], 10, exact=True, **options)
        assert found.recall == about.recall and exact.recall is None
        own = nearest_states.state_distances(states[found.steps], states[step], metric)
        assert np.allclose(found.distances, own, rtol=0, atol=rounding)
        assert len(found.steps) == 10 and (np.diff(own) >= -rounding).all()
        assert (found.distances >= exact.distances - rounding).all()
        hits += (own <= exact.distances[-1] + rounding).mean()
    assert hits / len(range(0, index.steps, 97)) >= 0.95


def test_the_printed_recall_is_that_of_a_direct_comparison(index, monkeypatch):
    monkeypatch.setattr(nearest_lists, "WANTED_RECALL", 0.0)  # then eight lists are searched
    about = build_lists(index, *LAYER)
    assert 8 == about.searched < about.lists
    states = index.read("states/rnn.l0/hidden", slice(None)).astype(np.float32)
    asked = np.unique(np.linspace(0, index.steps - 1, nearest_lists.QUESTIONS).astype(int))
    shares = []
    for step in asked:
        own = nearest_states.state_distances(states, states[step], "euclidean")
        steps, distances = nearest_lists.search_lists(index, *LAYER, "euclidean", states[step], 20)
        assert np.allclose(own[steps], distances, atol=1e-6)
        shares.append((own[steps] <= np.sort(own)[19] + 1e-6).mean())  # of equal states it may choose others
    assert about.recall <= np.mean(shares) + 1e-9


def test_without_lists_or_below_a_million_all_states_are_compared(index, monkeypatch):
    build_lists(index, *LAYER, "cosine")
    state = index.read("states/rnn.l0/hidden", slice(3, 4))[0]
    assert nearest_states.nearest_states(index, *LAYER, state, 5, metric="cosine").recall is not None
    monkeypatch.setattr(nearest_states, "EXACT_STEPS", index.steps)
    assert nearest_states.nearest_states(index, *LAYER, state, 5, metric="cosine").recall is None
    assert described_lists(index, *LAYER, "manhattan") is None
    with pytest.raises(Problem, match="has no array"):
        lists_folder(index, "other", "hidden", "cosine")


def test_lists_of_another_size_are_not_used_and_damaged_ones_named(index):
    build_lists(index, *LAYER)
    target = lists_folder(index, *LAYER, "euclidean")
    fields = json.loads((target / ABOUT).read_text())
    state = np.zeros(5, dtype=np.float32)
    (target / ABOUT).write_text(json.dumps(fields | {"steps": index.steps - 1}))
    assert nearest_states.nearest_states(index, *LAYER, state, 5).recall is None
    (target / ABOUT).write_text(json.dumps(fields))
    content = (target / LISTS).read_bytes()
    (target / LISTS).write_bytes(content[:40])
    with pytest.raises(Problem, match=r"cannot be read \(.*\)\. Build it again"):
        nearest_states.nearest_states(index, *LAYER, state, 5)
    (target / LISTS).write_bytes(content)


def test_the_sample_holds_no_part_of_the_states_in_memory(index, monkeypatch):
    size, parts = 1 << 22, 12
    monkeypatch.setattr(
        nearest_lists, "_parts", lambda *_: ((k * 1024, np.ones((1024, size >> 12), np.float32)) for k in range(parts))
    )
    monkeypatch.setitem(index.about, "steps", parts * 1024)
    tracemalloc.start()
    sample = nearest_lists._sample(index, *LAYER, "euclidean", 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(sample) == 100 and peak < 4 * size < parts * size


def test_a_build_that_is_stopped_leaves_the_lists_as_they_were(index):
    before = build_lists(index, *LAYER)

    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_lists(index, *LAYER, progress=stop)
    assert described_lists(index, *LAYER, "euclidean") == before
    assert not list((index.folder / nearest_lists.FOLDER).glob("*.part"))


def test_the_command_prints_the_recall(index, capsys, monkeypatch):
    monkeypatch.setattr(nearest_lists, "STATES_OF_LIST", 100)
    assert main(["nearest", str(index.folder)]) == 0
    about = described_lists(index, *LAYER, "euclidean")
    assert f"it finds {about.recall:.3f} of the nearest states" in capsys.readouterr().out
    assert main(["nearest", str(index.folder), "--quantity", "cell"]) == 1
    assert "has no array" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert main(["nearest", str(index.folder)]) == 1
    assert "faiss-cpu" in capsys.readouterr().err

"""Probes of a corpus's index: a planted unit found, steps chosen with care, untrained networks run as torch runs them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from models.core.messages import Problem
from models.corpus.read_sources import Document
from models.probes.corpus_fixed_points import corpus_fixed_points
from models.probes.onset_probe import OFFSETS, probe_onset
from models.probes.probe_index import probe_annotation
from models.probes.probed_steps import GAP, PARTS, probed_steps
from models.probes.untrained_states import untrained_copy, untrained_states
from tests.models.corpus.small_indexes import LETTERS, Letters, build, letter_network, letter_texts, quote_network


def quoted_texts(seed, count, words):
    """Return random texts in which some stretches are in quotes."""
    random = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        parts = ["".join(random.choice(list("ab. "), random.integers(3, 30))) for _ in range(words)]
        texts.append("".join(f'"{part}"' if place % 2 else part for place, part in enumerate(parts)))
    return texts


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    """The network with a unit for quotes, and an index of 30 texts."""
    network = quote_network()
    folder = tmp_path_factory.mktemp("quotes") / "index"
    return network, build(network, quoted_texts(1, 30, 8), folder, quantities=("hidden", "cell"))


# The steps


def test_texts_are_kept_whole_where_they_fit_and_shortened_where_they_do_not(quotes):
    _network, index = quotes
    everything = np.ones(index.steps, dtype=bool)
    found = probed_steps(index, everything)
    assert found.rows.tolist() == list(range(index.steps)) and found.note is None
    assert found.texts.tolist() == index.document_numbers(found.rows).tolist()
    few = probed_steps(index, everything, 300)
    assert len(few.rows) <= 300 and len(np.unique(few.texts)) == 30
    assert (np.diff(few.rows) > 0).all()
    starts = few.rows[np.flatnonzero(np.append(True, np.diff(few.texts) != 0))]
    assert np.isin(starts, index.document_starts).all()  # of each text the first steps


def test_parts_of_one_document_that_the_index_split_are_one_text(tmp_path):
    index = build(letter_network(), letter_texts(3, 12, 900), tmp_path / "index", longest=100)
    assert index.about["split_documents"] > 5
    found = probed_steps(index, np.ones(index.steps, dtype=bool))
    assert len(np.unique(found.texts)) == 12 and len(found.rows) == index.steps


def test_one_long_text_is_divided_with_gaps_and_a_short_one_refused(tmp_path):
    (text,) = quoted_texts(2, 1, 400)
    index = build(quote_network(), [text], tmp_path / "long")
    found = probed_steps(index, np.ones(index.steps, dtype=bool), max_steps=10**6)
    parts = [found.rows[found.texts == each] for each in np.unique(found.texts)]
    assert len(parts) == PARTS and f"divided into {PARTS} parts" in str(found.note)
    for one, other in pairwise(parts):
        assert other[0] - one[-1] - 1 == min(GAP, index.steps // PARTS // 4) and (np.diff(one) == 1).all()
    short = build(quote_network(), ["ab" * 60], tmp_path / "short")
    with pytest.raises(Problem, match=r"needs 10 texts with labels.* has 1, of 120 steps"):
        probed_steps(short, np.ones(short.steps, dtype=bool))
    with pytest.raises(Problem, match="has 0, of 0 steps"):
        probed_steps(short, np.zeros(short.steps, dtype=bool))


def test_untrained_states_are_those_of_torch_from_each_documents_start(quotes):
    network, index = quotes
    copies = [untrained_copy(network, seed) for seed in (11, 12)]
    assert not torch.equal(copies[0].module.rnn.weight_ih_l0, copies[1].module.rnn.weight_ih_l0)
    rows = np.flatnonzero(np.random.default_rng(0).random(index.steps) < 0.3)
    for quantity in ("hidden", "cell"):
        found = untrained_states(copies, index, "rnn.l0", quantity, rows)
        for each, states in zip(copies, found, strict=True):
            cell = nn.LSTMCell(len(LETTERS), 4)
            cell.load_state_dict({name.removesuffix("_l0"): own for name, own in each.module.rnn.state_dict().items()})
            for row in rows[::97].tolist():
                start = index.document_at(row).start
                state = torch.zeros(1, 4), torch.zeros(1, 4)
                with torch.no_grad():
                    for token in index.read("tokens", slice(start, row + 1)).tolist():
                        state = cell(torch.eye(len(LETTERS))[[token]], state)
                expected = state[0 if quantity == "hidden" else 1][0].numpy()
                assert np.allclose(states[rows == row][0], expected, atol=2e-3)


# The answers


def test_a_planted_unit_is_found_and_is_above_untrained_networks(quotes):
    network, index = quotes
    found = probe_annotation(network, str(index.folder), "rnn.l0", "hidden", "inside_quotes")
    assert found.scores.readable and found.scores.test.value > 0.97 and found.scores.unit == 0
    assert found.agreement.agrees and found.agreement.unit == 0 and found.agreement.f1[0] > 0.95
    assert found.untrained == 3 and found.steps == (index.steps, index.steps) and found.note is None


def test_one_long_document_is_probed_by_its_parts(tmp_path):
    network = quote_network()
    index = build(network, quoted_texts(4, 1, 300), tmp_path / "index")
    found = probe_annotation(network, str(index.folder), "rnn.l0", "hidden", "inside_quotes")
    assert found.scores.readable and found.agreement.unit == 0 and "divided into 40 parts" in str(found.note)


def test_an_untrained_network_is_said_to_have_learned_nothing(tmp_path):
    network = letter_network(Letters(hidden=8, seed=5))
    index = build(network, quoted_texts(6, 30, 8), tmp_path / "index")
    found = probe_annotation(network, str(index.folder), "rnn.l0", "hidden", "inside_quotes")
    assert not found.scores.readable and not found.agreement.agrees
    assert "gives this answer" in str(found.scores.verdict) and "gives this answer" in str(found.agreement.verdict)


def test_a_label_of_the_readers_own_is_probed_where_it_is_given(tmp_path):
    texts = quoted_texts(7, 24, 6)
    documents = [
        Document(f"d{place}", text, {"kind": "odd" if place % 2 else "even"}) for place, text in enumerate(texts)
    ]
    network = quote_network()
    index = build(network, documents, tmp_path / "index")
    found = probe_annotation(network, str(index.folder), "rnn.l0", "hidden", "kind")
    assert found.scores.classes == ("even", "odd") and not found.scores.readable and found.agreement is None
    onset = probe_onset(network, str(index.folder), "rnn.l0", "hidden", "kind")
    assert onset.since == "start" and onset.found.first is None and onset.found.offsets[0] == 0


def test_a_property_is_readable_from_its_onset_on(quotes, tmp_path):
    network, index = quotes
    texts = [f"{'a b.' * 10}{text[:60]}{'b. a' * 20}" for text in quoted_texts(9, 60, 3)]
    onsets = build(network, texts, tmp_path / "onsets")
    found = probe_onset(network, str(onsets.folder), "rnn.l0", "hidden", "inside_quotes").found
    assert found.offsets.tolist() == list(OFFSETS)
    score = dict(zip(found.offsets.tolist(), found.score.tolist(), strict=True))
    assert score[1] > 0.9 and score[2] > 0.9 and score[-4] < 0.8
    assert found.first is not None and found.first >= 0
    with pytest.raises(Problem, match="“line_position” neither is 0 or 1"):
        probe_onset(network, str(index.folder), "rnn.l0", "hidden", "line_position")


def test_the_fixed_points_of_a_corpus_stay_where_torch_steps_from_them(quotes):
    network, index = quotes
    from models import capture

    with torch.inference_mode(), capture(network) as trace:
        network.run(network.encode("ab"))
    layer = trace.layers["rnn.l0"]
    given = layer.input[0, 0].astype(np.float64)
    result = corpus_fixed_points(layer.weights, str(index.folder), "rnn.l0", given)
    assert result.found.fixed.any() and len(result.texts) == len(result.found.plane.points) == index.steps
    cell = nn.LSTMCell(len(LETTERS), 4)
    cell.load_state_dict({name.removesuffix("_l0"): own for name, own in network.module.rnn.state_dict().items()})
    points = torch.tensor(result.found.points[result.found.fixed], dtype=torch.float32)
    with torch.no_grad():
        after = torch.cat(cell(torch.tensor(given).float().expand(len(points), -1), points.split(4, 1)), dim=1)
    assert torch.allclose(after, points, atol=1e-4)


def test_fixed_points_need_all_states_of_the_layer(tmp_path):
    network = quote_network()
    index = build(network, quoted_texts(8, 12, 4), tmp_path / "index")
    from models import capture

    with torch.inference_mode(), capture(network) as trace:
        network.run(network.encode("ab"))
    weights = trace.layers["rnn.l0"].weights
    with pytest.raises(Problem, match=r"no cell states of rnn\.l0"):
        corpus_fixed_points(weights, str(index.folder), "rnn.l0", np.zeros(len(LETTERS)))

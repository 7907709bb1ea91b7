"""The index of a corpus: its states are those of the network on each document, and its tokens those of the texts."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import capture, load_checkpoint, load_network
from models.core.tokenize_text import normalize_whitespace
from models.corpus.read_sources import Document
from models.corpus.tokenize_documents import document_parts
from models.states.text_properties import PROPERTIES, text_properties
from tests.models.corpus.small_indexes import LETTERS, build, letter_network, letter_texts

CODE = 'def f(x, y="a (b"):\n\treturn [x, (y, 3)]  # "not"\r\n\n'

CASES = {
    "python-lm": ([CODE * 12, "x = 1\n", CODE], {"longest": 300, "quantities": ("hidden", "cell")}),
    "recall-lstm": (
        ["Moscow is new to me. MY brother met a zebra.", "모스크바에 왔어요.\n\t서울은 zz"],
        {"quantities": ("cell",)},
    ),
    "wave": (["0.1, 0.5\n-0.25; 1e-1 " * 20, "1 2 3"], {}),
    "sentiment": (["The story was NOT boring. " * 9, "영화가 정말 재미있었어요.", "Good, good!"], {"longest": 20}),
    "counter": ([".aaabbb.ab" * 70, ".aabb"], {"quantities": ("hidden", "cell"), "longest": 300}),
    "dates-additive": (["4 Aug 2024", "2024년 8월 4일"], {}),
}


def inputs(network, index, place):
    """The tokens of a document as the input of its network."""
    tokens = index.read("tokens", slice(*index.document_starts[place : place + 2]))
    return torch.from_numpy(tokens[None] if tokens.ndim == 2 else tokens[None].astype(np.int64))


def check_states(network, index):
    for place in range(index.about["documents"]):
        given_ids = inputs(network, index, place)
        with torch.no_grad(), capture(network.module) as trace:
            if network.card.predicts == "sequence":
                network.module(given_ids, torch.zeros(1, 1, dtype=torch.int64))
            else:
                network.run(given_ids)
        for name, error in index.about["rounding"].items():
            layer, quantity = name.rsplit("/", 1)
            stored = index.read(f"states/{name}", slice(*index.document_starts[place : place + 2])).astype(np.float64)
            seen = trace.layers[layer][quantity][0]
            assert np.abs(stored - seen).max() <= error + 2e-6, (name, place)
            assert np.abs(seen).max() < 2048 * 2 * error


@pytest.mark.parametrize("name", CASES)
def test_states_and_tokens_are_those_of_the_network_on_each_document(name, tmp_path):
    network, (texts, options) = load_network(name), CASES[name]
    index = build(network, texts, tmp_path / "index", **options)
    assert index.steps == sum(len(network.tokens(normalize_whitespace(each))) for each in texts)
    check_states(network, index)
    assert (np.diff(index.document_starts) <= options.get("longest", 2000)).all()
    assert index.about["split_documents"] == sum(
        len(network.tokens(normalize_whitespace(each))) > options.get("longest", 2000) for each in texts
    )
    joined = {}
    for place in range(index.about["documents"]):
        start, stop = map(int, index.document_starts[place : place + 2])
        at, text = index.document_at(start), index.document_text(place)
        assert len(joined.setdefault(at.source, "")) == at.place and (at.start, at.stop) == (start, stop)
        joined[at.source] += text
        tokens, places = index.token_texts(start, stop), index.read("places", slice(start, stop))
        assert (np.diff(places.astype(int)) > 0).all()
        for token, first, labels in zip(tokens, places, network.labels(text), strict=True):
            if network.vocabulary is None:
                assert float(token) == pytest.approx(float(text[first:].split()[0].strip(",;")))
            elif token != network.card.unknown:
                assert text[first : first + len(token)].casefold() == token.casefold()
            else:
                assert text[first:].startswith(labels[1:-1])
        if network.vocabulary is not None:
            for each, values in text_properties(tokens).items():
                assert np.array_equal(index.read(f"annotations/{each}", slice(start, stop)), values.astype(np.float32))
    assert list(joined.values()) == [normalize_whitespace(each) for each in texts]
    if network.vocabulary is not None:
        unknown = [token for each in texts for token in network.symbols(each) if token not in network.ids]
        assert index.about["unknown"] == len(unknown) and (name != "recall-lstm" or unknown == ["met", "zebra", "zz"])
        counts = np.bincount(index.read("tokens", slice(None)), minlength=len(network.vocabulary))
        assert np.array_equal(index.read("token_counts", slice(None)), counts)
        assert set(PROPERTIES) <= set(index.about["annotations"])


def test_a_saved_stack_of_layers(tmp_path):
    torch.manual_seed(3)
    weights = {f"rnn.{name}": each for name, each in torch.nn.LSTM(3, 6, num_layers=3).state_dict().items()}
    torch.save(weights, tmp_path / "stack.pt")
    network = load_checkpoint(tmp_path / "stack.pt").network()
    texts = ["\n".join(f"{math.sin(step):.3f} {step % 3} 0.5" for step in range(count)) for count in (700, 1, 40)]
    index = build(network, texts, tmp_path / "index", quantities=("hidden", "cell"))
    assert list(index.layers.values()) == [6, 6, 6] and index.steps == 741
    check_states(network, index)
    top = build(network, texts, tmp_path / "top", layers=(list(index.layers)[-1],))
    check_states(network, top)
    assert len(top.layers) == 1 and not top.about["properties"]


@given(st.text(alphabet="ab \n\t\r", max_size=60), st.integers(1, 9))
@settings(max_examples=150)
def test_the_parts_of_a_document_are_its_text_and_its_tokens(text, longest):
    network = letter_network()
    parts = list(document_parts(network, Document("d", text), longest))
    whole = normalize_whitespace(text)
    assert "".join(each.text for each in parts) == whole
    assert [network.vocabulary[each] for part in parts for each in part.ids] == list(whole)
    assert all(1 <= len(each.ids) <= longest for each in parts)
    for part in parts[:-1]:
        quarter = part.text[(3 * longest) // 4 :]
        assert part.text.endswith("\n") or ("\n" not in quarter and len(part.ids) == longest)
    assert [part.start for part in parts] == [sum(len(each.text) for each in parts[:n]) for n in range(len(parts))]


@given(
    st.lists(
        st.sampled_from(["Moscow", "MOSCOW", "모스크바에", "Straße", "İstanbul", "me", ".", "zz", "’", "didn’t", "ﬀ"])
    )
)
@settings(max_examples=100)
def test_words_begin_where_the_text_has_them(words):
    network = load_network("recall-lstm")
    text = "  " + " \n".join(words)
    for part in document_parts(network, Document("d", text), 1000):
        symbols = network.symbols(part.text)
        assert len(symbols) == len(part.ids)
        for symbol, place in zip(symbols, part.places, strict=True):
            found = part.text[place : place + len(symbol)].replace("’", "'")
            assert found.casefold() == symbol.casefold().replace("’", "'")


def test_words_whose_lower_case_has_more_letters_do_not_move_those_after_them():
    network = load_network("sentiment")
    word = next(each for each in network.vocabulary if "ss" in each and each.isalpha() and each.isascii())
    text = f"{word.replace('ss', 'ß', 1)}! It was {word}."
    places = next(document_parts(network, Document("d", text), 100)).places
    assert places.tolist()[1:] == [
        text.index("!"),
        text.index("It"),
        text.index("was"),
        text.rindex(word),
        len(text) - 1,
    ]


def test_long_texts_are_split_into_words_in_one_pass():
    network = load_network("recall-lstm")
    text = "MOSCOW zz is to me. " * 30_000
    parts = list(document_parts(network, Document("d", text), 2000))
    assert sum(len(each.ids) for each in parts) == 180_000
    assert all(part.text[place] in "MziItTmM." for part in parts for place in part.places[:7])


@pytest.mark.parametrize("longest", [50, 600, 2000])
def test_states_do_not_depend_on_the_borders_of_shards(tmp_path, longest):
    network = letter_network()
    index = build(network, [*letter_texts(longest, 4, 300), "ab" * 600], tmp_path / "index", longest=longest)
    check_states(network, index)
    assert set(index.token_texts(0, index.steps)) <= set(LETTERS)

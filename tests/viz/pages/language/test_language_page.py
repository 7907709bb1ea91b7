"""The Language lens without a browser: factors and their arithmetic, zeros, smoothing, own corpora."""

import json
import math
import re
from collections import Counter
from concurrent.futures import Future
from pickle import PicklingError
from types import SimpleNamespace

import numpy as np
import pytest

from models.language.corpus import read_corpus, shipped_text, split_sentence
from models.language.corpus_counts import CorpusCounts
from models.language.frequency_ids import frequency_ids
from models.language.held_out import hold_out, score_held_out
from models.language.neural_models import MODEL_KINDS, network_probabilities
from models.language.sentence_probability import sentence_factors
from models.language.smoothing import METHODS, SCORES_ONLY, Smoothing
from models.training.run_queue import RunQueue
from models.training.training_tasks import task_data
from tests.support.inline_training import InlineQueue
from tests.support.lens_page import run, start, text_of, widget_at
from viz.pages.language.corpus_store import counted_corpus
from viz.pages.language.language_controls import OWN_TEXT
from viz.pages.panels import PAGE_PANELS
from viz.pages.train.setting_controls import DATA, SETTINGS
from viz.panel_choice import PANELS
from viz.view_options import parse_options

NUMBER = re.compile(r'data-quantity="(\w+)" data-layer="([\w-]+)"(?: data-unit="(\d+)")? data-value="([^"]+)"')


def numbers(page, group):
    """Return the hidden numbers of a group: (quantity, layer, unit) -> value."""
    html = next(each.proto.body for each in page.get("html") if f'data-group="{group}"' in each.proto.body)
    return {
        (quantity, layer, int(unit)): math.inf if value == "Infinity" else float(value)
        for quantity, layer, unit, value in NUMBER.findall(html.replace("-Infinity", "-inf"))
    }


def shown(page, column):
    """Return the values of a column of the first table that has it."""
    table = next(each.value for each in page.table if column in each.value.columns)
    return [value.replace("\\", "") for value in table[column]]


def test_the_factors_of_the_notes_are_read_off_the_page():
    page = start("language", look="ngram:5")
    assert {each.name for each in page.session_state[PAGE_PANELS].panels} <= set(PANELS)
    assert shown(page, "Word") == ["He", "is", "a", "good", "man", "⊣"]
    assert shown(page, "Count")[:2] == ["10 / 100", "8 / 10"] and shown(page, "Probability")[:2] == ["0.1", "0.8"]
    assert shown(page, "Given")[:3] == ["⊢", "⊢ He", "⊢ He is"]
    found = numbers(page, "language_factors")
    assert math.isclose(found["sentence_log2", "counting", 0], math.log2(0.1 * 0.8 * 0.5 * 0.5 * 0.5))
    factors = [value for (quantity, *_), value in found.items() if quantity == "probability"]
    assert len(factors) == 6
    assert math.isclose(found["sentence_log2", "counting", 0], sum(map(math.log2, factors)))
    assert "“⊢ He is” occurs 8 times" in text_of(page)
    assert not page.warning


def test_an_unseen_word_is_0_until_it_is_smoothed():
    page = start("language", look="sentence:He is a wizard")
    assert shown(page, "Word")[3] == "wizard (not in the vocabulary)" and shown(page, "Probability")[3] == "0"
    assert "“wizard” is not in the vocabulary of the corpus" in page.warning[0].value
    assert shown(page, "perplexity") == ["∞"]
    widget_at(page.selectbox, "language_smoothing").set_value("witten_bell")
    run(page)
    counts = CorpusCounts(read_corpus(shipped_text("en")))
    expected = sentence_factors(counts, Smoothing("witten_bell"), split_sentence("He is a wizard"), 3)[3].probability
    assert not page.warning
    found = numbers(page, "language_factors")
    assert found["probability", "counting", 3] == pytest.approx(expected, rel=1e-12) and expected > 0
    latex = "".join(each.value for each in page.latex)
    widget_at(page.button_group, "language_factor").set_value(0)
    orders = "".join(each.value for each in run(page).latex)
    assert r"P_{2}(\text{He} \mid \text{⊢})" in orders and r"P_{3}(\text{He} \mid \text{⊢ ⊢})" in orders
    assert r"\frac{0 + 5 \cdot" in latex and r"\text{wizard} \mid \text{is a}" in latex


def test_all_methods_are_compared_on_held_out_sentences():
    page = start("language", lang="ko", look="ngram:2;smoothing:kneser_ney;constant:0.5")
    found, held = numbers(page, "language_methods"), hold_out(read_corpus(shipped_text("ko")))
    for method in METHODS:
        smoothing = Smoothing(method, discount=0.5)
        if method not in SCORES_ONLY:
            assert found["perplexity", method, 2] == pytest.approx(score_held_out(held, smoothing, 2).perplexity)
    shares = numbers(page, "language_unseen_shares")
    assert [shares["unseen_share", "held_out", n] for n in range(1, 6)] == sorted(shares.values())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The corpus has no words."),
        ("go go\ngo", "The corpus has only one word, “go”"),
        ("a b\nb a", "The corpus has 2 sentences, but 5 are needed to hold one out."),
    ],
)
def test_an_own_corpus_that_is_too_small_is_one_sentence(text, sentence):
    page = start("language", look="corpus:own;sentence:a b", state={OWN_TEXT: text})
    assert any(each.value.startswith(sentence) for each in page.warning) and not page.error
    assert len(page.table) > 0


def test_a_short_own_text_is_in_the_link_and_a_missing_one_is_reported():
    page = start("language", look="ngram:2", panel="chain_rule")
    widget_at(page.button_group, "language_corpus").set_value("own")
    run(page)
    widget_at(page.text_area, "language_own").set_value("the cat; ran\nthe dog ran\nthe cat sat\n" + "a b\n" * 3)
    run(page)
    assert shown(page, "Word") == ["the", "cat", ";", "ran", "⊣"] and "too long" not in text_of(page)
    other = start("language", look=page.query_params["look"], panel="chain_rule")
    assert [each.value for each in other.warning] == [] and shown(other, "Count") == shown(page, "Count")
    widget_at(other.button_group, "language_corpus").set_value("en")
    assert "owntext" not in run(other).query_params["look"]

    widget_at(page.text_area, "language_own").set_value("the cat ran\n" * 300)
    assert "does not contain this text, since it is too long" in text_of(run(page))
    other = start("language", look=page.query_params["look"], panel="chain_rule")
    assert [each.value.partition(".")[0] for each in other.warning] == [
        "The corpus of this link is somebody’s own text, which the link does not contain"
    ]
    assert widget_at(other.button_group, "language_corpus").value == "en"
    assert parse_options(other.query_params["look"]) == {"ngram": "2"}


def test_repeated_words_are_told_apart():
    page = start("language", look="sentence:the dog and the dog;factor:4;middle:3", panel="-none")
    assert widget_at(page.button_group, "language_factor").options == ["the", "dog", "and", "the (2)", "dog (2)", "⊣"]
    assert widget_at(page.button_group, "language_factor").value == 4


def test_a_place_that_a_shorter_sentence_lacks_is_not_in_the_link():
    long = " ".join("abcdefghijklmnopqrst")
    page = start("language", look=f"sentence:{long};factor:2;middle:16", panel="-none")
    widget_at(page.text_input, "language_sentence").set_value("He is a wizard")
    assert parse_options(run(page).query_params["look"]) == {"sentence": "He is a wizard", "factor": "2"}
    assert not [each for each in page.warning if "link" in each.value]


def test_the_counts_open_at_the_length_of_the_shown_ngram_and_one_time_is_singular():
    page = start("language", look="sentence:He is a tall;factor:3;ngram:4")
    assert widget_at(page.button_group, "language_table_n").value == 4
    count = sentence_factors(counted_corpus(shipped_text("en")).counts, Smoothing(), split_sentence("He is a tall"), 4)[
        3
    ].count
    assert count == 1 and "“He is a tall” occurs 1 time:" in text_of(page)
    assert "“He is a tall” occurs 1 time, but “⊣” never follows." in text_of(
        start("language", look="sentence:He is a tall;ngram:5", panel="-none")
    )


def test_the_ids_of_the_sentence_are_shown_and_what_num_words_leaves_out():
    page = start("language", look="sentence:He is a wizard;numwords:4", panel="token_ids")
    corpus = read_corpus(shipped_text("en"))
    found = numbers(page, "language_token_ids")
    _counts, ids = frequency_ids(corpus)
    own = corpus.encode(["He", "is", "a", "wizard"])
    assert [found["token_id", "model", place] for place in range(4)] == own
    ranks = [found["token_id", "keras", place] for place in range(4)]
    assert ranks == ids[own].tolist() and ranks[3] == 0
    kept = [int(rank) for rank in ranks if 0 < rank < 4]
    assert 0 < len(kept) < 3 and f'["He is a wizard"])  # [{kept}]' in page.code[0].value
    assert f"# {len(corpus.words) - 2}" in page.code[0].value
    assert "– (left out)" in shown(page, "Id by frequency (Keras)")
    words = Counter(word for text in shipped_text("en").splitlines() for word in split_sentence(text))
    share = sum(count for _word, count in words.most_common(3)) / words.total()
    assert f"3 of {len(words)} different words, which are {share:.1%} of all words" in text_of(page)


def test_a_sentence_without_words_keeps_the_first_one():
    page = start("language", look="sentence:...")
    assert page.warning[0].value.startswith("The sentence has no words.") and shown(page, "Word")[0] == "He"


@pytest.mark.slow
def test_networks_and_vectors_are_trained_and_shown_beside_the_counts(monkeypatch):
    monkeypatch.setattr("models.training.queued_calls.shared_queue", InlineQueue)
    monkeypatch.setattr("models.language.train_language_model.MAX_EPOCHS", 3)
    monkeypatch.setattr("models.language.word_vectors.MAX_EPOCHS", 5)
    text = "\n".join(shipped_text("en").splitlines()[:30])
    page = start("language", look="corpus:own;sentence:He is a good man;word:students;window:1", state={OWN_TEXT: text})
    page.button(key="language_train_networks").click()
    run(page)
    counted = counted_corpus(text)
    networks = counted.networks
    factors, shown_rows = numbers(page, "language_factors"), numbers(page, "language_networks")
    for kind in MODEL_KINDS:
        expected = network_probabilities(networks[kind], counted.counts.corpus, ["He", "is", "a", "good", "man"])
        found = [factors["probability", kind, place] for place in range(6)]
        assert np.allclose(found, expected, rtol=1e-9)
        assert math.isclose(factors["sentence_log2", kind, 0], sum(map(math.log2, found)), rel_tol=1e-9)
        assert shown_rows["perplexity", kind, 0] == networks[kind].held_out_perplexity
    page.button(key="language_train_vectors").click()
    run(page)
    text = text_of(page).replace("\\", "")
    assert "“students” is not in the corpus. Word2Vec (CBOW, skip-gram) has no vector for it." in text
    assert "<stu" in text and not page.warning
    assert shown(page, "CBOW")[0] == "–" and "(" in shown(page, "FastText")[0]
    vectors = counted.vectors("cbow", 1)
    predicted = vectors.predict_middle(["is", "good"], 6)
    assert shown(page, "Share") == [f"{share:.1%}" for _word, share in predicted]
    chart = next(each for each in page.get("plotly_chart") if "language_plane" in each.proto.id)
    assert [each["name"] for each in json.loads(chart.proto.spec)["data"]][-1] == "chosen word"


def test_a_training_that_cannot_be_submitted_is_one_sentence_and_can_be_started_again(monkeypatch):
    def submit(*arguments, **settings):
        raise PicklingError("it's not the same object")

    queue = RunQueue(1)
    queue._client = SimpleNamespace(submit=submit)
    monkeypatch.setattr("models.training.queued_calls.shared_queue", lambda: queue)
    text = "\n".join(["a b", "b a", "a a b"] * 3)
    page = start("language", look="corpus:own;sentence:a b", panel="neural_models", state={OWN_TEXT: text})
    for _again in range(2):
        page.button(key="language_train_networks").click()
        assert [each.value for each in run(page).warning] == [
            "The data could not be sent to the training process (PicklingError). Start the training again."
        ]


class Waiting(Future):
    """A future of a call that has reported nothing."""

    key, client = "call", SimpleNamespace(get_events=lambda topic: ())


@pytest.mark.slow
def test_a_training_is_stopped_by_its_reader_alone(monkeypatch):
    futures = []
    queue = SimpleNamespace(compute=lambda *_: futures.append(Waiting()) or futures[-1])
    monkeypatch.setattr("models.training.queued_calls.shared_queue", lambda: queue)
    look, state = "corpus:own;sentence:a b", {OWN_TEXT: "\n".join(["a b", "b a", "a b a"] * 3)}
    page = start("language", look=look, panel="neural_models", state=state)
    page.button(key="language_train_networks").click()
    run(page)
    other = start("language", look=look, panel="neural_models", state=state)
    assert "Training in another process" in text_of(other) and "Stop" not in [each.label for each in other.button]
    page.button(key="language_stop_window").click()
    run(page)
    assert len(futures) == 3 and all(each.cancelled() for each in futures)
    assert not page.warning and page.button(key="language_train_networks") and run(other).button


@pytest.mark.slow
def test_the_train_page_opens_with_the_corpus(monkeypatch):
    opened = []
    monkeypatch.setattr("streamlit.switch_page", opened.append)
    page = start("language", panel="neural_models")
    page.button(key="language_to_train").click()
    options = SETTINGS.parse(parse_options(run(page).query_params["look"])["training"])
    assert [each.url_path for each in opened] == ["train"] and options.task == "text" and options.level == "words"
    assert (options.data or page.session_state[DATA]).splitlines() == list(read_corpus(shipped_text("en")).sentences)
    task_data(options.with_changes(data=options.data or page.session_state[DATA]))
    monkeypatch.setattr("viz.pages.language.train_on_corpus.MAX_CHARACTERS", 100)
    page = start("language", panel="neural_models")
    assert "Upload its file there." in text_of(page)
    page.button(key="language_to_train").click()
    assert not SETTINGS.parse(parse_options(run(page).query_params["look"])["training"]).data


def test_a_corpus_that_is_too_large_for_the_networks_is_still_counted(monkeypatch):
    monkeypatch.setattr("models.language.train_language_model.MAX_WORDS", 300)
    page = start("language")
    assert [each.value for each in page.warning] == [
        "The networks are trained on at most 300 words, but the corpus has 518. Use a part of it."
    ]
    assert shown(page, "Count")[:2] == ["10 / 100", "8 / 10"]

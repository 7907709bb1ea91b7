"""The sentiment network: it reads everyday sentences, negations turn them, and padding harms where it is read."""

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import Problem, load_network, run_network
from models.core.tokenize_text import split_words
from models.networks.forward_run import ClassPrediction
from models.networks.network import Network
from models.states.padding_effect import padding_effect
from models.zoo import reviews, sentiment
from models.zoo.korean_inflection import endings, forms
from models.zoo.text_grammar import COMMON, expand, is_held_out_pair, parse, sample_pair, sections
from tests.support.everyday_sentences import read_sentences, score_sentences


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("sentiment")


# The grammar


@given(seed=st.integers(0, 10**6), language=st.sampled_from(["en", "ko"]))
def test_a_review_reads_as_it_was_made(seed, language):
    made = reviews.sample_review(Random(seed), language, unseen=None)
    assert split_words(made.text, reviews.vocabulary(), reviews.particles()) == list(made.tokens)
    assert made.tokens and made.text and made.label in (0, 1) and made.language == language
    written = re.sub(r"~(?!\w)", "", made.text.replace("^^", ""))  # a mark of Korean messages, not of a template
    assert not set("{}|~^+") & set(written), made.text


def test_the_vocabulary_has_the_words_of_its_reviews():
    known = set(reviews.vocabulary())
    tokens = [token for made in reviews.sample_reviews(5, 400) for token in made.tokens]
    assert np.mean([token in known for token in tokens]) > 0.995
    assert len(known) == len(reviews.vocabulary()) and {"", " "}.isdisjoint(known)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("label", [0, 1])
def test_pairs_left_out_of_training_are_apart(language, label):
    sampler = reviews.samplers()[language]
    words, negated = sampler.adjectives(label), sampler.lists["negated"]
    for held_out in (True, False):
        for seed in range(200):
            template, word = sample_pair(Random(seed), negated, words, held_out)
            assert is_held_out_pair(template, words.index(word)) == held_out or "{A" not in negated[template]
    assert not any(is_held_out_pair(template, word) for template in range(9) for word in range(COMMON))


def test_a_template_gives_each_of_its_alternatives_and_nothing_else():
    made = {expand("a (b|(c|) d|{x:1}) e", Random(seed), lambda name, mark: name + mark) for seed in range(200)}
    assert made == {"a b e", "a c d e", "a d e", "a x1 e"}
    with pytest.raises(ValueError, match="Unbalanced"):
        parse("a ) b")
    for file in ("english.txt", "korean.txt"):
        for entries in sections(file).values():
            assert entries and all(parse(entry) for entry in entries)


@pytest.mark.parametrize(
    ("stem", "kind", "expected"),
    [
        ("좋", "adjective", "좋아 좋았 좋은 좋을 좋음"),
        ("예쁘", "adjective", "예뻐 예뻤 예쁜 예쁠 예쁨"),
        ("바쁘", "adjective", "바빠 바빴 바쁜 바쁠 바쁨"),
        ("아깝", "adjective", "아까워 아까웠 아까운 아까울 아까움"),
        ("좁", "adjective", "좁아 좁았 좁은 좁을 좁음"),
        ("빠르", "adjective", "빨라 빨랐 빠른 빠를 빠름"),
        ("지루하", "adjective", "지루해 지루했 지루한 지루할 지루함"),
        ("그렇", "adjective", "그래 그랬 그런 그럴 그럼"),
        ("힘들", "adjective", "힘들어 힘들었 힘든 힘들 힘듦"),
        ("듣", "verb", "들어 들었 들은 들을 들음"),
        ("받", "verb", "받아 받았 받은 받을 받음"),
        ("낫", "adjective", "나아 나았 나은 나을 나음"),
        ("웃", "verb", "웃어 웃었 웃은 웃을 웃음"),
        ("돕", "verb", "도와 도왔 도운 도울 도움"),
        ("보", "verb", "봐 봤 본 볼 봄"),
        ("되", "verb", "돼 됐 된 될 됨"),
        ("마시", "verb", "마셔 마셨 마신 마실 마심"),
        ("배우", "verb", "배워 배웠 배운 배울 배움"),
        ("켜", "verb", "켜 켰 켠 켤 켬"),
        ("나", "verb", "나 났 난 날 남"),
    ],
)
def test_stems_are_inflected_as_in_the_standard_grammar(stem, kind, expected):
    of = forms(stem, kind)
    assert " ".join(of[name] for name in ("aeo", "past", "n", "l", "m")) == expected


def test_a_korean_word_is_split_into_its_stem_and_its_endings(network):
    for text, tokens in {
        "재미없고 돈이 아까웠어요": "재미없 고 돈 이 아까웠 어요",
        "지루하지 않았어요": "지루 하 지 않 았 어요",
        "최고였습니다.": "최고 였습니다 .",
        "The movie’s plot didn't work": "the movie 's plot didn't work",
    }.items():
        assert " ".join(network.tokens(text)) == tokens
        assert network.unknown(text) == []
    assert len(endings()) == len(set(endings()))


# The network


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("The film was good.", 1),
        ("The film was not good.", 0),
        ("I do not think the film was boring.", 1),
        ("Although the film was good, the music was boring.", 0),
        ("I want my money back", 0),
        ("I couldn't stop laughing!", 1),
        ("영화는 좋았어요.", 1),
        ("영화는 좋지 않았어요.", 0),
        ("영화는 지루하지 않았어요.", 1),
        ("이 영화 정말 재미없고 돈이 아까웠어요", 0),
        ("비싸지만 음식이 정말 맛있었다", 1),
        ("다시는 안 갈 거예요", 0),
    ],
)
def test_everyday_sentences_are_classified(network, text, best):
    prediction = run_network(network, text).prediction
    assert isinstance(prediction, ClassPrediction) and prediction.best == best
    assert prediction.probability.sum() == pytest.approx(1) and prediction.probability[best] > 0.8
    assert prediction.classes == {"en": ("negative", "positive"), "ko": ("부정", "긍정")}


def test_forty_sentences_written_without_knowledge_of_the_vocabulary(network):
    """Twenty in each language by somebody who did not choose the words; the network was not trained or chosen on them."""
    scores = score_sentences(network, read_sentences(Path(__file__).with_name("everyday_sentences.tsv")))
    assert {language: score.sentences for language, score in scores.items()} == {"en": 20, "ko": 20}
    for language, score in scores.items():
        assert score.right >= 18 and score.known >= 0.9 * score.tokens, (language, score.remarks)


def test_a_word_that_nobody_uses_is_unknown_and_marked(network):
    run = run_network(network, "The qwertzuiop was good")
    assert run.unknown == ("qwertzuiop",) and run.labels[1] == "[qwertzuiop]"
    assert network.unknown("뷁뛟이 좋았어요") == ["뷁뛟이"]


@pytest.mark.slow
def test_it_is_as_good_as_its_card_says_and_better_than_its_words_alone(network):
    metrics = network.card.metrics
    negated = metrics["accuracy"]["negated"]
    assert negated > 0.9 and negated > metrics["accuracy_of_bag_of_words"]["negated"] + 0.1
    fresh = reviews.sample_reviews(777, 300, negated=True, unseen=None)
    assert sentiment.sentiment_accuracy(network.module, fresh) == pytest.approx(negated, abs=0.05)
    said = metrics["accuracy_by_padding"]
    assert set(said["masked"].values()) == {said["read"]["0"]}  # the mask removes every effect on the answer
    mixed = reviews.sample_reviews(778, 300, unseen=None)
    assert sentiment.sentiment_accuracy(network.module, mixed, 20, masked=False) == pytest.approx(
        said["read"]["20"], abs=0.05
    )


def test_the_mask_takes_padding_away(network):
    text = network.card.default.text
    alone, both = run_network(network, text), padding_effect(network, text, 30)
    torch.testing.assert_close(
        torch.tensor(both.masked.prediction.probability), torch.tensor(alone.prediction.probability), rtol=0, atol=1e-6
    )
    for name, layer in both.masked.trace.layers.items():
        assert layer.lengths.tolist() == [both.steps] == [len(both.masked.labels)]
        np.testing.assert_allclose(layer.hidden[0, : both.steps], alone.trace.layers[name].hidden[0], atol=1e-6)
    last = both.unmasked.trace.layers["rnn.l0"].hidden[0]
    assert len(last) == both.steps + 30 == len(both.unmasked.labels) and both.unmasked.labels[-1] == reviews.PADDING
    # forwards nothing is changed up to the text's end, and much after it; backwards everything was read after the padding
    np.testing.assert_allclose(last[: both.steps], alone.trace.layers["rnn.l0"].hidden[0], atol=1e-6)
    assert np.abs(last[-1] - last[both.steps - 1]).max() > 0.1
    typed = run_network(network, text + " " + reviews.PADDING * 30)
    np.testing.assert_allclose(typed.prediction.probability, both.unmasked.prediction.probability, atol=1e-6)


def test_no_padding_at_all_and_networks_without(network):
    both = padding_effect(network, "The film was good.", 0)
    np.testing.assert_allclose(both.masked.prediction.probability, both.unmasked.prediction.probability, atol=1e-6)
    with pytest.raises(Problem, match=r"^counter has no padding symbol[^\n]*\.$"):
        padding_effect(load_network("counter"), ".ab", 3)
    with pytest.raises(Problem, match=r"^The number of padding steps must be 0 or more, not -1\.$"):
        padding_effect(network, "The film was good.", -1)

"""The sentiment network: reviews are what they say, negations turn them, and padding harms where it is read."""

import numpy as np
import pytest
import torch

from models import Problem, load_network, run_network
from models.core.tokenize_text import split_words
from models.networks.forward_run import ClassPrediction
from models.networks.network import Network
from models.states.padding_effect import padding_effect
from models.states.text_properties import NEGATIONS
from models.zoo import reviews, sentiment


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("sentiment")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_review_reads_as_it_was_made(language):
    for seed in range(60):
        made = reviews.sample_review(np.random.default_rng(seed), language, unseen=None)
        text = reviews.readable_review(made.tokens)
        assert split_words(text, reviews.vocabulary(), reviews.PARTICLES) == list(made.tokens)
        assert made.negated == any(token in NEGATIONS for token in made.tokens) or "," in text or "지만" in text


def test_pairs_left_out_of_training_are_apart():
    for unseen in (True, False):
        for made in reviews.sample_reviews(1, 200, negated=True, unseen=unseen, language="en"):
            opinion = " ".join(made.tokens)
            if "although" in opinion or "was not" not in opinion or "at all" in opinion:
                continue
            words = [w for group in reviews.ENGLISH for w in group if w in made.tokens]
            place = next(group.index(words[0]) for group in reviews.ENGLISH if words[0] in group)
            assert reviews.is_held_out_pair(0, place) == unseen


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("The film was good.", 1),
        ("The film was not good.", 0),
        ("I do not think the film was boring.", 1),
        ("Although the film was good, the music was boring.", 0),
        ("영화는 좋았어요.", 1),
        ("영화는 좋지 않았어요.", 0),
        ("영화는 지루하지 않았어요.", 1),
    ],
)
def test_negations_turn_an_opinion_round(network, text, best):
    prediction = run_network(network, text).prediction
    assert isinstance(prediction, ClassPrediction) and prediction.best == best
    assert prediction.probability.sum() == pytest.approx(1) and prediction.probability[best] > 0.9
    assert prediction.classes == {"en": ("negative", "positive"), "ko": ("부정", "긍정")}


@pytest.mark.slow
def test_it_is_as_good_as_its_card_says_and_better_than_its_words_alone(network):
    metrics = network.card.metrics
    negated = metrics["accuracy"]["negated"]
    assert negated > 0.95 and negated > metrics["accuracy_of_bag_of_words"]["negated"] + 0.1
    fresh = reviews.sample_reviews(777, 300, negated=True, unseen=None)
    assert sentiment.sentiment_accuracy(network.module, fresh) == pytest.approx(negated, abs=0.05)
    said = metrics["accuracy_by_padding"]
    assert said["masked"]["50"] == said["masked"]["0"] > said["read"]["20"] + 0.1
    mixed = reviews.sample_reviews(778, 300, unseen=None)
    assert sentiment.sentiment_accuracy(network.module, mixed, 20, masked=False) == pytest.approx(
        said["read"]["20"], abs=0.12
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

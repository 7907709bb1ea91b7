"""Counts, smoothing and perplexity, against nltk and a hand computation."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.lm import MLE, KneserNeyInterpolated, Lidstone, StupidBackoff, WittenBellInterpolated
from nltk.lm.api import LanguageModel
from nltk.lm.models import InterpolatedLanguageModel
from nltk.lm.smoothing import KneserNey, WittenBell

from models.core.messages import Problem
from models.language.corpus import (
    END,
    MAX_BYTES,
    START,
    UNKNOWN,
    corpus_text,
    read_corpus,
    shipped_text,
    split_sentence,
)
from models.language.corpus_counts import CorpusCounts
from models.language.held_out import hold_out, score_held_out, unseen_shares
from models.language.sentence_probability import product_of, sentence_factors, typed_words
from models.language.smoothing import METHODS, SCORES_ONLY, Smoothing, sentence_ngrams, smoothed_steps, sum_over_words

FIVE = "a b a\na b\nb\nc a b\na c"
"""Five sentences whose counts are easily done by hand."""


def counts_of(text):
    return CorpusCounts(read_corpus(text))


class UniformWittenBell(WittenBell):
    """nltk's estimator, which ends at the unigrams, with the uniform distribution below them."""

    def unigram_score(self, word):
        alpha, gamma = self.alpha_gamma(word, None)
        return alpha + gamma / self.choices

    def alpha_gamma(self, word, context):
        if context is not None:
            return super().alpha_gamma(word, context)
        n_plus, total = sum(count > 0 for count in self.counts.unigrams.values()), self.counts.unigrams.N()
        return self.counts.unigrams[word] / (n_plus + total), n_plus / (n_plus + total)


class UniformKneserNey(KneserNey):
    """nltk's estimator with the uniform distribution below the continuation unigrams."""

    def unigram_score(self, word):
        count, total = (
            (self.counts.unigrams[word], self.counts.unigrams.N())
            if self._order == 1
            else self._continuation_counts(word)
        )
        kinds = sum(each > 0 for each in self.counts.unigrams.values())
        return max(count - self.discount, 0) / total + self.discount * kinds / total / self.choices


class FixedWeight:
    """Jelinek and Mercer's interpolation with one weight, as an estimator of nltk's."""

    def __init__(self, vocabulary, counter, weight, choices):
        self.counts, self.weight, self.choices = counter, weight, choices

    def unigram_score(self, word):
        return self.weight * self.counts.unigrams.freq(word) + (1 - self.weight) / self.choices

    def alpha_gamma(self, word, context):
        return self.weight * self.counts[context].freq(word), 1 - self.weight


class FixedInterpolation(InterpolatedLanguageModel):
    """The language model of ``FixedWeight``."""

    def __init__(self, order, weight, choices, **options):
        super().__init__(FixedWeight, order, params={"weight": weight, "choices": choices}, **options)


def nltk_model(method: str, order: int, counts: CorpusCounts, smoothing: Smoothing) -> LanguageModel:
    """Return nltk's model of a corpus, fitted to the n-grams that end at a word or at the end of a sentence."""
    names, sentences = counts.corpus.words, []
    for number in range(len(counts.corpus.starts)):
        words = counts.corpus.sentence_words(number).tolist()
        padded = [START] * (order - 1) + words + [END]
        grams = [
            tuple(names[each] for each in padded[last - size + 1 : last + 1])
            for last in range(order - 1, len(padded))
            for size in range(1, order + 1)
        ]
        sentences.append(grams)
    choices = counts.corpus.choices
    model = {
        "none": lambda: MLE(order),
        "add_k": lambda: Lidstone(smoothing.k, order),
        "backoff": lambda: StupidBackoff(smoothing.factor, order),
        "interpolation": lambda: FixedInterpolation(order, smoothing.weight, choices),
        "witten_bell": lambda: WittenBellInterpolated(order),
        "kneser_ney": lambda: KneserNeyInterpolated(order, smoothing.discount),
    }[method]()
    # nltk's Lidstone takes all words of its vocabulary for possible next words. The start symbol is not one.
    words = [word for word in names if word != "<UNK>" and (method != "add_k" or word != names[START])]
    model.fit(sentences, vocabulary_text=words)
    if method in ("witten_bell", "kneser_ney"):
        kind = UniformWittenBell if method == "witten_bell" else UniformKneserNey
        more = {} if method == "witten_bell" else {"discount": smoothing.discount, "order": order}
        model.estimator = kind(model.vocab, model.counts, **more)
        model.estimator.choices = choices
    return model


WORDS = st.sampled_from(["a", "b", "c", "d"])
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=6), min_size=2, max_size=8).filter(
    lambda sentences: len({word for words in sentences for word in words}) > 1
)


@settings(max_examples=40, deadline=None)
@given(
    TEXTS,
    st.integers(1, 5),
    st.sampled_from(METHODS),
    st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=6),
    st.floats(0.05, 0.95),
)
def test_probabilities_are_those_of_nltk(sentences, order, method, typed, constant):
    counts = counts_of("\n".join(map(" ".join, sentences)))
    smoothing = Smoothing(method, k=2 * constant, weight=constant, factor=constant, discount=constant)
    model = nltk_model(method, order, counts, smoothing)
    ngrams = sentence_ngrams(counts.corpus, typed, order)
    if method == "add_k":
        ngrams = ngrams[(ngrams[:, :-1] != UNKNOWN).all(1)]
    names = counts.corpus.words
    expected = [model.score(names[ids[-1]], [names[each] for each in ids[:-1]]) for ids in ngrams.tolist()]
    found = smoothed_steps(counts, smoothing, ngrams)[-1].probability
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-12)
    if len(expected) and 0 not in expected:
        grams = [tuple(names[each] for each in ids) for ids in ngrams.tolist()]
        assert math.isclose(product_of(found).perplexity, model.perplexity(grams), rel_tol=1e-9)
    if method not in SCORES_ONLY and method != "none":
        context = tuple(sentence_ngrams(counts.corpus, typed, order)[-1, :-1].tolist())
        assert math.isclose(sum_over_words(counts, smoothing, context), 1.0, rel_tol=1e-9)


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_counts_are_those_of_a_plain_loop(sentences):
    counts = counts_of("\n".join(map(" ".join, sentences)))
    for order in range(1, 6):
        grams = Counter()
        for words in sentences:
            padded = [START] * (order - 1) + counts.corpus.encode(words) + [END]
            grams.update(tuple(padded[last - order + 1 : last + 1]) for last in range(order - 1, len(padded)))
        rows = counts.most_frequent(order, 1000)
        assert {row.ids: row.count for row in rows} == dict(grams) and len(rows) == counts.kinds_of(order)
        contexts = Counter()
        for ids, count in grams.items():
            contexts[ids[:-1]] += count
        assert all(contexts[row.ids[:-1]] == row.context_count for row in rows)


def test_five_sentences_by_hand():
    counts = counts_of(FIVE)
    # 11 words and 5 ends: a 5, b 4, c 2. After a: b 3 times, c once, the end once.
    bigram = {"none": Fraction(3, 5), "add_k": Fraction(3 + 1, 5 + 5), "backoff": Fraction(3, 5)}
    unigram = Fraction(4 + 4 * Fraction(1, 5), 16 + 4)  # Witten-Bell of b; V = a, b, c, the end, the unknown word
    bigram["witten_bell"] = (3 + 3 * unigram) / (5 + 3)
    lower = Fraction(7, 10) * Fraction(4, 16) + Fraction(3, 10) * Fraction(1, 5)
    bigram["interpolation"] = Fraction(7, 10) * Fraction(3, 5) + Fraction(3, 10) * lower
    # different words before: a (start, b, c), b (a, start), c (start, a), the end (a, b, c): 10 bigrams
    continued = (2 - Fraction(3, 4)) / 10 + Fraction(3, 4) * Fraction(4, 10) * Fraction(1, 5)
    bigram["kneser_ney"] = (3 - Fraction(3, 4)) / 5 + Fraction(3, 4) * Fraction(3, 5) * continued
    for method, expected in bigram.items():
        factors = sentence_factors(counts, Smoothing(method), ["a", "b"], 2)
        assert factors[1].count == 3 and factors[1].context_count == 5
        assert math.isclose(factors[1].probability, float(expected), rel_tol=1e-12), method
    product = product_of(np.array([each.probability for each in sentence_factors(counts, Smoothing(), ["a", "b"], 2)]))
    # P(a | start) P(b | a) P(end | b) = 3/5 · 3/5 · 3/4
    assert math.isclose(product.probability, 27 / 100) and math.isclose(product.perplexity, (100 / 27) ** (1 / 3))


@pytest.mark.parametrize(
    ("language", "first", "second", "sentence"),
    [("en", "He", "is", "He is a good man"), ("ko", "그는", "정말", "그는 정말 좋은 사람이에요")],
)
def test_the_shipped_corpora_have_the_probabilities_of_the_notes(language, first, second, sentence):
    counts = counts_of(shipped_text(language))
    assert len(counts.corpus.sentences) == len(set(counts.corpus.sentences)) == 100
    factors = sentence_factors(counts, Smoothing(), split_sentence(sentence), 5)
    assert [(each.word, each.count, each.context_count) for each in factors[:2]] == [(first, 10, 100), (second, 8, 10)]
    assert all(each.probability > 0 for each in factors)
    behind = counts.sentences_with((counts.corpus.ids[first], counts.corpus.ids[second]))
    assert len(behind) == 8 and all(counts.corpus.sentences[each].startswith(first) for each in behind)
    unseen = sentence_factors(counts, Smoothing(), [first, second, "zzz"], 3)
    assert unseen[2].is_unknown and unseen[2].probability == 0


def test_held_out_sentences_are_scored_as_by_nltk():
    held = hold_out(read_corpus(shipped_text("en")))
    names = held.sentences.words
    sentences = [held.sentences.sentence_words(number).tolist() for number in range(20)]
    for method in set(METHODS) - {"add_k"}:
        smoothing = Smoothing(method)
        model = nltk_model(method, 3, held.counts, smoothing)
        padded = [[START, START, *words, END] for words in sentences]
        grams = [tuple(names[each] for each in ids[at - 2 : at + 1]) for ids in padded for at in range(2, len(ids))]
        scores = np.array([model.score(gram[-1], gram[:-1]) for gram in grams])
        found = score_held_out(held, smoothing, 3)
        assert (found.zeros, found.count) == ((scores == 0).sum(), len(grams))
        if found.zeros == 0:
            assert math.isclose(found.perplexity, 2 ** float(-np.log2(scores).mean()), rel_tol=1e-9)
        else:
            assert found.perplexity == math.inf
    shares = unseen_shares(held)
    assert shares == sorted(shares) and 0 < shares[0] == held.unknown_share and shares[-1] > 0.5


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The corpus has no words."),
        (b"...\n\n!?", "The corpus has no words."),
        ("안녕\n안녕".encode(), "The corpus has only one word, “안녕”"),
        ("아니오".encode("utf-16"), "This file is not text in UTF-8."),
        (b"a b\n" * (MAX_BYTES // 4 + 1), "The corpus is larger than 10 MB."),
        (b"a b\n" * 20, "The corpus has more than 100 words"),
    ],
)
def test_a_corpus_that_cannot_be_counted_is_one_sentence(content, sentence, monkeypatch):
    monkeypatch.setattr("models.language.corpus.MAX_POSITIONS", 100)
    with pytest.raises(Problem, match="^" + sentence.replace(".", r"\.")):
        read_corpus(corpus_text(content))


def test_sentences_that_cannot_be_scored_or_held_out_are_one_sentence():
    with pytest.raises(Problem, match="The sentence has no words"):
        typed_words(" . ")
    with pytest.raises(Problem, match="The sentence has 201 words"):
        typed_words("a " * 201)
    with pytest.raises(Problem, match="The corpus has 4 sentences"):
        hold_out(read_corpus("a b\na\nb\na"))


def test_marks_split_sentences_and_forms_of_letters_are_one():
    corpus = read_corpus("\ufeffIt's \u1100\u1161. Is it? Yes, 3.14!\r\n\r\nBye")
    assert corpus.sentences == ("It's \u1100\u1161.", "Is it?", "Yes, 3.14!", "Bye")
    assert "가" in corpus.ids and corpus.word_count == 10

"""Ids by frequency against Keras's own Tokenizer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.language.corpus import UNKNOWN, read_corpus, shipped_text
from models.language.frequency_ids import frequency_ids, kept_ids
from tests.support.keras_files import keras

SENTENCES = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h"]), min_size=1, max_size=6), min_size=1, max_size=8
)


Tokenizer = keras.src.legacy.preprocessing.text.Tokenizer


def check(corpus, num_words, sentence):
    tokenizer = Tokenizer(num_words=num_words or None, lower=False, filters="")
    numbers = range(len(corpus.starts))
    tokenizer.fit_on_texts([" ".join(corpus.words[each] for each in corpus.sentence_words(k)) for k in numbers])
    counts, ids = frequency_ids(corpus)
    words = corpus.words[UNKNOWN + 1 :]
    assert {word: int(ids[corpus.ids[word]]) for word in words} == tokenizer.word_index
    assert {word: int(counts[corpus.ids[word]]) for word in words} == dict(tokenizer.word_counts)
    assert kept_ids(corpus, ids, sentence, num_words) == tokenizer.texts_to_sequences([" ".join(sentence)])[0]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_shipped_corpora(language):
    corpus = read_corpus(shipped_text(language))
    check(corpus, 5, [*corpus.words[3:12], "elsewhere"])


@pytest.mark.slow
@given(SENTENCES, st.integers(0, 9))
def test_drawn_corpora(sentences, num_words):
    if len({word for each in sentences for word in each}) < 2:
        sentences = [*sentences, ["a", "b"]]
    corpus = read_corpus("\n".join(map(" ".join, sentences)))
    check(corpus, num_words, ["a", "c", "zz", "h", "b"])

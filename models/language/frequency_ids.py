"""Ids of words by their frequency, as Keras's ``Tokenizer`` numbers them, and the words that ``num_words`` leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.language.corpus import UNKNOWN, Corpus


def frequency_ids(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of the V symbols and their ids by frequency, (V,) int64 each, both 0 of the three symbols.

    The most frequent word has id 1; of equally frequent words the one that came first has the lower id. They are the ids of
    ``Tokenizer(lower=False, filters="")`` on the words of the corpus.
    """
    counts = np.bincount(corpus.tokens, minlength=len(corpus.words))
    counts[: UNKNOWN + 1] = 0
    order = (
        np.argsort(-counts[UNKNOWN + 1 :], kind="stable") + UNKNOWN + 1
    )  # words are in the order of their first place
    ids = np.zeros_like(counts)
    ids[order] = np.arange(1, len(order) + 1)
    return counts, ids


def kept_ids(corpus: Corpus, ids: np.ndarray, words: Sequence[str], num_words: int) -> list[int]:
    """Return the ids of words as Keras's ``texts_to_sequences``: without those outside the vocabulary and those cut.

    Args:
        corpus: whose vocabulary it is.
        ids: (V,) of ``frequency_ids``.
        words: of a sentence.
        num_words: only ids below it are kept; 0 for all.
    """
    found = [int(ids[each]) for each in corpus.encode(words) if each != UNKNOWN]
    return [each for each in found if not num_words or each < num_words]

"""Word vectors of a corpus by gensim: CBOW and skip-gram of Word2Vec (Mikolov et al. 2013), and FastText (Bojanowski et al.
2017), which adds the vectors of a word's character n-grams.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from models.core.messages import Problem
from models.language.corpus import Corpus
from models.training.cancelled_calls import end_if_cancelled

VectorKind = Literal["cbow", "skip_gram", "fasttext"]
VECTOR_KINDS: tuple[VectorKind, ...] = get_args(VectorKind)

SIZE = 32
"""Numbers of a word's vector."""

SHORTEST, LONGEST, BUCKETS = 2, 4, 20_000
"""Characters of FastText's n-grams, with < and > around the word, and the rows of their table, which they share by a hash."""

PASSED_WORDS, MAX_EPOCHS = 300_000, 200
"""Words that training passes over in all, at least once each; epochs at most."""

MAX_TRAINED = 4_000_000
"""Words of a corpus times epochs, at most: they bound the duration."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Trained vectors.

    Attributes:
        kind: the method.
        words: V words, the most frequent first.
        vectors: (V, D) float32, of the words.
        output: (V, D) float32, of the words as targets of the prediction.
        subwords: (B, D) float32, of the hashed character n-grams of FastText; None for the others.
        window: words on each side that are predicted from, or predicted.
        epochs: of the training. seconds: its duration.
    """

    kind: VectorKind
    words: tuple[str, ...]
    vectors: np.ndarray
    output: np.ndarray
    subwords: np.ndarray | None
    window: int
    epochs: int
    seconds: float

    def place(self, word: str) -> int | None:
        """Return the row of a word, or None if training did not have it."""
        try:
            return self.words.index(word)
        except ValueError:
            return None

    def vector(self, word: str) -> np.ndarray | None:
        """Return the vector (D) of a word; of an unseen one FastText's mean of its character n-grams, else None."""
        place = self.place(word)
        if place is not None:
            return self.vectors[place]
        if self.subwords is None or not word:
            return None
        return self.subwords[subword_rows(word)].mean(0)

    def neighbours(self, word: str, most: int) -> list[tuple[str, float]]:
        """Return the words with the highest cosine to a word, and the cosines; [] if it has no vector."""
        vector = self.vector(word)
        if vector is None:
            return []
        cosine = _unit(self.vectors) @ _unit(vector[None])[0]
        own = self.place(word)
        ranked = [each for each in np.argsort(-cosine, kind="stable").tolist() if each != own][:most]
        return [(self.words[each], float(cosine[each])) for each in ranked]

    def predict_middle(self, context: list[str], most: int) -> list[tuple[str, float]]:
        """Return the words with the highest score of being in the middle of some words, as shares that sum to 1 over V.

        As gensim's ``predict_output_word``: the softmax of the mean of the context's vectors times each output vector.
        """
        known = [vector for word in context if (vector := self.vector(word)) is not None]
        if not known:
            return []
        scores = self.output @ np.mean(known, 0)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        return [(self.words[each], float(shares[each])) for each in np.argsort(-shares, kind="stable")[:most].tolist()]

    def plane(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the mean (D) and the two principal directions (2, D) of the unit vectors, and their coordinates (V, 2)."""
        units = _unit(self.vectors)
        mean = units.mean(0)
        directions = np.linalg.svd(units[:20_000] - mean, full_matrices=False)[2][:2]
        return mean, directions, (units - mean) @ directions.T

    def on_plane(self, vector: np.ndarray) -> np.ndarray:
        """Return the coordinates (2) of a vector in the plane of ``plane``."""
        mean, directions, _places = self.plane()
        return (_unit(vector[None])[0] - mean) @ directions.T


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (N, D) divided by their norms."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def subwords(word: str) -> list[str]:
    """Return the character n-grams of a word, in the order of their beginning.

    >>> subwords("ox")
    ['<o', '<ox', '<ox>', 'ox', 'ox>', 'x>']
    """
    marked = f"<{word}>"
    return [
        marked[start : start + length]
        for start in range(len(marked))
        for length in range(SHORTEST, LONGEST + 1)
        if start + length <= len(marked)
    ]


def subword_rows(word: str) -> list[int]:
    """Return the rows of a word's character n-grams in the table of FastText."""
    from gensim.models.fasttext import ft_ngram_hashes

    return list(ft_ngram_hashes(word, SHORTEST, LONGEST, BUCKETS))


def train_word_vectors(corpus: Corpus, kind: VectorKind, window: int) -> WordVectors:
    """Train the vectors of the words of a corpus, in one thread, so that the same corpus gives the same vectors.

    Raises:
        Problem: it has too many words.
    """
    from gensim.models import FastText, Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    check_vectors(corpus)
    each_epoch = CallbackAny2Vec()
    each_epoch.on_epoch_end = lambda _model: end_if_cancelled()
    epochs = max(1, min(MAX_EPOCHS, PASSED_WORDS // max(1, corpus.word_count)))
    sentences = [
        [corpus.words[each] for each in corpus.sentence_words(number).tolist()] for number in range(len(corpus.starts))
    ]
    options = {
        "sentences": sentences,
        "vector_size": SIZE,
        "window": window,
        "min_count": 1,
        "sg": int(kind == "skip_gram"),
        "negative": 5,
        "sample": 0,  # of frequent words, none are left out
        "shrink_windows": False,  # all pairs within the window, as they are drawn
        "workers": 1,
        "seed": 0,
        "epochs": epochs,
        "callbacks": (each_epoch,),
    }
    began = time.monotonic()
    if kind == "fasttext":
        model = FastText(**options, min_n=SHORTEST, max_n=LONGEST, bucket=BUCKETS)
        rows: np.ndarray | None = model.wv.vectors_ngrams.copy()
    else:
        model, rows = Word2Vec(**options), None
    return WordVectors(
        kind,
        tuple(model.wv.index_to_key),
        model.wv.vectors.copy(),
        model.syn1neg.copy(),
        rows,
        window,
        epochs,
        time.monotonic() - began,
    )


def check_vectors(corpus: Corpus) -> None:
    """Check that word vectors can be trained on a corpus.

    Raises:
        Problem: it has too many words.
    """
    if corpus.word_count > MAX_TRAINED:
        raise Problem(
            "Word vectors are trained on at most {most:,} words, but the corpus has {count:,}. Use a part of it.",
            most=MAX_TRAINED,
            count=corpus.word_count,
        )


def window_pairs(words: list[str], middle: int, window: int) -> list[str]:
    """Return the words around a place in a sentence, at most ``window`` on each side.

    >>> window_pairs(["He", "is", "a", "good", "man"], 1, 2)
    ['He', 'a', 'good']
    """
    return words[max(0, middle - window) : middle] + words[middle + 1 : middle + window + 1]

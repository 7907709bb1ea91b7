"""Labels of a probe and of its controls: codes of categories, shuffled labels, and labels of the tokens drawn at random."""

from __future__ import annotations

import numpy as np

from models.core.messages import Problem
from models.probes.document_parts import DocumentParts

MAX_CLASSES = 200
CONTROL_DRAWS = 100
"""The number of random labellings of the tokens of which the one with the most similar shares is used."""


def given_labels(labels: np.ndarray) -> np.ndarray:
    """Return (N) bool, whether a step has a label: one that is neither NaN nor None."""
    if labels.dtype.kind == "f":
        return np.isfinite(labels)
    if labels.dtype.kind == "O":
        return np.array([label is not None and label == label for label in labels.tolist()], dtype=bool)
    return np.ones(len(labels), dtype=bool)


def coded_labels(labels: np.ndarray, parts: DocumentParts, numeric: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the labels (N) as float64, or as codes of categories with the categories' names; 0 at other steps.

    Raises:
        Problem: the training documents have one value only, or there are too many categories.
    """
    used = np.concatenate([parts.train, parts.test])
    codes = np.zeros(len(labels), dtype=np.float64 if numeric else np.int64)
    names: tuple[str, ...] = ()
    if numeric:
        codes[used] = labels[used].astype(np.float64)
    else:
        found, codes[used] = np.unique(labels[used].astype(str), return_inverse=True)
        names = tuple(found.tolist())
        if len(names) > MAX_CLASSES:
            raise Problem(
                "The label has {count} categories; a probe takes at most {most}. Choose a label with fewer categories, or "
                "one of numbers.",
                count=len(names),
                most=MAX_CLASSES,
            )
    here = codes[parts.train]
    if here.min() == here.max():
        raise Problem(
            "The label has the same value at all steps of the training documents, so there is nothing to read from the "
            "state. Choose a label that varies."
        )
    return codes, names


def shuffled_labels(codes: np.ndarray, parts: DocumentParts, random: np.random.Generator) -> np.ndarray:
    """Return the labels (N), shuffled within the training steps and within the test steps."""
    shuffled = codes.copy()
    for rows in (parts.train, parts.test):
        shuffled[rows] = random.permutation(codes[rows])
    return shuffled


def control_labels(
    codes: np.ndarray, tokens: np.ndarray, parts: DocumentParts, classes: int, random: np.random.Generator
) -> np.ndarray:
    """Return labels (N) of the control task: each kind of token has one, drawn from the labels of the training steps.

    Hewitt and Liang (2019), section 2. With few kinds of tokens the shares of the categories would differ from those of the
    label; of ``CONTROL_DRAWS`` draws the one with the most similar shares is returned.

    Args:
        codes: (N), labels.
        tokens: (N), codes of tokens from 0.
        parts: the steps to train and test on.
        classes: the number of categories, 0 of numbers.
        random: the random numbers.
    """
    here = codes[parts.train]
    kinds = int(tokens.max()) + 1
    if not classes:
        return random.choice(here, kinds)[tokens]
    weights = np.bincount(tokens[parts.train], minlength=kinds)
    wanted = np.bincount(here, minlength=classes)
    draws = random.choice(here, (CONTROL_DRAWS, kinds))
    distances = [np.abs(np.bincount(draw, weights, minlength=classes) - wanted).sum() for draw in draws]
    return draws[int(np.argmin(distances))][tokens]


def token_predictions(codes: np.ndarray, tokens: np.ndarray, parts: DocumentParts, classes: int) -> np.ndarray:
    """Return the labels of the test steps that the current token alone predicts.

    They are each token's most frequent category, or its mean, in the training steps; of an unseen token those of all.
    """
    here, own = codes[parts.train], tokens[parts.train]
    kinds = int(tokens.max()) + 1
    if classes:
        counts = np.bincount(own * classes + here, minlength=kinds * classes).reshape(kinds, classes)
        best = np.where(counts.any(axis=1), counts.argmax(axis=1), np.bincount(here).argmax())
        return best[tokens[parts.test]]
    counts, sums = np.bincount(own, minlength=kinds), np.bincount(own, here, minlength=kinds)
    return np.where(counts > 0, sums / np.maximum(counts, 1), here.mean())[tokens[parts.test]]

"""Answers from what a network predicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.networks.forward_run import ClassPrediction, SymbolPrediction, TagPrediction, ValuePrediction
from viz.lessons.answer_functions.place_run import PlaceRun, index_of, text_argument


def _symbols(at: PlaceRun) -> SymbolPrediction:
    found = at.run.prediction
    if not isinstance(found, SymbolPrediction):
        raise Problem("This network does not predict a next token. Use a network that does.")
    return found


def _vocabulary(at: PlaceRun) -> tuple[str, ...]:
    """Return the symbols that the network predicts, as they are typed."""
    network = at.network
    return (network.card.target_vocabulary if network.card.predicts == "sequence" else network.vocabulary) or ()


def _probability(at: PlaceRun, token: str, step: int = -1) -> float:
    """Return the probability that the network gives a token after a step."""
    found, wanted = _symbols(at), text_argument(token, "token")
    symbols = _vocabulary(at)
    if wanted not in symbols:
        wanted = next((symbol for symbol in symbols if display(symbol) == wanted), wanted)
    if wanted not in symbols:
        raise Problem("The vocabulary has no token “{token}”. Use one of its tokens.", token=wanted[:40])
    return float(found.probability[index_of(step, len(found.probability), "step"), symbols.index(wanted)])


def _top_token(at: PlaceRun, step: int = -1) -> str:
    """Return the most probable token after a step."""
    found = _symbols(at)
    return _vocabulary(at)[int(found.probability[index_of(step, len(found.probability), "step")].argmax())]


def _surprisal(at: PlaceRun, step: int) -> float:
    """Return the surprisal in bits of the token that follows a step."""
    found = _symbols(at).surprisal
    return float(found[index_of(step, len(found), "step")])


def _mean_bits(at: PlaceRun) -> float:
    """Return the mean surprisal in bits of all tokens that follow a step."""
    found = _symbols(at).surprisal.astype(np.float64)
    if np.isnan(found).all():
        raise Problem("The sequence has only one time step, so no next token is known. Type a longer text.")
    return float(np.nanmean(found))


def _perplexity(at: PlaceRun) -> float:
    """Return two to the mean surprisal."""
    return float(2.0 ** _mean_bits(at))


def _class_probabilities(at: PlaceRun, step: int) -> tuple[np.ndarray, dict[str, tuple[str, ...]]]:
    match at.run.prediction:
        case ClassPrediction(probability=probability, classes=classes):
            return probability, classes
        case TagPrediction(probability=probability, classes=classes):
            return probability[index_of(step, len(probability), "step")], classes
    raise Problem("This network does not predict a class. Use a network that does.")


def _class_probability(at: PlaceRun, name: str, step: int = -1) -> float:
    """Return the probability of a class, by its name in English or Korean."""
    probability, classes = _class_probabilities(at, step)
    wanted = text_argument(name, "name")
    for names in classes.values():
        if wanted in names:
            return float(probability[names.index(wanted)])
    raise Problem(
        "There is no class “{name}”. Use one of these: {names}.", name=wanted[:40], names=", ".join(classes["en"][:30])
    )


def _top_class(at: PlaceRun, step: int = -1) -> str:
    """Return the English name of the most probable class."""
    probability, classes = _class_probabilities(at, step)
    return classes["en"][int(probability.argmax())]


def _predicted_value(at: PlaceRun, step: int = -1, column: int = 0) -> float:
    """Return the number that a network of numbers predicts after a step."""
    found = at.run.prediction
    if not isinstance(found, ValuePrediction):
        raise Problem("This network does not predict a number. Use a network of numbers.")
    row = found.value[index_of(step, len(found.value), "step")]
    return float(row[index_of(column, len(row), "column")])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "probability": _probability,
    "top_token": _top_token,
    "surprisal": _surprisal,
    "mean_bits": _mean_bits,
    "perplexity": _perplexity,
    "class_probability": _class_probability,
    "top_class": _top_class,
    "predicted_value": _predicted_value,
}

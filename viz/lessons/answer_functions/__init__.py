"""The functions of answers, one file for each group; ``README.md`` of the folder above lists them.

Each function of `RUN_FUNCTIONS` takes a `PlaceRun` first, which the expression does not give.
"""

from collections.abc import Callable
from typing import Any

from viz.lessons.answer_functions import (
    attention_answers,
    gradient_answers,
    language_answers,
    layer_answers,
    list_answers,
    prediction_answers,
    trace_answers,
    training_answers,
    weight_answers,
)

RUN_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **trace_answers.FUNCTIONS,
    **prediction_answers.FUNCTIONS,
    **gradient_answers.FUNCTIONS,
    **weight_answers.FUNCTIONS,
    **attention_answers.FUNCTIONS,
    **language_answers.FUNCTIONS,
    **layer_answers.FUNCTIONS,
    **training_answers.FUNCTIONS,
}
"""Functions of a network, a corpus or a call, by name."""

LIST_FUNCTIONS: dict[str, Callable[..., Any]] = dict(list_answers.FUNCTIONS)
"""Functions of numbers and lists, by name."""

"""The right answer of a question on the page. One for which networks are trained is computed in a process of its own."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from models.core.messages import Problem
from models.training.run_queue import shared_queue
from viz.lessons.answer_expression import trains_networks
from viz.lessons.answers import Answer, right_answer
from viz.lessons.lesson import Question

MAX_ANSWERS = 64
"""Answers that are kept for all readers."""

_futures: OrderedDict[Question, Any] = OrderedDict()
_lock = Lock()


def question_answer(question: Question) -> Answer:
    """Return the right answer as ``right_answer`` does, and wait for it.

    Raises:
        Problem: it cannot be computed, or too many trainings wait.
    """
    if not trains_networks(question.answer):
        return right_answer(question)
    future = _training(question)
    try:
        return future.result()
    except Problem:
        raise
    except Exception as error:  # the process was ended, or the cluster does not answer
        with _lock:
            _futures.pop(question, None)
        raise Problem(
            "The process that computed the answer ended before it had finished ({kind}). Answer again.",
            kind=type(error).__name__,
        ) from error


def _training(question: Question) -> Any:
    """Return the future of an answer, the same one for every reader."""
    with _lock:
        if question not in _futures:
            _futures[question] = shared_queue().compute(right_answer, question)
            while len(_futures) > MAX_ANSWERS:
                _futures.popitem(last=False)
        _futures.move_to_end(question)
        return _futures[question]

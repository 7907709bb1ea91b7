"""Check of a lesson's view: what it names exists in the network, the corpus or the call that it shows."""

from __future__ import annotations

from models.core.messages import Problem
from models.language.corpus import MAX_ORDER, SHIPPED
from models.language.sentence_probability import typed_words
from models.language.smoothing import METHODS
from models.training.check_options import check_options
from models.training.training_options import TrainingOptions
from viz.lessons.answer_functions.layer_answers import lesson_call
from viz.lessons.answer_functions.place_run import PlaceRun, index_of, one_of
from viz.lessons.lesson import LensView, QuestionPlace
from viz.view_options import parse_options

NETWORK_LENSES = ("step", "states", "gradients", "edit", "attention")
"""The lenses that show a network on a sequence."""


def check_view(view: LensView) -> None:
    """Check a view.

    Raises:
        Problem: it names a network, layer, unit, step or option that does not exist; one sentence says which.
    """
    if view.lens in NETWORK_LENSES or (view.lens == "checkpoint" and view.net is not None):
        _check_run(view)
    elif view.lens == "train" and "training" in parse_options(view.look):
        check_options(TrainingOptions.from_json(parse_options(view.look)["training"]))
    elif view.lens == "layer":
        lesson_call(view.look)
    elif view.lens == "language":
        _check_language(parse_options(view.look))


def _check_run(view: LensView) -> None:
    if view.net is None:
        raise Problem("The view names no network. Add a line “net: …”.")
    at = PlaceRun(QuestionPlace(view.net, view.text, view.edits, view.layer, view.look, view.attend))
    run, attention = at.run, at.run.trace.attention
    if view.lens == "attention" and view.layer in attention:  # there, ``unit`` is a head
        heads, targets, _sources = attention[view.layer or ""].weights.shape[1:]
        _check_place(view.unit, heads, "unit")
        _check_place(view.step, targets, "step")
    elif run.trace.layers:
        quantities = tuple(at.layer.quantities)
        if view.quantity is not None:
            one_of(view.quantity, quantities, "quantity")
        _check_place(view.unit, at.layer.shape[2], "unit")
        _check_place(view.step, at.steps, "step")
    _check_place(view.source, len(run.labels), "source")


def _check_place(value: int | None, count: int, name: str) -> None:
    if value is not None:
        index_of(value, count, name)


def _check_language(options: dict[str, str]) -> None:
    if "corpus" in options:
        one_of(options["corpus"], (*SHIPPED, "own"), "corpus")
    if "smoothing" in options:
        one_of(options["smoothing"], METHODS, "smoothing")
    if "ngram" in options:
        one_of(options["ngram"], tuple(str(order) for order in range(1, MAX_ORDER + 1)), "ngram")
    if "sentence" in options:
        typed_words(options["sentence"])

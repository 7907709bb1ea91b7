"""The tokens of the corpus with the states nearest to that of the current step."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from models.corpus.nearest_lists import QUESTIONS
from models.corpus.nearest_states import NearestStates, nearest_in_worker, nearest_states
from viz.i18n import _
from viz.pages.page_elements import caption
from viz.pages.panels import panel
from viz.pages.search.hit_list import Hit
from viz.pages.search.index_answers import cached_index_answer
from viz.pages.search.queued_answer import is_read_at_once, queued_answer
from viz.pages.search.search_view import SearchView
from viz.pages.search.shared_table import show_shared
from viz.pages.view_widgets import view_buttons

NEAREST, OF_EACH_DOCUMENT = 20, 2

_nearest_at_once = cached_index_answer(nearest_states)


def nearest_panel(view: SearchView) -> None:
    """Draw the nearest states."""

    @panel(
        "nearest_states",
        _("States nearest to that at time step {step}").format(step=view.step + 1),
        _("Do the places with a similar state have similar texts?"),
    )
    def draw_nearest() -> None:
        metrics = {"euclidean": _("Euclidean distance"), "cosine": _("Cosine distance")}
        metric = view_buttons(_("Distance"), metrics, name="metric", key="search_metric", default="euclidean")
        state = view.run.trace.layers[view.layer][view.quantity][view.run.row][view.step]
        found = _nearest(view, state, metric)
        if found is None:
            return
        if found.recall is not None:
            caption(
                _(
                    "Found with inverted lists: of the nearest states of {n} places they find {recall:.1%}, measured when "
                    "they were built."
                ).format(n=QUESTIONS, recall=found.recall)
            )
        view.show(
            [
                Hit(step, step + 1, _("distance {distance}").format(distance=f"{distance:.3f}"))
                for step, distance in zip(found.steps.tolist(), found.distances.tolist(), strict=True)
            ],
            "nearest_states",
        )
        show_shared(view.index, found.steps, found.steps + 1)


def _nearest(view: SearchView, state: np.ndarray, metric: str) -> NearestStates | None:
    """Return the nearest states; None while they are computed, or before the reader starts that."""
    index = view.index
    if is_read_at_once(index):
        return _nearest_at_once(
            index, view.layer, view.quantity, state, NEAREST, metric=metric, per_document=OF_EACH_DOCUMENT
        )
    return queued_answer(
        index,
        "nearest_states",
        (view.layer, view.quantity, metric, sha256(state.tobytes()).hexdigest()),
        nearest_in_worker,
        (str(index.folder.resolve()), view.layer, view.quantity, state, NEAREST, metric, OF_EACH_DOCUMENT),
        button=_("Find the nearest states"),
        text=_("The state is being compared with those of the corpus …"),
    )

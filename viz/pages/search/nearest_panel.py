"""The tokens of the corpus with the states nearest to that of the current step."""

from __future__ import annotations

from models.corpus.nearest_states import nearest_states
from viz.i18n import _
from viz.pages.panels import panel
from viz.pages.search.hit_list import Hit
from viz.pages.search.search_view import SearchView
from viz.pages.search.shared_table import show_shared
from viz.pages.view_widgets import view_buttons

NEAREST = 20


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
        found = nearest_states(view.index, view.layer, view.quantity, state, NEAREST, metric=metric, per_document=2)
        view.show(
            [
                Hit(step, step + 1, _("distance {distance}").format(distance=f"{distance:.3f}"))
                for step, distance in zip(found.steps.tolist(), found.distances.tolist(), strict=True)
            ],
            "nearest_states",
        )
        show_shared(view.index, found.steps, found.steps + 1)

"""Fixed and slow points of the layer under a constant input, with the trajectories in the principal plane."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import streamlit as st

from models.core.trace import LayerTrace
from models.probes.corpus_fixed_points import CorpusFixedPoints, corpus_fixed_points
from viz.figures.fixed_point_plane import fixed_point_plane
from viz.i18n import _, ngettext, translate
from viz.pages import cache
from viz.pages.page_elements import caption, chart, dense_table, page_theme
from viz.pages.panels import panel
from viz.pages.search.queued_answer import queued_answer
from viz.pages.search.search_view import SearchView
from viz.pages.view_widgets import view_buttons
from viz.session import get_session

LISTED, MAX_TRAJECTORIES = 8, 40


def fixed_points_panel(view: SearchView) -> None:
    """Draw the choice of the input, the points, and the trajectories."""

    @panel(
        "fixed_points",
        _("Fixed and slow points of the dynamics"),
        _("Where would the state stay if this input were repeated, and how do the texts move around these points?"),
    )
    def draw_points() -> None:
        shown = get_session().view
        run = cache.forward_run(shown.net or "", shown.text or "")  # without edits, as the corpus was read
        layer = run.trace.layers[view.layer]
        given = _chosen_input(layer, run.row, view.step, run.labels_of(view.layer)[view.step])
        found = queued_answer(
            view.index,
            "fixed_points",
            (view.layer, sha256(given.tobytes()).hexdigest()),
            corpus_fixed_points,
            (layer.weights, str(view.index.folder), view.layer, given),
            button=_("Find the points"),
            text=_("The points are being computed …"),
        )
        if found is not None:
            _show_points(view, layer, run.row, run.labels_of(view.layer), found)


def _chosen_input(layer: LayerTrace, row: int, step: int, label: str) -> np.ndarray:
    """Show the choice of the constant input, and return it (D)."""
    kinds = {
        "step": _("That of step {step}, “{token}”").format(step=step + 1, token=label),
        "mean": _("The mean of this text"),
        "zero": _("Zero"),
    }
    kind = view_buttons(_("Constant input"), kinds, name="given", key="search_given", default="step")
    values = layer.input[row].astype(np.float64)
    return values[step] if kind == "step" else values.mean(axis=0) if kind == "mean" else np.zeros(values.shape[1])


def _show_points(
    view: SearchView, layer: LayerTrace, row: int, labels: list[str] | tuple[str, ...], result: CorpusFixedPoints
) -> None:
    """Show the verdict, the figure and the strongest modes of the points."""
    found = result.found
    st.markdown(f"**{translate(found.verdict)}**")
    names = [each for each in ("hidden", "cell") if each in layer.weights.cell.states]
    own = found.plane.project(np.concatenate([layer[each][row] for each in names], axis=1).astype(np.float64))
    borders = np.flatnonzero(np.diff(result.texts)) + 1
    figure = fixed_point_plane(
        np.split(found.plane.points, borders)[:MAX_TRAJECTORIES],
        own,
        labels,
        found.coordinates,
        directions=found.directions @ found.plane.axes.T,
        stability=found.stability,
        fixed=found.fixed,
        notes=[_note(result, each) for each in range(len(found.points))],
        explained=found.plane.explained,
        theme=page_theme(),
    )
    chart(figure, "search_fixed_points", names=(view.layer, "fixed-points"))
    caption(
        _(
            "Points are where the next state is the same as this one (fixed) or nearly so (slow), found by minimizing the "
            "speed from states of {used:,} of the {all:,} steps of the corpus. The plane shows two directions of {count}: "
            "what is close in it may be far apart, so read the distance from the nearest state in the table."
        ).format(used=result.steps[0], all=result.steps[1], count=found.points.shape[1])
    )
    if not len(found.points):
        return
    dense_table(
        [
            {
                _("point"): f"{each + 1}",
                _("kind"): _kind_text(found.stability[each], bool(found.fixed[each])),
                _("reached from"): ngettext("{n} state", "{n} states", int(found.starts[each])).format(
                    n=int(found.starts[each])
                ),
                _("distance from the nearest state"): f"{found.distance[each]:.2f}",
                _("largest eigenvalue"): _complex_text(complex(found.eigenvalues[each, 0])),
                _("its time constant, in steps"): f"{found.time_constants[each, 0]:.1f}".replace("-", "−"),
            }
            for each in range(min(LISTED, len(found.points)))
        ]
    )


def _note(result: CorpusFixedPoints, number: int) -> str:
    found = result.found
    return _("point {number}: {kind}, speed {speed:.1e}, largest eigenvalue {value}").format(
        number=number + 1,
        kind=_kind_text(found.stability[number], bool(found.fixed[number])),
        speed=float(np.sqrt(2 * found.speed_energy[number])),
        value=_complex_text(complex(found.eigenvalues[number, 0])),
    )


def _kind_text(stability: str, fixed: bool) -> str:
    """Return the kind of a point in words."""
    titles = {
        "stable": _("stable"), "saddle": _("saddle"), "unstable": _("unstable"), "marginal": _("marginal"),
    }  # fmt: skip
    return (_("fixed point, {kind}") if fixed else _("slow point, {kind}")).format(kind=titles[stability])


def _complex_text(value: complex) -> str:
    """Return a complex number, of a real one its real part."""
    text = f"{value.real:.3f}" if abs(value.imag) < 1e-9 else f"{value.real:.3f} ± {abs(value.imag):.3f}i"
    return text.replace("-", "−")

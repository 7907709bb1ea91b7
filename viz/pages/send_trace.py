"""Sending a forward run to the browser: a small one as a whole, a large one in excerpts as the reader moves on.

The browser requests the missing parts of a large run. Only the fragment in this module is then run again, so that stepping
and playing do not wait for the rest of the page.
"""

from collections.abc import Callable

import streamlit as st

from models.networks.forward_run import ForwardRun
from viz.components.reports import index
from viz.components.streamlit_host import reported
from viz.components.trace_loader import trace_loader
from viz.pages import cache
from viz.pages.page_fragment import page_fragment
from viz.payloads.excerpt import (
    MAX_COLUMNS,
    MAX_NEARBY,
    MAX_WHOLE,
    PLAYER_COLUMNS,
    PLAYER_NEARBY,
    PLAYER_WHOLE,
    Excerpt,
    make_excerpt,
    unit_count,
)
from viz.payloads.heatmap_image import HeatmapImage, heatmap_image, no_image
from viz.payloads.layer_payload import (
    excerpt_payload,
    layer_fits,
    layer_payload,
    nearby_payload,
    nearby_steps,
    weights_fit,
)
from viz.session import Session

MAX_CACHED = 8
"""Cached payloads of small layers, and images of large ones, of all sessions together."""


def send_trace(session: Session, run: ForwardRun, view_id: str, *, player_alone: bool = False) -> None:
    """Send the layer of the view to the store ``view_id``, with what the Step page shows of it.

    Args:
        session: the session.
        run: the forward run.
        view_id: the browser's store.
        player_alone: whether the player is all that shows it, in a fragment that is run at each value of a dragged slider.
            Then less is sent, and only the weights of one unit.
    """
    view = session.view
    layer = run.trace.layers[view.layer or ""]
    name, place = layer.name, (view.step or 0, view.unit or 0)
    whole, columns, nearby = (
        (PLAYER_WHOLE, PLAYER_COLUMNS, PLAYER_NEARBY) if player_alone else (MAX_WHOLE, MAX_COLUMNS, MAX_NEARBY)
    )
    if layer_fits(run, name, whole):
        unit = 0 if player_alone else None if weights_fit(layer) else place[1]
        trace_loader(_whole(view_id, run, name, unit), key=f"{view_id}_sequence")
        return

    def payloads(excerpt: Excerpt, step: int) -> tuple[bytes, bytes]:
        image = no_image(layer, run.row) if player_alone else _picture(run, name)
        first = excerpt_payload(view_id, run, name, excerpt, image, 0 if player_alone else None)
        return first, nearby_payload(first, run, name, nearby_steps(run, name, step, nearby))

    (_send_excerpt if player_alone else send_excerpt)(view_id, run, name, place, payloads, columns)


def _send_excerpt(
    view_id: str,
    run: ForwardRun,
    name: str,
    place: tuple[int, int],
    payloads: Callable[[Excerpt, int], tuple[bytes, ...]],
    columns: int = MAX_COLUMNS,
) -> None:
    """Send the parts of a large run around the step and unit that the browser requested, else around ``place``.

    Args:
        view_id: the browser's store.
        run: the forward run.
        name: the layer.
        place: the view's step and unit.
        payloads: returns the payloads of an excerpt around a step, in the order in which they are sent.
        columns: bytes of the units whose values over the whole page of steps are sent.
    """
    key = f"{view_id}_sequence"

    def request() -> None:
        missing = reported(key, "missing", {"run": index, "step": index, "unit": index})
        if missing is not None and missing["run"] == run.serial:
            st.session_state[f"{key}_asked"] = (run.serial, name, missing["step"], missing["unit"])

    requested = st.session_state.pop(f"{key}_asked", None)
    step, unit = requested[2:] if requested and requested[:2] == (run.serial, name) else place
    layer, labels = run.trace.layers[name], run.labels_of(name)
    step, unit = min(max(step, 0), len(labels) - 1), min(max(unit, 0), unit_count(layer) - 1)
    excerpt = make_excerpt(layer, run.row, labels, step, unit, columns)
    first, *others = payloads(excerpt, step)
    trace_loader(first, key=key, on_missing_change=request)
    for number, payload in enumerate(others):
        trace_loader(payload, key=f"{key}_{number}")


send_excerpt = page_fragment(_send_excerpt)
"""`_send_excerpt` as a fragment of its own, which a request of the browser runs again without the rest of the page."""


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def _whole(view_id: str, run: ForwardRun, name: str, unit: int | None) -> bytes:
    return layer_payload(view_id, run, name, unit)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def _picture(run: ForwardRun, name: str) -> HeatmapImage:
    return heatmap_image(run.trace.layers[name], run.row)

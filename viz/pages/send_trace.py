"""What brings a run to the browser: once where it is small, else piece by piece as the reader moves on.

Of a large run the browser asks for what it lacks. Only this part of the page is then run again, so that stepping on, or
playing, is not held up by whatever else stands on the page.
"""

from collections.abc import Callable

import streamlit as st

from models.networks.forward_run import ForwardRun
from viz.components.trace_loader import trace_loader
from viz.pages import cache
from viz.payloads.excerpt import Excerpt, excerpt_of
from viz.payloads.heatmap_image import Picture, picture_of
from viz.payloads.layer_payload import excerpt_payload, layer_payload, light, near, near_payload, whole
from viz.session import Session

MAX_CACHED = 8
"""Small layers' payloads, and pictures of large ones, that are kept for all sessions together."""


def send_trace(session: Session, reading: ForwardRun, view_id: str, *, weights: bool = True) -> None:
    """Bring the layer that is looked at into the store ``view_id``, as the Step lens shows it.

    Args:
        session: the session.
        reading: what ran.
        view_id: the store.
        weights: whether anything reads the weights; if not, only one unit's travel.
    """
    view = session.view
    layer = reading.trace.layers[view.layer or ""]
    name, place = layer.name, (view.step or 0, view.unit or 0)
    if whole(reading, name):
        unit = (None if light(layer) else place[1]) if weights else 0
        trace_loader(_whole(view_id, reading, name, unit), key=f"{view_id}_sequence")
        return

    def payloads(excerpt: Excerpt, step: int) -> tuple[bytes, bytes]:
        first = excerpt_payload(view_id, reading, name, excerpt, _picture(reading, name))
        return first, near_payload(first, reading, name, near(reading, name, step))

    send_excerpt(view_id, reading, name, place, payloads)


@st.fragment
def send_excerpt(
    view_id: str,
    reading: ForwardRun,
    name: str,
    place: tuple[int, int],
    payloads: Callable[[Excerpt, int], tuple[bytes, ...]],
) -> None:
    """The send_excerpt of a large run around the step and the unit that the browser asked for, else around ``place``.

    Args:
        view_id: the store that they are for.
        reading: what ran.
        name: the layer.
        place: the view's step and unit.
        payloads: gives those of an excerpt around a step, in the order in which the browser is to have them.
    """
    key = f"{view_id}_sequence"

    def asked() -> None:
        lacking = st.session_state[key]["missing"]
        if lacking and lacking["run"] == reading.serial:
            st.session_state[f"{key}_asked"] = (reading.serial, name, int(lacking["step"]), int(lacking["unit"]))

    wanted = st.session_state.pop(f"{key}_asked", None)
    step, unit = wanted[2:] if wanted and wanted[:2] == (reading.serial, name) else place
    layer, labels = reading.trace.layers[name], reading.labels_of(name)
    step, unit = min(max(step, 0), len(labels) - 1), min(max(unit, 0), layer.weights.hidden_size - 1)
    excerpt = excerpt_of(layer, reading.row, labels, step, unit)
    first, *others = payloads(excerpt, step)
    trace_loader(first, key=key, on_missing_change=asked)
    for number, payload in enumerate(others):
        trace_loader(payload, key=f"{key}_{number}")


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def _whole(view_id: str, reading: ForwardRun, name: str, unit: int | None) -> bytes:
    return layer_payload(view_id, reading, name, unit)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def _picture(reading: ForwardRun, name: str) -> Picture:
    return picture_of(reading.trace.layers[name], reading.row)

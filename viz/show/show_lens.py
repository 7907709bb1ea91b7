"""`show`: a lens of a network's run, shown in a notebook or saved as one HTML file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.networks.network import Network
from models.zoo.catalogue import load_network, network_names
from viz.i18n import LANGUAGES
from viz.show.attention_view import attention_view
from viz.show.gradients_view import gradients_view, norms_view
from viz.show.offline_file import offline_html
from viz.show.run_source import run_source
from viz.show.shown_view import ShownView
from viz.show.states_view import states_view
from viz.show.step_view import step_view

LENS_NAMES = ("step", "states", "gradients", "attention")

RUN_VIEWS: dict[str, Callable[..., ShownView]] = {
    "step": step_view,
    "states": states_view,
    "gradients": gradients_view,
}
"""The lenses of a run of recurrent layers."""


class Shown:
    """A view that `show` returned.

    Attributes:
        step: the time step that is shown, from 0.
        unit: the unit that is shown, from 0 (of a gradient map, the place of the loss among those shown).
    """

    def __init__(self, make: Callable[[str], ShownView], *, app: str | None, lang: str | None) -> None:
        """Store the function that makes the view for a store of the browser."""
        self._make, self._app, self._lang = make, app, lang
        self._view = make(f"shown-{secrets.token_hex(4)}")

    @property
    def step(self) -> int:
        """The time step, from 0."""
        return int(self._view.place["step"])

    @property
    def unit(self) -> int:
        """The unit, from 0."""
        return int(self._view.place.get("unit") or 0)

    def html(self) -> str:
        """Return the view as one HTML page that needs no server."""
        return offline_html(self._view, app=self._app, lang=self._lang)

    def save(self, path: str | Path) -> Path:
        """Write the page to a file, and return its path."""
        target = Path(path)
        target.write_text(self.html(), encoding="utf-8")
        return target


def show(
    thing: Any,
    text: str | None = None,
    *,
    lens: str | None = None,
    layer: str | None = None,
    step: int | None = None,
    unit: int | None = None,
    quantity: str | None = None,
    row: int = 0,
    app: str | None = None,
    lang: str | None = None,
) -> Shown:
    """Show a lens of a run.

    Args:
        thing: a network or the name of a bundled one, a ``Trace``, a ``ForwardRun``, or a result of ``gradient_map``.
        text: the input of a network; None for its default.
        lens: "step", "states", "gradients" or "attention"; None for "step", and for "gradients" of a gradient map.
        layer: the layer, by PyTorch's name; of the Attention lens the module.
        step, unit: what is shown first, from 0; None for what the app shows.
        quantity: the gate or state that is shown first.
        row: the sequence of a trace's batch.
        app: the address of a running app, as ``http://localhost:8501``, to which the file has a link.
        lang: the language shown first, "en" or "ko"; None for the browser's.

    Raises:
        Problem: it cannot be shown; one sentence says why.

    Example:
        >>> show("counter", "(()())", step=2).save("counter.html")
    """
    if lang is not None and lang not in LANGUAGES:
        raise Problem("Unknown language “{name}”. Choose one of these: {names}.", name=lang, names=", ".join(LANGUAGES))
    chosen = {"layer": layer, "step": step, "unit": unit, "quantity": quantity, "row": row}
    return Shown(_maker(thing, text, lens, chosen), app=app, lang=lang)


def _maker(thing: Any, text: str | None, lens: str | None, chosen: dict[str, Any]) -> Callable[[str], ShownView]:
    """Return the function from the name of the browser's store to the view."""
    if _is_map(thing):
        if lens not in (None, "gradients"):
            raise Problem("A gradient map is shown by the lens “gradients” alone.")
        return lambda view_id: norms_view(thing, view_id, chosen)
    lens = lens or "step"
    if lens not in LENS_NAMES:
        raise Problem("Unknown lens “{name}”. Choose one of these: {names}.", name=lens, names=", ".join(LENS_NAMES))
    if lens == "attention":
        network = load_network(thing) if isinstance(thing, str) and thing in network_names() else thing
        if not isinstance(network, Network):
            raise Problem("The lens “attention” shows a network with a text. Give a network that generates a sequence.")
        given = network.card.default.text if text is None else text
        bundled = network.card.name in network_names()
        return lambda view_id: attention_view(network, given, view_id, chosen, bundled=bundled)
    source = run_source(thing, text, chosen["row"])
    return lambda view_id: RUN_VIEWS[lens](source, view_id, chosen)


def _is_map(thing: Any) -> bool:
    """Return whether it is a result of ``gradient_map``: arrays by layer name."""
    return isinstance(thing, Mapping) and bool(thing) and all(isinstance(each, np.ndarray) for each in thing.values())

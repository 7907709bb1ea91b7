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
from viz.escape import escape_html
from viz.i18n import LANGUAGES, _
from viz.show.attention_view import attention_view
from viz.show.check_arguments import (
    check_no_quantity,
    check_no_row,
    check_no_training_unit,
    check_no_unit,
    check_texts,
    checked_index,
)
from viz.show.gradients_view import gradients_view, has_own_losses, norms_view
from viz.show.notebook_bridge import notebook_bridge, with_shown_bridge
from viz.show.offline_file import offline_html
from viz.show.run_source import run_source
from viz.show.shown_view import ShownView
from viz.show.states_view import states_view
from viz.show.step_view import step_view
from viz.show.training_view import place_of_number, run_of_training, training_view

LENS_NAMES = ("step", "states", "gradients", "attention")

RUN_VIEWS: dict[str, Callable[..., ShownView]] = {
    "step": step_view,
    "states": states_view,
    "gradients": gradients_view,
}
"""The lenses of a run of recurrent layers."""


HEIGHT = 720
"""Pixels of the height of a view in a notebook, inside which it scrolls."""

Handler = Callable[[dict[str, Any]], object]


class Shown:
    """A view that `show` returned: `save` writes it to a file, and a notebook shows it.

    In a notebook with anywidget, ``step``, ``unit`` and ``quantity`` are those that the reader sees, whoever moved; without
    it the view is shown all the same, and they are those that it began with or that were set before.
    """

    def __init__(self, make: Callable[[str], ShownView], *, app: str | None, lang: str | None) -> None:
        """Store the function that makes the view for a store of the browser."""
        self._app, self._lang = app, lang
        self._channel = f"shown-{secrets.token_hex(8)}"
        self._view = make(self._channel)
        first = self._view.place
        self._place: dict[str, Any] = {
            "step": int(first["step"]),
            "unit": int(first.get("unit") or 0),
            "quantity": first.get("quantity") or "",
        }
        self._handlers: list[Handler] = []
        self._bridge: Any = None

    @property
    def step(self) -> int:
        """The time step that is shown, from 0; of a run of training, the training step."""
        return int(self._numbered("step", self._place["step"]))

    @step.setter
    def step(self, value: int) -> None:
        numbers = self._view.step_numbers
        self._move(step=place_of_number(numbers, value) if numbers else self._checked("step", value))

    @property
    def unit(self) -> int:
        """The unit that is shown, from 0; of a gradient map, the place of the loss among those of the map."""
        return int(self._place["unit"])

    @unit.setter
    def unit(self, value: int) -> None:
        self._move(unit=self._checked("unit", value))

    @property
    def quantity(self) -> str:
        """The gate or state that is shown; "" where the view has none to choose."""
        return str(self._place["quantity"])

    @quantity.setter
    def quantity(self, value: str) -> None:
        names = self._view.quantities
        if not names:
            check_no_quantity(self._view.lens, value)
        if value not in names:
            raise Problem(
                "There is no gate or state “{name}”. Choose one of these: {names}.", name=value, names=", ".join(names)
            )
        self._move(quantity=value)

    def _checked(self, name: str, value: int) -> int:
        low, high = getattr(self._view, f"{name}s") or (0, self._view.counts[name])
        return checked_index(name, value, low, high)

    def observe(self, handler: Handler) -> None:
        """Call ``handler({"name", "old", "new"})`` at each change of the step, the unit or the quantity."""
        self._handlers.append(handler)

    def unobserve(self, handler: Handler) -> None:
        """Stop calling ``handler``."""
        self._handlers.remove(handler)

    def _move(self, **changes: Any) -> None:
        for name, value in changes.items():
            old = self._place[name]
            if value == old:
                continue
            self._place[name] = value
            if self._bridge is not None and getattr(self._bridge, name) != value:
                setattr(self._bridge, name, value)
            for handler in tuple(self._handlers):
                handler({"name": name, "old": self._numbered(name, old), "new": self._numbered(name, value)})

    def _numbered(self, name: str, value: Any) -> Any:
        """Return a value as Python code sees it: of a place in the slider over training steps, the step's number."""
        numbers = self._view.step_numbers
        return numbers[value] if name == "step" and numbers else value

    def html(self) -> str:
        """Return the view as one HTML page that needs no server."""
        return offline_html(self._view, app=self._app, lang=self._lang, place=self._shown_place())

    def save(self, path: str | Path) -> Path:
        """Write the page to a file, and return its path."""
        target = Path(path)
        target.write_text(self.html(), encoding="utf-8")
        return target

    def _shown_place(self) -> dict[str, Any]:
        return {name: value for name, value in self._place.items() if value != ""}

    def _repr_html_(self) -> str:
        """Return the page in a frame; where anywidget is installed, also open the connection with this object."""
        if self._bridge is None:
            self._bridge = notebook_bridge(self._channel, self._place)
            if self._bridge is not None:
                self._bridge.observe(lambda change: self._move(**{change["name"]: change["new"]}), list(self._place))
        channel = "" if self._bridge is None else self._channel
        page = offline_html(self._view, app=self._app, lang=self._lang, place=self._shown_place(), channel=channel)
        return (
            f'<iframe srcdoc="{escape_html(page)}" sandbox="allow-scripts allow-downloads allow-popups" width="100%" '
            f'height="{HEIGHT}" style="border: 0"></iframe>{self._untrusted_html()}'
        )

    def _display_(self) -> Any:
        """Return what a cell of marimo shows: it runs a widget's script only where the widget is shown too."""
        return with_shown_bridge(self._repr_html_(), self._bridge)

    def _untrusted_html(self) -> str:
        """Return what a notebook shows that is not trusted: JupyterLab removes frames and style sheets from its outputs."""
        content = self._view.content()
        said = (content.title, content.sentence, untrusted_sentence())
        shown = f'<p class="{self._channel}">{escape_html(" · ".join(said))}</p>'
        return f"{shown}<style>.{self._channel} {{display: none}}</style>"


def untrusted_sentence() -> str:
    """Return why a view is not drawn in an output without scripts, and what to do."""
    return _(
        "This view needs JavaScript, which is blocked here. In JupyterLab, trust the notebook (View, Activate Command "
        "Palette, “Trust Notebook”), or run the cell again."
    )


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
        thing: a network or the name of a bundled one, a ``Trace``, a ``ForwardRun``, a result of ``gradient_map``, or a run
            of training: what ``open_run`` or ``watch`` returned, or the path of a run folder.
        text: the input of a network; None for its default.
        lens: "step", "states", "gradients" or "attention"; None for "step", for "gradients" of a gradient map, and for
            "train" of a run of training, which has no other.
        layer: the layer, by PyTorch's name; of the Attention lens the module.
        step, unit: what is shown first, from 0; None for what the app shows. The unit is of the Attention lens the head of a
            Transformer; of the Gradients lens that whose values are the losses, where the network has none of its own.
            Of a run of training, the step is a training step.
        quantity: the gate or state that is shown first, of the Step and States lenses; of a run of training, the gate.
        row: the sequence of a trace's batch, or of that of a gradient map.
        app: the address of a running app, as ``http://localhost:8501``, to which the file has a link.
        lang: the language shown first, "en" or "ko"; None for the browser's.

    Raises:
        Problem: it cannot be shown; one sentence says why.

    Example:
        >>> show("counter", "(()())", step=2).save("counter.html")
    """
    check_texts(text=text, lens=lens, layer=layer, quantity=quantity, app=app, lang=lang)
    if lang is not None and lang not in LANGUAGES:
        raise Problem("Unknown language “{name}”. Choose one of these: {names}.", name=lang, names=", ".join(LANGUAGES))
    chosen = {"layer": layer, "step": step, "unit": unit, "quantity": quantity, "row": row}
    return Shown(_maker(thing, text, lens, chosen), app=app, lang=lang)


def _maker(thing: Any, text: str | None, lens: str | None, chosen: dict[str, Any]) -> Callable[[str], ShownView]:
    """Return the function from the name of the browser's store to the view."""
    if _is_map(thing):
        if lens not in (None, "gradients"):
            raise Problem("A gradient map is shown by the lens “gradients” alone.")
        if text is not None:
            raise Problem("A text belongs to a network. A recorded run is shown without one.")
        check_no_quantity("gradients", chosen["quantity"])
        check_no_unit(chosen["unit"])
        return lambda view_id: norms_view(thing, view_id, chosen)
    training = run_of_training(thing)
    if training is not None:
        if lens not in (None, "train"):
            raise Problem("A run of training is shown by the lens “train” alone.")
        if text is not None:
            raise Problem("A text belongs to a network. A recorded run is shown without one.")
        check_no_row(chosen["row"])
        check_no_training_unit(chosen["unit"])
        return lambda view_id: training_view(training, view_id, chosen)
    if lens == "train":
        raise Problem(
            "The lens “train” shows a run of training. Give what open_run(...) returns, or the path of a folder."
        )
    lens = "step" if lens is None else lens
    if lens in ("gradients", "attention"):
        check_no_quantity(lens, chosen["quantity"])
    if lens not in LENS_NAMES:
        raise Problem("Unknown lens “{name}”. Choose one of these: {names}.", name=lens, names=", ".join(LENS_NAMES))
    if lens == "attention":
        network = load_network(thing) if isinstance(thing, str) and thing in network_names() else thing
        if not isinstance(network, Network):
            raise Problem("The lens “attention” shows a network with a text. Give a network that generates a sequence.")
        check_no_row(chosen["row"])
        given = network.card.default.text if text is None else text
        bundled = network.card.name in network_names()
        return lambda view_id: attention_view(network, given, view_id, chosen, bundled=bundled)
    source = run_source(thing, text, chosen["row"])
    if lens == "gradients" and has_own_losses(source):
        check_no_unit(chosen["unit"])
    return lambda view_id: RUN_VIEWS[lens](source, view_id, chosen)


def _is_map(thing: Any) -> bool:
    """Return whether it is a result of ``gradient_map``: arrays by layer name."""
    return isinstance(thing, Mapping) and bool(thing) and all(isinstance(each, np.ndarray) for each in thing.values())

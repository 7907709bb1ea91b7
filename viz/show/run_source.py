"""What `show` was given, as a forward run: a network with a text, a recorded trace, or a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.core.messages import Problem
from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace, Trace
from models.decoding.run_network import run_network
from models.networks.forward_run import ForwardRun, run_of_trace
from models.networks.network import Network
from models.zoo.catalogue import load_network, network_names
from viz.address import MAX_TEXT, View
from viz.escape import printable
from viz.i18n import _, language
from viz.payloads.excerpt import unit_count

MAX_QUOTED = 60
"""Characters of the text that are quoted in the sentence of what is shown."""


@dataclass(frozen=True, eq=False)
class RunSource:
    """A forward run, and where it is from.

    Attributes:
        run: the forward run.
        network, text: the network and its input; None of a recorded run.
        address: the view in the app without its step and unit; None where the app cannot open it by a link.
        edits: the edits of the network, in the syntax of ``models.edits.edit_syntax``; "" for none.
    """

    run: ForwardRun
    network: Network | None = None
    text: str | None = None
    address: View | None = None
    edits: str = ""

    def title(self, lens: str) -> str:
        """Return the title of a view of a lens, in the language of the page."""
        name = _("Recorded run") if self.network is None else self.network.card.title[language()]
        return f"{name} · {lens}"

    def origin(self) -> str:
        """Return where the numbers are from, in one sentence."""
        if self.network is None or self.text is None:
            return _("The numbers are those of a recorded run of a network.")
        text = printable(self.text)
        quoted = text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…"
        sentence = _("The numbers are those of the network “{name}” on the input “{text}”.").format(
            name=self.network.card.title[language()], text=quoted
        )
        return f"{sentence} {edits_sentence(self.edits)}".rstrip()


def run_source(thing: Any, text: str | None = None, row: int = 0) -> RunSource:
    """Return a forward run of ``thing``: a network or its name, a trace, or a forward run.

    Args:
        thing: what to show.
        text: the input of a network; None for its default.
        row: of a trace, the sequence of the batch.

    Raises:
        Problem: it cannot be shown; one sentence says why.
    """
    if isinstance(thing, str):
        if thing not in network_names():
            raise Problem(
                "Unknown network “{name}”. Choose one of these: {names}.", name=thing, names=", ".join(network_names())
            )
        thing = load_network(thing)
    if isinstance(thing, Network):
        given = thing.card.default.text if text is None else text
        bundled = thing.card.name in network_names() and len(given) <= MAX_TEXT
        address = View(net=thing.card.name, text=given) if bundled else None
        return RunSource(run_network(thing, given), thing, given, address)
    if text is not None:
        raise Problem("A text belongs to a network. A recorded run is shown without one.")
    if isinstance(thing, ForwardRun):
        return RunSource(thing)
    if isinstance(thing, Trace):
        if not thing.layers:
            raise Problem("This run contains no recurrent layer. Run the network inside the capture block.")
        batch = next(iter(thing.layers.values())).shape[0]
        if not 0 <= row < batch:
            raise Problem("There is no sequence {row} in this run. Use 0 to {last}.", row=row, last=batch - 1)
        return RunSource(run_of_trace(thing, row))
    raise Problem(
        "A {kind} cannot be shown. Use a network or its name, a trace, a forward run, or a gradient map.",
        kind=type(thing).__name__,
    )


def chosen_place(source: RunSource, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the "layer", "step", "unit" and "quantity" to show first; what is not chosen, as on the app's pages.

    Raises:
        Problem: the run has no such layer, step, unit or quantity.
    """
    layers = source.run.trace.layers
    start = None if source.network is None else source.network.card.default
    at_start = start is not None and start.text == source.text
    name = chosen.get("layer") or (start.layer if start is not None else list(layers)[-1])
    if name not in layers:
        raise Problem("There is no layer “{name}”. Choose one of these: {names}.", name=name, names=", ".join(layers))
    layer = layers[name]
    own = start is not None and start.layer == name
    steps, units = int(layer.lengths[source.run.row]), unit_count(layer)
    step = _index("step", chosen.get("step"), steps, start.step if start and at_start and own else steps - 1)
    unit = _index("unit", chosen.get("unit"), units, start.unit if start and own else 0)
    cell = layer.cell_equations
    quantity = chosen.get("quantity") or (
        start.quantity if start and own else cell.carry.gate if cell.carry else cell.states[0]
    )
    if quantity not in layer.quantities:
        names = ", ".join(layer.quantities)
        raise Problem("There is no gate or state “{name}”. Choose one of these: {names}.", name=quantity, names=names)
    return {"layer": name, "step": step, "unit": unit, "quantity": quantity}


def _index(name: str, value: int | None, count: int, default: int) -> int:
    if value is None:
        return min(default, count - 1)
    if not 0 <= value < count:
        raise Problem("“{name}” cannot be {value}. Use 0 to {last}.", name=name, value=value, last=count - 1)
    return int(value)


def edits_sentence(edits: str) -> str:
    """Return which edits the network has, in one sentence; "" for none."""
    shown = printable(edits)
    shown = shown if len(shown) <= MAX_QUOTED else shown[: MAX_QUOTED - 1] + "…"
    return _("The network was edited: {edits}").format(edits=shown) if edits else ""


def layer_sentence(layer: LayerTrace | SavedCell, steps: int) -> str:
    """Return the layer, its kind and its size in one sentence."""
    return _("Layer {layer}: {kind}, {units} units, {steps} time steps.").format(
        layer=layer.name, kind=layer.kind, units=unit_count(layer), steps=steps
    )


def excerpt_sentence(steps: tuple[int, int], units: tuple[int, int]) -> str:
    """Return which part of a large layer is shown, in one sentence."""
    return _(
        "The layer is too large to be contained as a whole: time steps {first} to {last} and units {low} to {high} can be "
        "selected here."
    ).format(first=steps[0] + 1, last=steps[1], low=units[0], high=units[1] - 1)

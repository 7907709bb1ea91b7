"""What `show` was given, as a forward run: a network with a text, a recorded trace, or a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.core.messages import Problem
from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace, Trace
from models.decoding.run_network import run_network
from models.edits.edit_syntax import read_edits, write_edit
from models.networks.forward_run import ForwardRun, run_of_trace
from models.networks.network import Network
from models.zoo.catalogue import load_network, network_names
from viz.address import MAX_TEXT, View
from viz.escape import printable
from viz.i18n import _, language, ngettext
from viz.payloads.excerpt import unit_count
from viz.show.check_arguments import check_no_row, checked_index
from viz.unknown_text import unknown_text

MAX_QUOTED = 60
"""Characters of the text, and of each edit, that are quoted in the sentence of what is shown."""

MAX_EDITS = 10
"""Edits that are named in that sentence; of more, the number."""


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
        sentence = _("The numbers are those of the network “{name}” on the input “{text}”.").format(
            name=self.network.card.title[language()], text=_quoted(self.text)
        )
        changed = edits_sentence(*map(write_edit, read_edits(self.edits).on))
        return " ".join(filter(None, (sentence, changed, unknown_text(self.run.unknown))))


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
        check_no_row(row)
        given = thing.card.default.text if text is None else text
        bundled = thing.card.name in network_names() and len(given) <= MAX_TEXT
        address = View(net=thing.card.name, text=given) if bundled else None
        return RunSource(run_network(thing, given), thing, given, address)
    if text is not None:
        raise Problem("A text belongs to a network. A recorded run is shown without one.")
    if isinstance(thing, ForwardRun):
        check_no_row(row)
        return RunSource(thing)
    if isinstance(thing, Trace):
        if not thing.layers:
            raise Problem("This run contains no recurrent layer. Run the network inside the capture block.")
        row = checked_index("row", row, 0, next(iter(thing.layers.values())).shape[0])
        _check_labels(thing, row)
        return RunSource(run_of_trace(thing, row))
    raise Problem(
        "A {kind} cannot be shown. Use a network or its name, a trace, a forward run, or a gradient map.",
        kind=type(thing).__name__,
    )


def _check_labels(trace: Trace, row: int) -> None:
    """Check that a layer has as many time steps in a sequence as there are labels. Raises Problem: none has."""
    steps = sorted({int(layer.lengths[row]) for layer in trace.layers.values()})
    if trace.tokens is not None and len(trace.tokens) not in steps:
        raise Problem(
            "This run has {count} labels, but sequence {row} has {steps} time steps. Give it a label for each of them by "
            "with_tokens(...).",
            count=len(trace.tokens),
            row=row,
            steps=", ".join(map(str, steps)),
        )


def chosen_place(source: RunSource, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the "layer", "step", "unit" and "quantity" to show first; what is not chosen, as on the app's pages.

    Raises:
        Problem: the run has no such layer, step, unit or quantity.
    """
    layers = source.run.trace.layers
    start = None if source.network is None else source.network.card.default
    at_start = start is not None and start.text == source.text
    name = chosen.get("layer")
    if name is None:
        name = start.layer if start is not None else list(layers)[-1]
    if name not in layers:
        raise Problem("There is no layer “{name}”. Choose one of these: {names}.", name=name, names=", ".join(layers))
    layer = layers[name]
    own = start is not None and start.layer == name
    steps, units = int(layer.lengths[source.run.row]), unit_count(layer)
    step = _index("step", chosen.get("step"), steps, start.step if start and at_start and own else steps - 1)
    unit = _index("unit", chosen.get("unit"), units, start.unit if start and own else 0)
    cell = layer.cell_equations
    quantity = chosen.get("quantity")
    if quantity is None:
        quantity = start.quantity if start and own else cell.carry.gate if cell.carry else cell.states[0]
    if quantity not in layer.quantities:
        names = ", ".join(layer.quantities)
        raise Problem("There is no gate or state “{name}”. Choose one of these: {names}.", name=quantity, names=names)
    return {"layer": name, "step": step, "unit": unit, "quantity": quantity}


def _index(name: str, value: int | None, count: int, default: int) -> int:
    return min(default, count - 1) if value is None else checked_index(name, value, 0, count)


def edits_sentence(*edits: str) -> str:
    """Return how many edits the network has, and the first `MAX_EDITS` of them, in one sentence; "" for none."""
    if not edits:
        return ""
    shown = "; ".join(map(_quoted, edits[:MAX_EDITS]))
    if len(edits) <= MAX_EDITS:
        template = ngettext(
            "The network was edited ({n} edit): {edits}.", "The network was edited ({n} edits): {edits}.", len(edits)
        )
    else:
        template = _("The network was edited ({n} edits): {edits}; and {others} others.")
    return template.format(n=len(edits), edits=shown, others=len(edits) - MAX_EDITS)


def _quoted(text: str) -> str:
    """Return a text in one line, the end left out of a long one."""
    line = printable(text)
    return line if len(line) <= MAX_QUOTED else line[: MAX_QUOTED - 1] + "…"


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

"""The panels of the output layer at this time step, and of the activation functions at its preactivations."""

from __future__ import annotations

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction
from models.networks.output_step import OutputStep, output_step
from viz.figures.activation_curve import activation_curve
from viz.i18n import _, language
from viz.pages import cache
from viz.pages.output_arithmetic import show_output_step
from viz.pages.page_elements import caption, chart, page_theme
from viz.pages.panels import panel
from viz.session import Session


def output_step_panel(session: Session, run: ForwardRun) -> None:
    """Declare the panel of the output layer."""

    @panel(
        "output_step",
        _("From the hidden state to the prediction"),
        _("The output layer turns the hidden state into a score for each output. Which units raise the highest score?"),
        opened=False,
    )
    def draw() -> None:
        found = _found(session, run)
        if found is None:
            caption(
                _(
                    "This network does not compute its prediction from a hidden state by one linear layer, or the file does "
                    "not contain that layer."
                )
            )
            return
        if found.at_end and len(found.layers) > 1:
            caption(
                _("Its input is the last state of each direction, one beside the other: h = [h_forward; h_backward].")
            )
        elif found.at_end:
            caption(_("Its input is the hidden state after the last time step."))
        show_output_step(found, _output_names(run, len(found.logits)), "output_step")


def _found(session: Session, run: ForwardRun) -> OutputStep | None:
    view = session.view
    if not cache.is_network(view.net) or view.step is None or view.net is None:
        return None
    network = cache.network(view.net)
    edits = cache.weight_edits(cache.active_edits(session.edits))
    try:
        module = cache.edited_network(view.net, edits).network.module if edits.entries else network.module
    except Problem:
        return None
    return output_step(run, module, view.step)


def _output_names(run: ForwardRun, count: int) -> list[str]:
    match run.prediction:
        case SymbolPrediction(vocabulary=vocabulary):
            return list(vocabulary)
        case ClassPrediction(classes=classes) | TagPrediction(classes=classes):
            return list(classes.get(language(), classes["en"]))
    return [str(k + 1) for k in range(count)]


def activation_panel(session: Session, layer: LayerTrace, run: ForwardRun) -> None:
    """Declare the panel of the activation functions."""

    @panel(
        "activation_curve",
        _("Activation functions at this time step"),
        _(
            "A dot per unit, at its pre-activation. How many dots are where the curve is flat and the derivative near 0?"
        ),
        opened=False,
    )
    def draw() -> None:
        step, view = session.view.step or 0, session.view
        now = layer.select(run.row, slice(step, step + 1))
        cell = layer.cell_equations
        values = {gate: now.gate_preactivation(gate)[0, 0] for gate in cell.summed_gates}
        if "cell" in cell.activations:
            values["cell"] = now["cell"][0, 0]
        figure = activation_curve(values, activations=cell.activations, unit=view.unit or 0, theme=page_theme())
        chart(figure, "activation_curve", names=(view.net, layer.name, "activations"))
        caption(
            _(
                "The derivative depends on the pre-activation a = W_ih x + W_hh h + b, not on a weight: tanh′(a) = 1 − "
                "tanh²(a) is 1 at 0, 0.071 at ±2, 0.0099 at ±3 and 0.0013 at ±4. It is never 0, and no sharp limit lies at "
                "±4. Backpropagation multiplies these derivatives (0 to 1; of σ at most 0.25), not the values of tanh (−1 to "
                "1)."
            )
        )

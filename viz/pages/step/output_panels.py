"""The panels of the output layer at this time step, and of the activation functions at its preactivations."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction
from models.networks.output_step import OutputStep, output_step
from viz.figures.activation_curve import activation_curve
from viz.i18n import _, language
from viz.pages import cache
from viz.pages.page_elements import caption, chart, dense_table, page_theme
from viz.pages.panels import panel
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers
from viz.session import Session

SHOWN, TERMS = 8, 5
"""Outputs in the table, and terms of the sum that are written out."""


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
        _draw_output(run, found)


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


def _draw_output(run: ForwardRun, found: OutputStep) -> None:
    logits, names = found.logits, _output_names(run, len(found.logits))
    order = np.argsort(-logits, kind="stable") if found.has_softmax else np.arange(len(logits))
    best = int(order[0])
    if found.at_end and len(found.layers) > 1:
        caption(_("Its input is the last state of each direction, one beside the other: h = [h_forward; h_backward]."))
    elif found.at_end:
        caption(_("Its input is the hidden state after the last time step."))
    st.latex(_sum_formula(found, best, names[best]))
    probability, exponentials = found.probability, found.exponentials
    rows = []
    for k in order[:SHOWN]:
        row = {
            _("Output"): names[k],
            "W h": _digits(float(found.weight[k] @ found.hidden)),
            "b": _digits(float(found.bias[k])),
            _("Logit z") if found.has_softmax else _("Value"): _digits(float(logits[k])),
        }
        if found.has_softmax:
            row |= {"e^(z − max)": _digits(float(exponentials[k])), "p": f"{probability[k]:.4f}"}
        rows.append(row)
    dense_table(rows)
    values = probability if found.has_softmax else logits
    hidden_numbers(
        [HiddenNumber("logit", found.module, float(logits[k]), int(k)) for k in order[:SHOWN]]
        + [HiddenNumber("output", found.module, float(values[k]), int(k)) for k in order[:SHOWN]],
        _("From the hidden state to the prediction"),
        "output_step",
    )
    if not found.has_softmax:
        caption(_("No activation follows: the sums are the predicted values."))
        return
    total = exponentials.sum()
    st.latex(
        rf"p = \frac{{e^{{z - \max z}}}}{{\sum e^{{z - \max z}}}} = "
        rf"\frac{{{exponentials[best]:.4g}}}{{{total:.4g}}} = {probability[best]:.4f}"
    )
    if len(logits) == 2:
        difference = float(logits[best] - logits[1 - best])
        caption(
            _(
                "With two outputs, the softmax is a sigmoid of the difference of the logits: σ({difference:.4f}) = "
                '{p:.4f}. Dense(1, activation="sigmoid") with binary cross-entropy computes the same from one logit.'
            ).format(difference=difference, p=float(probability[best]))
        )


def _sum_formula(found: OutputStep, k: int, name: str) -> str:
    """Return the sum of one output with its largest terms as LaTeX."""
    terms = found.weight[k] * found.hidden
    largest = np.argsort(-np.abs(terms), kind="stable")[:TERMS]
    written = " ".join(_braced(terms[j], f"{_('unit')} {j}") for j in largest).removeprefix("+")
    others = len(terms) - len(largest)
    rest = terms.sum() - terms[largest].sum()
    more = _braced(rest, _("{n} other units").format(n=others)) if others else ""
    total = f"{_braced(found.bias[k], 'b')} = {found.logits[k]:.4f}"
    return rf"z_{{\text{{{_math_text(name)}}}}} = \sum_j W_j h_j + b = {written}{more} {total}"


def _braced(value: float, text: str) -> str:
    """Return a signed number with a text under it as LaTeX."""
    return rf"{'-' if value < 0 else '+'}\underbrace{{{abs(value):.3f}}}_{{\text{{{text}}}}}"


def _math_text(text: str) -> str:
    """Return a symbol for the text mode of LaTeX, at most 20 characters."""
    return "".join(
        f"\\{letter}" if letter in "#$%&_{}" else " " if letter in "\\^~" else letter for letter in text[:20]
    )


def _output_names(run: ForwardRun, count: int) -> list[str]:
    match run.prediction:
        case SymbolPrediction(vocabulary=vocabulary):
            return list(vocabulary)
        case ClassPrediction(classes=classes) | TagPrediction(classes=classes):
            return list(classes.get(language(), classes["en"]))
    return [str(k + 1) for k in range(count)]


def _digits(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


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
                "The derivative depends on the pre-activation a = W x + U h + b, not on a weight: tanh′(a) = 1 − tanh²(a) is "
                "1 at 0, 0.071 at ±2, 0.0099 at ±3 and 0.0013 at ±4. It is never 0, and no sharp limit lies at ±4. "
                "Backpropagation multiplies these derivatives (0 to 1; of σ at most 0.25), not the values of tanh (−1 to 1)."
            )
        )

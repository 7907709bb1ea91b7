"""The gates over the whole run: how often they are closed or open, and the half-life of the state that follows."""

import numpy as np
import streamlit as st

from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from models.states.gate_retention import log10_retained, retained, retention_gate
from models.states.saturation import Saturation
from viz.figures.half_life_plot import half_life_plot
from viz.figures.saturation_scatter import saturation_scatter
from viz.i18n import _
from viz.pages.nonfinite_notes import state_note
from viz.pages.page_elements import chart, page_theme
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.quantity_names import no_valves, quantity_names

SYMBOLS = {"forget_gate": "f", "update_gate": "z"}


def memory_panel(run: ForwardRun, layer: LayerTrace, unit: int, step: int) -> None:
    """Declare the panels of the gates' saturation and of the half-lives, with the values of the selected unit."""

    @panel(
        "saturation",
        _("Gate saturation: closed or open"),
        _(
            "Each dot is one gate of one unit. Right: almost always closed. Top: almost always open. On the "
            "dotted line: always one or the other, never in between."
        ),
    )
    def draw_saturation() -> None:
        saturated = states_cache.gate_saturation(run, layer.name)
        if saturated and not any(np.isfinite(each.left).any() for each in saturated.values()):
            _show_note(run, layer)
            st.markdown(_("The gate values are NaN, so their saturation cannot be measured."))
        elif saturated:
            chart(
                saturation_scatter(saturated, unit=unit, theme=page_theme()),
                "saturation",
                names=(layer.name, "saturation"),
            )
            st.markdown("\n".join(_shares(saturated, unit)))
            st.caption(_("After Karpathy, Johnson and Li 2015. Rings: the selected unit {unit}.").format(unit=unit))
        elif layer.kind == "RNN":
            st.markdown(_("A vanilla RNN has no gates."))
        else:
            st.markdown(no_valves(layer.cell_equations))

    @panel(
        "half_life",
        _("Half-life of the state"),
        _(
            "Time steps until the forget or update gate alone has halved a unit's state. Which units have a "
            "half-life longer than the sequence (above the dotted line)?"
        ),
    )
    def draw_half_life() -> None:
        _half_lives(run, layer, unit, step)


def _show_note(run: ForwardRun, layer: LayerTrace) -> None:
    note = state_note(layer, run.row)
    if note is not None:
        st.markdown(note)


def _shares(saturated: dict[str, Saturation], unit: int) -> list[str]:
    """Return the unit's saturation, a line per gate."""
    names = quantity_names()
    return [
        "- "
        + _("{gate} of unit {unit}: closed at {left}, open at {right} of the steps").format(
            gate=names[gate], unit=unit, left=f"{each.left[unit]:.0%}", right=f"{each.right[unit]:.0%}"
        )
        for gate, each in saturated.items()
        if np.isfinite(each.left[unit])
    ]


def _half_lives(run: ForwardRun, layer: LayerTrace, unit: int, step: int) -> None:
    steps = states_cache.state_half_lives(run, layer.name)
    carry = layer.weights.cell.carry
    if layer.weights.cell.cell_norm:
        st.markdown(
            _("A layer norm follows the forget gate here, so no gate alone says how much of the cell state remains.")
        )
        return
    if steps is None or carry is None:
        st.markdown(
            _(
                "A vanilla RNN has no gate that carries its state over: the whole state is recomputed at every time "
                "step."
            )
        )
        return
    if carry.gate not in layer.cell_equations.zero_one_gates:
        st.markdown(no_valves(layer.cell_equations))
        return
    if np.isnan(steps).all():
        _show_note(run, layer)
        st.markdown(_("The gate values are NaN or infinite, so the half-life cannot be computed."))
        return
    length = int(layer.lengths[run.row])
    figure = half_life_plot(steps, carry.gate, unit=unit, length=length, theme=page_theme())
    chart(figure, "half_lives", names=(layer.name, "half-lives"))
    _formula(run, layer, float(steps[unit]), unit, step)


def _formula(run: ForwardRun, layer: LayerTrace, half_life: float, unit: int, step: int) -> None:
    """Show the unit's half-life, and how much of its state after the first step remains at the current step."""
    keep = retention_gate(layer, run.row)
    carry = layer.weights.cell.carry
    assert keep is not None and carry is not None
    symbol, state = SYMBOLS[carry.gate], {"cell": "c", "hidden": "h"}[carry.state]
    middle = (
        0.5 ** (1 / half_life) if np.isfinite(half_life) and half_life > 0 else np.nan
    )  # the gate at the middle step
    if np.isfinite(half_life) and half_life > 0:
        st.latex(
            rf"t_{{1/2}} = \operatorname{{median}}_t\frac{{\ln\frac12}}{{\ln {symbol}_t}} = "
            rf"\frac{{\ln\frac12}}{{\ln {middle:.6g}}} = {_tex(half_life)}"
        )
    else:
        st.latex(rf"t_{{1/2}} = \operatorname{{median}}_t\frac{{\ln\frac12}}{{\ln {symbol}_t}} = {_tex(half_life)}")
    now = len(keep) - 1 - step if layer.reverse else step
    part = float(retained(keep[:, [unit]], 0, now)[0])
    power = float(log10_retained(keep[:, [unit]], 0, now)[0])
    begin = int(layer.lengths[run.row]) if layer.reverse else 1
    st.latex(
        rf"\prod_{{j={begin + (-1 if layer.reverse else 1)}}}^{{{step + 1}}} {symbol}_j = {_tex_power(power)}\qquad"
        rf"\Big({state}_{{{begin}}} \to {state}_{{{step + 1}}}\Big)"
    )
    sentence = _(
        "Unit {unit}: through the {gate} alone, {part} of the state at time step {begin} remains at the "
        "current time step {step}."
    ).format(
        unit=unit,
        gate=quantity_names()[carry.gate],
        part=f"{100 * part:.3g}%" if part >= 1e-6 else _("less than a millionth"),
        begin=begin,
        step=step + 1,
    )
    if part < 0.5 and half_life > now:
        sentence += " " + _(
            "The half-life uses the median gate value. A few time steps with a nearly closed gate can still erase "
            "the state."
        )
    st.caption(sentence)


def _tex_power(power: float) -> str:
    """Return 10 to the ``power`` in TeX."""
    if not power < -300:
        return _tex(10.0**power)
    if np.isinf(power):
        return "0"
    exponent = int(np.floor(power))
    return rf"{10.0 ** (power - exponent):.2f}\cdot10^{{{exponent}}}"


def _tex(value: float) -> str:
    if np.isnan(value):
        return r"\text{NaN}"
    if np.isinf(value):
        return r"\infty"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    exponent = int(np.floor(np.log10(abs(value))))
    return rf"{value / 10.0**exponent:.2f}\cdot10^{{{exponent}}}"

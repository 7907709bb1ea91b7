"""What the gates do over the whole run: how often they are shut or open, and how long that lets a state last."""

import numpy as np
import streamlit as st

from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from models.states.gate_retention import log10_retained, retained, retention_gate
from models.states.saturation import Saturation
from viz.figures.half_lives import half_lives
from viz.figures.saturation_scatter import saturation_scatter
from viz.i18n import _
from viz.pages.page_elements import chart, page_theme, panel
from viz.pages.states import states_cache
from viz.quantity_names import no_valves, quantity_names

SYMBOLS = {"forget_gate": "f", "update_gate": "z"}


def gates(reading: ForwardRun, layer: LayerTrace, unit: int, step: int) -> None:
    """Saturation beside half-lives, with the chosen unit's own numbers."""
    held, lasts = st.columns(2, gap="medium")
    with (
        held,
        panel(
            _("Gate saturation: closed or open"),
            _(
                "Each dot is one gate of one unit. Right: almost always closed. Top: almost always open. On the "
                "dotted line: always one or the other, never in between."
            ),
        ),
    ):
        saturated = states_cache.saturation(reading, layer.name)
        if saturated and not any(np.isfinite(held.left).any() for held in saturated.values()):
            st.markdown(_("The gate values are NaN or infinite, so their saturation cannot be measured."))
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
    with (
        lasts,
        panel(
            _("Half-life of the state"),
            _(
                "Time steps until the forget or update gate alone has halved a unit's state. Which units have a "
                "half-life longer than the sequence (above the dotted line)?"
            ),
        ),
    ):
        _lasts(reading, layer, unit, step)


def _shares(saturated: dict[str, Saturation], unit: int) -> list[str]:
    """The unit's own saturation, gate by gate."""
    names = quantity_names()
    return [
        "- "
        + _("{gate} of unit {unit}: closed at {left}, open at {right} of the steps").format(
            gate=names[gate], unit=unit, left=f"{held.left[unit]:.0%}", right=f"{held.right[unit]:.0%}"
        )
        for gate, held in saturated.items()
        if np.isfinite(held.left[unit])
    ]


def _lasts(reading: ForwardRun, layer: LayerTrace, unit: int, step: int) -> None:
    steps = states_cache.half_lives(reading, layer.name)
    carry = layer.weights.cell.carry
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
        st.markdown(_("The gate values are NaN or infinite, so the half-life cannot be computed."))
        return
    length = int(layer.lengths[reading.row])
    figure = half_lives(steps, carry.gate, unit=unit, length=length, theme=page_theme())
    chart(figure, "half_lives", names=(layer.name, "half-lives"))
    _formula(reading, layer, float(steps[unit]), unit, step)


def _formula(reading: ForwardRun, layer: LayerTrace, half_life: float, unit: int, step: int) -> None:
    """The unit's half-life, and what is left now of what was there after the first step."""
    keep = retention_gate(layer, reading.row)
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
    begin = int(layer.lengths[reading.row]) if layer.reverse else 1
    st.latex(
        rf"\prod_{{j={begin + (-1 if layer.reverse else 1)}}}^{{{step + 1}}} {symbol}_j = {_tex_power(power)}\qquad"
        rf"\Big({state}_{{{begin}}} \to {state}_{{{step + 1}}}\Big)"
    )
    told = _(
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
        told += " " + _(
            "The half-life uses the median gate value. A few time steps with a nearly closed gate can still erase "
            "the state."
        )
    st.caption(told)


def _tex_power(power: float) -> str:
    """10 to the ``power``."""
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

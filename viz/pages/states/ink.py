"""The fading ink: how much of every input is still in the state at the current step."""

import numpy as np
import streamlit as st

from models.reading import Reading
from models.trace import LayerTrace
from viz.figures.fading_ink import fading_ink
from viz.i18n import _
from viz.pages.chart import chart, theme
from viz.pages.panel import panel
from viz.pages.states import sources
from viz.plain import plain
from viz.session import Session

AT_ONCE = 1e10
"""Multiplications up to which the ink is drawn unasked at every step."""

MOST = 3e11
"""Multiplications up to which the exact way is gone: some seconds."""


def ink(here: Session, reading: Reading, layer: LayerTrace, step: int) -> None:
    """How much of each input is in the state, by every way and along the cell line."""
    labels = reading.labels_of(layer.name)
    title = _("The fading ink: what is still in h at step {step} (“{token}”)?").format(
        step=step + 1, token=plain(labels[step])
    )
    with panel(
        title,
        _("Go left from the step: the paler, the more is forgotten. Where is the cell line darker than the whole?"),
    ):
        count = len(labels) - step if layer.reverse else step + 1
        effort = 8.0 * count * layer.weights.output_size * layer.weights.hidden_size**2
        if effort > MOST:
            st.markdown(
                _(
                    "Exactly, this would take {n} multiplications, which is too long to wait for: "
                    "choose an earlier step or a shorter run. The half-lives above hold for it as well."
                ).format(n=_large(effort))
            )
            return
        asked = f"ink_{reading.serial}_{layer.name}_{step}"
        if effort > AT_ONCE and not st.session_state.get(asked):
            st.markdown(_("So far into so large a run this takes some seconds."))
            st.button(_("Draw the ink at this step"), on_click=lambda: st.session_state.update({asked: True}))
            return
        _ink(here, reading, layer, step, labels)


def _ink(here: Session, reading: Reading, layer: LayerTrace, step: int, labels: tuple[str, ...]) -> None:
    with st.spinner(_("Carrying the derivatives back …")):
        found = sources.survived(reading, layer.name, step)
    whole, along = found.whole[0], None if found.along is None else found.along[0]
    if not np.isfinite(whole).all():
        st.markdown(_("The derivatives are not finite numbers: the weights or the states are not."))
        return
    # a state cannot know what comes after it: those inputs are not zeros to wonder at
    later = slice(0, step) if layer.reverse else slice(step + 1, None)
    whole, along = (None if part is None else part.copy() for part in (whole, along))
    assert whole is not None
    for part in (whole, along):
        if part is not None:
            part[later] = np.nan
    carry = layer.weights.cell.carry
    figure = fading_ink(whole, along, labels, step=step, carried=carry.state if carry else "hidden", theme=theme())
    chart(figure, "fading_ink", names=(here.view.net, layer.name, "ink", f"step{step + 1}"))
    most = float(np.nanmax(whole))
    if len(labels) > 1 and most > 0:
        strongest = int(np.nanargmax(whole))
        share = np.nan_to_num(whole) / most
        st.caption(
            _(
                "The strongest input is that of step {step} (“{token}”); {n} of {count} inputs have more than 1% of its ink."
            ).format(
                step=strongest + 1,
                token=plain(labels[strongest]),
                n=int((share > 0.01).sum()),
                count=int((~np.isnan(whole)).sum()),
            )
        )
    elif most == 0:
        st.markdown(_("No input has any ink in this state: every derivative is 0."))
    every, line = _("every way"), _("along the cell line alone")
    product = {"forget_gate": "f", "update_gate": "z"}.get(carry.keep if carry else "", "")
    symbol = carry.state[0] if carry else ""
    whole_way = rf"\text{{{every}}}:\ \Big\|\frac{{\partial h_t}}{{\partial x_k}}\Big\|_F"
    line_way = (
        rf"\qquad \text{{{line}}}:\ \Big\|"
        + (r"\frac{\partial h_t}{\partial c_t}" if symbol == "c" else "")
        + rf"\prod_{{j=k+1}}^{{t}} {product}_j\,\frac{{\partial {symbol}_k}}{{\partial x_k}}\Big\|_F"
    )
    st.latex(whole_way + (line_way if along is not None else ""))
    first = -1 if layer.reverse else 0
    st.latex(
        rf"t = {step + 1},\ k = {len(labels) if layer.reverse else 1}:\quad \Big\|\frac{{\partial h}}{{\partial x}}\Big\|_F"
        rf" = {_power(whole[first])}" + ("" if along is None else rf",\quad \text{{{line}}}:\ {_power(along[first])}")
    )


def _large(value: float) -> str:
    """Such as 9·10¹³."""
    exponent = int(np.floor(np.log10(value)))
    return f"{value / 10.0**exponent:.0f}·10{str(exponent).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _power(value: float) -> str:
    if value == 0 or 1e-3 <= value < 1e4:
        return f"{value:.3g}"
    exponent = int(np.floor(np.log10(value)))
    return rf"{value / 10.0**exponent:.2f}\cdot10^{{{exponent}}}"

"""Sensitivity of the state at the current step to every input, or of every state to the current input."""

import numpy as np
import streamlit as st

from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from viz.escape import escape_markdown
from viz.figures.log_norm_axis import power_text
from viz.figures.sensitivity_map import carry_path_name, sensitivity_map
from viz.i18n import _
from viz.pages.nonfinite_notes import state_note
from viz.pages.page_elements import chart, page_theme
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.pages.view_widgets import TEXT, view_buttons, view_choice
from viz.session import Session

MAX_AUTOMATIC = 5e10
"""Multiplications up to which the sensitivity is computed at every step without a request."""

MAX_EFFORT = 3e11
"""Multiplications up to which the exact computation is offered: some seconds."""

LEFT, REACH = "left", "reach"
"""Two views of the same derivatives: one state by all inputs, and all states by one input."""


def influence_caption(kind: str) -> str:
    """Return what to look for in the influence of all inputs on one state."""
    fainter = _("Influence of each input on this state: the fainter, the weaker.")
    questions = {
        "RNN": _("How far back does it reach?"),
        "LSTM": _("Where is the influence along the cell state path alone larger than that along all paths?"),
        "GRU": _("Where is the influence along the hidden state path alone larger than that along all paths?"),
    }
    return f"{fainter} {questions[kind]}"


def sensitivity_panel(session: Session, run: ForwardRun, layer: LayerTrace, step: int) -> None:
    """Draw the sensitivity, along all paths and along the cell state path alone."""
    labels = run.labels_of(layer.name)
    way = view_choice("ink", TEXT, LEFT, (LEFT, REACH).__contains__)
    titles = {
        LEFT: _("Influence of the inputs on h at time step {step} (“{token}”), ‖∂h/∂x‖"),
        REACH: _("Influence of the input at time step {step} (“{token}”) on the states, ‖∂h/∂x‖"),
    }
    look_for = {
        LEFT: influence_caption(layer.kind),
        REACH: _(
            "Influence of this input on each state that follows. Where does it disappear, and which time step "
            "removes it?"
        ),
    }

    @panel("influence", titles[way].format(step=step + 1, token=escape_markdown(labels[step])), look_for[way])
    def draw_influence() -> None:
        words = {LEFT: _("all inputs → this state"), REACH: _("this input → all states")}
        view_buttons(
            _("Influence at time step {step}").format(step=step + 1), words, name="ink", key="ink_way", default=LEFT
        )
        before = len(labels) - step if layer.reverse else step + 1
        count = before if way == LEFT else len(labels) + 1 - before
        effort = 8.0 * count * layer.weights.output_size * layer.weights.hidden_size**2
        if effort > MAX_EFFORT:
            st.markdown(
                _(
                    "The exact computation needs {n} multiplications, which takes too long. Choose another time step or a "
                    "shorter run. The half-lives above still apply."
                ).format(n=_large(effort))
            )
            return
        request = f"ink_{way}_{run.serial}_{layer.name}_{step}"
        if effort > MAX_AUTOMATIC and not st.session_state.get(request):
            st.markdown(_("The layer and the run are large, so this takes a few seconds."))
            st.button(_("Compute for this time step"), on_click=lambda: st.session_state.update({request: True}))
            return
        _draw(session, run, layer, step, labels, way)


def _draw(session: Session, run: ForwardRun, layer: LayerTrace, step: int, labels: tuple[str, ...], way: str) -> None:
    with st.spinner(_("Backpropagating …") if way == LEFT else _("Propagating derivatives forward …")):
        if way == LEFT:
            found = states_cache.input_sensitivity_at(run, layer.name, step)
            whole, along = found.total[0], None if found.carry_path is None else found.carry_path[0]
        else:
            found = states_cache.forward_sensitivity_from(run, layer.name, step)
            whole, along = found.total, found.carry_path
    note = state_note(layer, run.row)
    if note is not None:
        st.markdown(f"{note} {_('The derivatives cannot be computed.')}")
        return
    if not np.isfinite(whole).all() or (along is not None and not np.isfinite(along).all()):
        st.markdown(_("The weights or the states are NaN or infinite, so the derivatives cannot be computed."))
        return
    # A state does not depend on later inputs: NaN, not drawn, instead of 0.
    unknown = slice(0, step) if layer.reverse == (way == LEFT) else slice(step + 1, None)
    whole, along = (None if part is None else part.copy() for part in (whole, along))
    assert whole is not None
    for part in (whole, along):
        if part is not None:
            part[unknown] = np.nan
    carry = layer.weights.cell.carry
    carried = carry.state if carry else "hidden"
    figure = sensitivity_map(
        whole, along, labels, step=step, carry_state=carried, forward=way == REACH, theme=page_theme()
    )
    chart(figure, "fading_ink", names=(session.view.net, layer.name, "ink", way, f"step{step + 1}"), min_width=440)
    _describe(whole, labels, way)
    every, line = _("all paths"), carry_path_name(carry.state if carry else "hidden")
    product = {"forget_gate": "f", "update_gate": "z"}.get(carry.gate if carry else "", "")
    symbol = carry.state[0] if carry else ""
    whole_way = rf"\text{{{every}}}:\ \Big\|\frac{{\partial h_t}}{{\partial x_k}}\Big\|_F"
    line_way = (
        rf"\qquad \text{{{line}}}:\ \Big\|"
        + (r"\frac{\partial h_t}{\partial c_t}" if symbol == "c" else "")
        + rf"\prod_{{j=k+1}}^{{t}} {product}_j\,\frac{{\partial {symbol}_k}}{{\partial x_k}}\Big\|_F"
    )
    st.latex(whole_way + (line_way if along is not None else ""))
    far = -1 if layer.reverse == (way == LEFT) else 0  # the input, or the state, at the far end
    ends = (step + 1, len(labels) if far else 1)
    t, k = ends if way == LEFT else ends[::-1]
    st.latex(
        rf"t = {t},\ k = {k}:\quad \Big\|\frac{{\partial h}}{{\partial x}}\Big\|_F"
        rf" = {_power(whole[far])}" + ("" if along is None else rf",\quad \text{{{line}}}:\ {_power(along[far])}")
    )


def _describe(whole: np.ndarray, labels: tuple[str, ...], way: str) -> None:
    """Show in words where the sensitivity is largest, and where it is not negligible."""
    most, known = float(np.nanmax(whole)), int((~np.isnan(whole)).sum())
    if most == 0:
        nothing = {
            LEFT: _("No input influences this state: all derivatives are 0."),
            REACH: _("This input influences no state: all derivatives are 0."),
        }
        st.markdown(nothing[way])
    elif len(labels) > 1:
        sentences = {
            LEFT: _(
                "The strongest influence is that of the input at time step {step} (“{token}”); {n} of {count} inputs "
                "have more than 1% of it."
            ),
            REACH: _(
                "The influence of this input is strongest on the state at time step {step} (“{token}”); on {n} of "
                "{count} states it is above 1% of that."
            ),
        }
        strongest = int(np.nanargmax(whole))
        count = int((np.nan_to_num(whole) / most > 0.01).sum())
        st.caption(
            sentences[way].format(step=strongest + 1, token=escape_markdown(labels[strongest]), n=count, count=known)
        )


def _large(value: float) -> str:
    """Return a number such as 9·10¹³."""
    exponent = int(np.floor(np.log10(value)))
    return f"{value / 10.0**exponent:.0f}·{power_text(exponent)}"


def _power(value: float) -> str:
    if value == 0 or 1e-3 <= value < 1e4:
        return f"{value:.3g}"
    exponent = int(np.floor(np.log10(value)))
    return rf"{value / 10.0**exponent:.2f}\cdot10^{{{exponent}}}"

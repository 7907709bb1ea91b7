"""Step: what does the cell compute at this step, number by number?"""

import streamlit as st

from viz.components.arithmetic import arithmetic
from viz.components.equations import equations
from viz.components.heatmap import heatmap
from viz.components.player import player
from viz.components.prediction import prediction
from viz.components.sequence import sequence
from viz.components.wiring import wiring
from viz.i18n import _
from viz.layer_payload import light
from viz.pages import sources
from viz.pages.controls import choose
from viz.pages.keep import keep
from viz.session import session

VIEW_ID = "step"
PLAYER = "player"


def page() -> None:
    """The Step lens."""
    here = session()
    reading = choose(here)
    view = here.view
    layer = reading.trace.layers[view.layer]
    rows_of = None if light(layer) else view.unit
    sequence(sources.payload(VIEW_ID, reading, layer.name, rows_of), key="sequence")
    player(
        VIEW_ID,
        view={"step": view.step, "unit": view.unit, "quantity": view.quantity, "revision": here.revision},
        key=PLAYER,
        on_view_change=_moved,
    )
    drawn, told = st.columns([3, 2], gap="medium")
    with drawn:
        with st.container(border=True):
            st.markdown(f"#### {_('Inside the cell')}")
            wiring(view_id=VIEW_ID)
        with st.container(border=True):
            st.markdown(f"#### {_('The equations')}")
            equations(
                layer.weights.cell,
                hidden_size=layer.weights.hidden_size,
                input_size=layer.weights.input_size,
                output_size=layer.weights.output_size,
                bias=layer.weights.bias_ih is not None,
                reverse=layer.reverse,
                view_id=VIEW_ID,
            )
    with told:
        with st.container(border=True):
            st.markdown(f"#### {_('What it predicts')}")
            prediction(VIEW_ID, key="prediction")
        with st.container(border=True):
            st.markdown(f"#### {_('Where the number comes from')}")
            arithmetic(view_id=VIEW_ID)
    with st.container(border=True):
        st.markdown(f"#### {_('Every unit at this step')}")
        heatmap(VIEW_ID, form="step", key="units")
    with st.container(border=True):
        st.markdown(f"#### {_('Every unit at every step')}")
        heatmap(VIEW_ID, form="sequence", key="steps")
    keep(here, reading)


def _moved() -> None:
    reported = st.session_state[PLAYER]["view"]
    here = session()
    here.heard(here.revision, **{name: reported[name] for name in ("step", "unit", "quantity")})

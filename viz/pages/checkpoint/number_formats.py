"""The same layer in other number formats: how far the states drift apart over the steps."""

import numpy as np
import streamlit as st

from models.networks.precision import FORMATS, REFERENCE_FORMAT
from viz.figures.precision_drift import NAMES, precision_drift
from viz.i18n import _
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection, Run
from viz.pages.page_elements import chart, dense_table, page_theme
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers

STEPS = 64
LONG = 2e9
"""Multiplications up to which it is computed without asking."""


def formats(selection: CheckpointSelection, layer: str, run: Run | None) -> None:
    """The curves, and what is left of them after the last step."""
    ran = run.layer(layer) if run else None
    if run is None or ran is None:
        st.markdown(
            _("This layer cannot be run yet, so a random sequence of {n} time steps is used here.").format(n=STEPS)
        )
        labels: tuple[str, ...] = tuple(str(step + 1) for step in range(STEPS))
    else:
        labels = run.reading.labels_of(ran.name)
    weights = selection.checkpoint.layers[layer]
    work = 5.0 * len(labels) * weights.weight_hh.size
    if ran is not None:
        st.caption(
            _("In each format, every layer takes as input the output of the layer below, computed in the same format.")
        )
    key = f"drift_{selection.key}_{layer}_{run.reading.serial if run else 0}"
    if work > LONG and not st.session_state.get(key):
        st.markdown(_("This layer is large: running it in four formats takes a while."))
        st.button(_("Compute"), key=f"ask_{key}", on_click=lambda: st.session_state.update({key: True}))
        return
    with st.spinner(_("Running in four number formats …")):
        found = checkpoint_cache.drifted(selection, layer, run if ran is not None else None, STEPS)
    exact = found.states[REFERENCE_FORMAT]["hidden"]
    if not np.isfinite(exact).all():
        st.markdown(_("The states are NaN or infinite in every format, so no distance can be computed."))
        return
    distances: dict[str, np.ndarray] = {format: found.distance(format) for format in FORMATS}
    chart(precision_drift(distances, labels, theme=page_theme()), "drift", names=(selection.title, layer, "formats"))
    # a layer that reads backwards ends at the first position
    last = 0 if ran is not None and ran.reverse else -1
    size = float(np.linalg.norm(exact[last]))
    dense_table(
        [
            {
                _("format"): NAMES[format],
                _("distance at the last time step"): f"{values[last]:.3g}",
                _("relative distance (÷ ‖h_T‖)"): f"{values[last] / size:.2g}" if size > 0 else "–",
                _("largest distance"): f"{values.max():.3g}",
            }
            for format, values in distances.items()
        ]
    )
    hidden_numbers(
        [HiddenNumber("drift", layer, float(values[last]), gate=format) for format, values in distances.items()],
        _("Distance of the last state from the float64 state, by format"),
        "drift",
    )
    low = "bfloat16"
    st.latex(
        rf"d_T = \|h_T^{{\text{{{low}}}}} - h_T^{{\text{{{REFERENCE_FORMAT}}}}}\|_2 = {distances[low][last]:.3g},\qquad "
        rf"\|h_T\|_2 = {size:.3g}"
    )

"""Rounding errors of a layer in lower-precision number formats over the steps."""

import numpy as np
import streamlit as st

from models.gradients.nonfinite import describe_nonfinite, first_nonfinite_value
from models.networks.precision import FORMATS, REFERENCE_FORMAT
from viz.escape import widget_key
from viz.figures.precision_drift import FORMAT_NAMES, precision_drift
from viz.i18n import _, translate
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointRun, CheckpointSelection
from viz.pages.page_elements import chart, dense_table, page_theme
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers

RANDOM_STEPS = 64
MAX_IMMEDIATE_PRODUCTS = 2e9
"""Multiplications up to which the runs are computed without a request."""


def number_formats(selection: CheckpointSelection, layer: str, run: CheckpointRun | None) -> None:
    """Show the distance curves and a table of the distances at the last step."""
    ran = run.layer(layer) if run else None
    if run is None or ran is None:
        st.markdown(
            _("This layer cannot be run yet, so a random sequence of {n} time steps is used here.").format(
                n=RANDOM_STEPS
            )
        )
        labels: tuple[str, ...] = tuple(str(step + 1) for step in range(RANDOM_STEPS))
    else:
        labels = run.forward_run.labels_of(ran.name)
    weights = selection.checkpoint.layers[layer]
    work = 5.0 * len(labels) * weights.weight_hh.size
    if ran is not None:
        st.caption(
            _("In each format, every layer takes as input the output of the layer below, computed in the same format.")
        )
    key = f"drift_{selection.key}_{widget_key(layer)}_{run.forward_run.serial if run else 0}"
    if work > MAX_IMMEDIATE_PRODUCTS and not st.session_state.get(key):
        st.markdown(_("This layer is large: running it in four formats takes a while."))
        st.button(_("Compute"), key=f"ask_{key}", on_click=lambda: st.session_state.update({key: True}))
        return
    with st.spinner(_("Running in four number formats …")):
        found = checkpoint_cache.layer_states_by_format(
            selection, layer, run if ran is not None else None, RANDOM_STEPS
        )
    reference = found.states[REFERENCE_FORMAT]["hidden"]
    for format, states in found.states.items():
        place = first_nonfinite_value(states["hidden"][None], last_first=ran is not None and ran.reverse)
        if place is not None:
            st.markdown(f"{FORMAT_NAMES.get(format, format)}: {translate(describe_nonfinite('hidden', place))}")
    if not np.isfinite(reference).all():
        st.markdown(_("The states are NaN or infinite in every format, so no distance can be computed."))
        return
    distances: dict[str, np.ndarray] = {format: found.distance(format) for format in FORMATS}
    chart(precision_drift(distances, labels, theme=page_theme()), "drift", names=(selection.title, layer, "formats"))
    # a reverse layer ends at the first position
    last = 0 if ran is not None and ran.reverse else -1
    size = float(np.linalg.norm(reference[last]))
    dense_table(
        [
            {
                _("format"): FORMAT_NAMES[format],
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

"""The weights of one layer: how they are distributed, gate by gate, and what the biases of the keeping gate mean."""

import numpy as np
import streamlit as st

from models.checkpoints.health import forget_biases
from models.core.activations import Activation
from viz.figures.forget_biases import keep_biases
from viz.figures.weight_histograms import weight_histograms
from viz.i18n import _
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.page_elements import chart, page_theme
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers
from viz.quantity_names import no_valves, quantity_names


def histograms(selection: CheckpointSelection, layer: str) -> None:
    """A histogram for each array and gate."""
    words = {"share": _("fraction of the weights"), "log": _("fraction (log scale)")}
    axis = st.segmented_control(
        _("Vertical axis"),
        list(words),
        format_func=words.__getitem__,
        default="share",
        required=True,
        key="histogram_axis",
    )
    with st.spinner(_("Computing histograms …")):
        found = checkpoint_cache.distributed(selection, layer)
    chart(
        weight_histograms(found, log=axis == "log", theme=page_theme()),
        "weight_histograms",
        names=(selection.title, layer, "weights"),
    )
    st.caption(_("sd: standard deviation. weight_ih multiplies the input, weight_hh the previous hidden state."))


def kept(selection: CheckpointSelection, layer: str, unit: int | None) -> None:
    """The biases of the gate that keeps the state."""
    weights = selection.checkpoint.layers[layer]
    carry = weights.cell.carry
    if carry is None:
        st.markdown(_("A vanilla RNN has no gates: how long it remembers depends on W_hh (see the eigenvalues below)."))
        return
    if carry.gate not in weights.cell.zero_one_gates:
        st.markdown(no_valves(weights.cell))
        return
    biases, through = forget_biases(weights), weights.cell.activations[carry.gate]
    gate = quantity_names()[carry.gate]
    if biases is None:
        st.markdown(
            _("This layer has no biases: with zero input and zero hidden state its {gate} is half open (0.5).").format(
                gate=gate
            )
        )
        return
    figure = keep_biases(biases, carry.gate, through, unit=unit, theme=page_theme())
    chart(figure, "keep_biases", names=(selection.title, layer, "biases"))
    hidden_numbers(
        [HiddenNumber("forget_bias", layer, float(value), unit=index) for index, value in enumerate(biases)],
        _("Bias of the {gate} per unit (b_ih + b_hh)").format(gate=gate),
        "keep-biases",
    )
    known = biases[np.isfinite(biases)]
    if len(known):
        _formula(float(np.median(known)), through, carry.gate == "forget_gate")


def _formula(bias: float, through: Activation, lstm: bool) -> None:
    """What the median bias keeps of a state, in numbers."""
    opening = float(through.values(np.array([bias]))[0])
    sign = through.symbol.replace("hard ", r"\mathrm{hard}\,").replace("σ", r"\sigma")
    letter = "f" if lstm else "z"
    last = np.log(2) / -np.log(opening) if 0 < opening < 1 else np.inf
    half = rf"{last:.3g}" if last < 1e6 else r"\infty"
    st.latex(
        rf"{letter} = {sign}(b) = {sign}({bias:.3g}) = {opening:.3g},\qquad "
        rf"{letter}^{{\,n}} = \tfrac12 \;\Rightarrow\; n = \frac{{\ln 2}}{{-\ln {letter}}} = {half}"
    )
    st.caption(
        _(
            "Half-life at the median bias: if the gate depended on its bias alone, half of the state would be "
            "left after n time steps."
        )
    )

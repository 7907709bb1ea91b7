"""Distributions of one layer's weights by gate, and the biases of the forget gate (GRU: update gate)."""

import numpy as np
import streamlit as st

from models.checkpoints.health import forget_biases
from models.core.activations import Activation
from viz.figures.forget_bias_plot import forget_bias_plot
from viz.figures.weight_histograms import weight_histograms
from viz.i18n import _
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.page_elements import chart, page_theme
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers
from viz.quantity_names import no_valves, quantity_names


def histogram_panel(selection: CheckpointSelection, layer: str) -> None:
    """Show a histogram for each array and gate."""
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
        found = checkpoint_cache.layer_distributions(selection, layer)
    chart(
        weight_histograms(found, log=axis == "log", theme=page_theme()),
        "weight_histograms",
        names=(selection.title, layer, "weights"),
        min_width=160 * max(map(len, found.values())) + 60,
    )
    st.caption(_("SD: standard deviation. weight_ih multiplies the input, weight_hh the previous hidden state."))
    if "weight_mx" in found:
        st.caption(
            _(
                "weight_mx and weight_mh: factors of the intermediate state, of the input and of the previous hidden state. "
                "Here weight_hh multiplies the intermediate state."
            )
        )
    if "weight_ch" in found:
        st.caption(_("weight_ch: peepholes. Each multiplies the unit's own cell state."))
    if "gain_ih" in found:
        st.caption(
            _(
                "gain and shift: factors and terms of the layer norms of the input part (ih), the recurrent part (hh) and "
                "the cell state (c)."
            )
        )


def forget_bias_caption(kind: str) -> str:
    """Return what to look for in the biases of the gate that keeps the state; nothing for a vanilla RNN, which has none."""
    gate = {"LSTM": "forget_gate", "GRU": "update_gate"}.get(kind)
    if gate is None:
        return ""
    return _(
        "Each dot is a unit. Left of the dotted line (b = 0) its {gate} is below 0.5 by the bias alone, so less than half of "
        "the state survives each time step. On which side are most units?"
    ).format(gate=quantity_names()[gate])


def forget_bias_panel(selection: CheckpointSelection, layer: str, unit: int | None) -> None:
    """Show the biases of the forget gate (GRU: update gate)."""
    weights = selection.checkpoint.layers[layer]
    carry = weights.cell.carry
    if weights.cell.norm is not None:
        st.markdown(
            _("Layer norms come after the products of this layer, so no bias alone says how far its gates are open.")
        )
        return
    if weights.cell.coupled:
        st.markdown(_("The forget gate of this layer is 1 − i, so its own weights and biases are not used."))
        return
    if carry is None:
        st.markdown(_("A vanilla RNN has no gates: how long it remembers depends on W_hh (see the eigenvalues below)."))
        return
    if carry.gate not in weights.cell.zero_one_gates:
        st.markdown(no_valves(weights.cell))
        return
    biases, activation = forget_biases(weights), weights.cell.activations[carry.gate]
    gate = quantity_names()[carry.gate]
    if biases is None:
        st.markdown(
            _("This layer has no biases: with zero input and zero hidden state its {gate} is half open (0.5).").format(
                gate=gate
            )
        )
        return
    figure = forget_bias_plot(biases, carry.gate, activation, unit=unit, theme=page_theme())
    chart(figure, "keep_biases", names=(selection.title, layer, "biases"), min_width=420)
    hidden_numbers(
        [HiddenNumber("forget_bias", layer, float(value), unit=index) for index, value in enumerate(biases)],
        _("Bias of the {gate} per unit (b_ih + b_hh)").format(gate=gate),
        "keep-biases",
    )
    finite = biases[np.isfinite(biases)]
    if len(finite):
        _formula(float(np.median(finite)), activation, carry.gate == "forget_gate")


def _formula(bias: float, activation: Activation, lstm: bool) -> None:
    """Show the gate value and half-life at the median bias."""
    gate_value = float(activation.values(np.array([bias]))[0])
    sign = activation.symbol.replace("hard ", r"\mathrm{hard}\,").replace("σ", r"\sigma")
    letter = "f" if lstm else "z"
    half_life = np.log(2) / -np.log(gate_value) if 0 < gate_value < 1 else np.inf
    half = rf"{half_life:.3g}" if half_life < 1e6 else r"\infty"
    st.latex(
        rf"{letter} = {sign}(b) = {sign}({bias:.3g}) = {gate_value:.3g},\qquad "
        rf"{letter}^{{\,n}} = \tfrac12 \;\Rightarrow\; n = \frac{{\ln 2}}{{-\ln {letter}}} = {half}"
    )
    st.caption(
        _(
            "Half-life at the median bias: if the gate depended on its bias alone, half of the state would be "
            "left after n time steps."
        )
    )

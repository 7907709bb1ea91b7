"""Eigenvalues and singular values of the recurrent matrices."""

import streamlit as st

from models.checkpoints.health import WeightSpectrum
from models.checkpoints.health.spectra import MAX_EXACT_UNITS
from viz.escape import latex_text, widget_key
from viz.figures.eigenvalue_plot import eigenvalue_plot
from viz.i18n import _
from viz.pages.checkpoint import checkpoint_cache
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection
from viz.pages.gradients.norm_panels import tex_number
from viz.pages.page_elements import chart, dense_table, page_theme
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers
from viz.quantity_names import quantity_names


def eigenvalue_caption(kind: str) -> str:
    """Return what the eigenvalues mean: only a vanilla RNN multiplies by its recurrent matrix again and again."""
    if kind == "RNN":
        return _(
            "Eigenvalues λ of W_hh. Are any outside the unit circle (|λ| > 1)? While units do not saturate, backpropagation "
            "makes their directions grow at every time step; inside, they shrink."
        )
    return _(
        "Eigenvalues λ of each gate's recurrent block. How large are the blocks (unit circle: |λ| = 1)? The gates also "
        "decide what is kept, so these are only a measure of scale, not of memory."
    )


def spectra_panel(selection: CheckpointSelection, layer: str) -> None:
    """Show the eigenvalues, spectral radii and deviations from orthogonality."""
    weights = selection.checkpoint.layers[layer]
    gates, size, key = weights.cell.gates, weights.output_size, f"spectra_{selection.key}_{widget_key(layer)}"
    request = st.session_state.get(key)
    if size > MAX_EXACT_UNITS and not request:
        st.markdown(
            _("Each recurrent block of this layer is {n} × {n}, so computing its eigenvalues takes a while.").format(
                n=f"{size:,}"
            )
        )
        with st.container(horizontal=True):
            _ask(key, "estimate", _("Estimate only the eigenvalues of largest magnitude"))
            _ask(
                key, "exact", _("Compute all eigenvalues (about {n} s)").format(n=f"{_seconds(size) * len(gates):,.0f}")
            )
        return
    exact = size if request == "exact" else MAX_EXACT_UNITS
    bar = st.progress(0.0, _("Computing eigenvalues …")) if size > MAX_EXACT_UNITS // 4 else None
    found: dict[str, WeightSpectrum] = {}
    for place, gate in enumerate(gates):
        if bar:
            bar.progress(
                place / len(gates), _("Computing the eigenvalues of the {gate} …").format(gate=quantity_names()[gate])
            )
        found[gate] = checkpoint_cache.block_spectrum(selection, layer, gate, exact)
    if bar:
        bar.empty()
    figure = eigenvalue_plot({gate: each.eigenvalues for gate, each in found.items()}, theme=page_theme())
    chart(figure, "spectra", names=(selection.title, layer, "spectra"), min_width=180 * len(found) + 60)
    if not all(each.exact for each in found.values()):
        st.caption(
            _(
                "For blocks this large, only the eigenvalues of largest magnitude are estimated; those further inside "
                "the circle are not drawn."
            )
        )
        _ask(key, "exact", _("Compute all eigenvalues (about {n} s)").format(n=f"{_seconds(size) * len(gates):,.0f}"))
    _table(found, layer)


def _ask(key: str, what: str, label: str) -> None:
    st.button(label, key=f"ask_{key}_{what}", on_click=lambda: st.session_state.update({key: what}))


def _seconds(size: int) -> float:
    """Return the expected time in seconds: about 1 s for 1,024 units, cubic in the number of units."""
    return (size / 1024) ** 3


def _table(found: dict[str, WeightSpectrum], layer: str) -> None:
    names = quantity_names()
    dense_table(
        [
            {
                _("recurrent block"): names[gate],
                _("spectral radius ρ"): f"{each.radius:.4g}",
                _("largest singular value"): f"{each.norm:.4g}",
                _("deviation from orthogonality"): "–"
                if each.from_orthogonal is None
                else f"{each.from_orthogonal:.4g}",
            }
            for gate, each in found.items()
        ]
    )
    hidden_numbers(
        [
            HiddenNumber(quantity, layer, value, gate=gate)
            for gate, each in found.items()
            for quantity, value in (
                ("spectral_radius", each.radius),
                ("spectral_norm", each.norm),
                ("from_orthogonal", each.from_orthogonal),
            )
            if value is not None
        ],
        _("Spectrum of each recurrent block"),
        "spectra",
    )
    gate = "candidate" if "candidate" in found else "preactivation"
    each = found[gate]
    steps = 10
    power = ""
    if gate == "preactivation":  # only a vanilla RNN applies the matrix again and again
        power = rf",\qquad \rho^{{{steps}}} = {tex_number(each.radius**steps) if each.radius else 0}"
    st.latex(rf"\rho(W_{{{latex_text(names[gate])}}}) = \max_k |\lambda_k| = {each.radius:.3g}{power}")
    st.latex(
        r"\text{" + _("deviation from orthogonality") + r"} = \frac{\|W^\top W - I\|_F}{\sqrt H}"
        + (f" = {each.from_orthogonal:.3g}" if each.from_orthogonal is not None else "")
    )  # fmt: skip

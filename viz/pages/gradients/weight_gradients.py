"""Contribution of each time step to the weights' gradients, and gradient clipping."""

import numpy as np
import streamlit as st

from models.core.layer_gradients import LayerGradients
from models.gradients.clipping import clipping
from models.gradients.initialized import EXPLODING_CONFIG, exploding_example
from models.gradients.losses import DifferentiatedRun, Loss
from models.networks.forward_run import ForwardRun
from viz.components.sliders import Slider, slider_values, sliders
from viz.figures.clipped_steps import clipped_steps
from viz.figures.gradient_norms import gradient_norms
from viz.figures.weight_steps import weight_steps
from viz.i18n import _
from viz.pages.gradients import gradient_cache
from viz.pages.gradients.loss_choice import gradients_if_any, has_network
from viz.pages.gradients.norm_panels import describe_rate, nonfinite_symbol, tex_number
from viz.pages.nonfinite_notes import gradient_note, invalid_gradient
from viz.pages.page_elements import chart, norm_chart, page_theme
from viz.pages.page_fragment import page_fragment
from viz.pages.panels import panel
from viz.pages.view_widgets import keep_slider_values, sliders_of_view, view_buttons
from viz.session import Session

VIEW_ID = "gradients"


def weight_gradient_panel(session: Session, run: ForwardRun, loss: Loss) -> None:
    """Declare the panel of the contribution of each time step to the gradient of one parameter."""

    @panel(
        "contributions",
        _("5 · Contribution of each time step to the weight gradient"),
        _(
            "The bars add up to the gradient norm of one matrix. Do all time steps contribute, or only a few? "
            "Negative bars point in the opposite direction."
        ),
    )
    def draw_contributions() -> None:
        labels = run.labels_of(session.view.layer or "")
        found = gradients_if_any(session, run, loss)
        if found is not None:
            _contributions(session, labels, found)


@page_fragment
def _contributions(session: Session, labels: tuple[str, ...], found: LayerGradients) -> None:
    words = {
        "weight_ih": _("input weights W_ih"),
        "weight_hh": _("recurrent weights W_hh"),
        "weight_mx": _("input weights of the intermediate state W_mx"),
        "weight_mh": _("recurrent weights of the intermediate state W_mh"),
        "bias_ih": _("biases b_ih"),
        "bias_hh": _("biases b_hh"),
        "weight_ch": _("peepholes w_c"),
        "gain_ih": _("gains of the layer norm, input"),
        "shift_ih": _("shifts of the layer norm, input"),
        "gain_hh": _("gains of the layer norm, recurrent"),
        "shift_hh": _("shifts of the layer norm, recurrent"),
        "gain_c": _("gains of the layer norm, cell state"),
        "shift_c": _("shifts of the layer norm, cell state"),
    }
    names = [name for name in words if name in found.parameter_names]
    chosen = view_buttons(
        _("Weights"), {name: words[name] for name in names}, name="weights", key="feeding", default=names[1]
    )
    inner = found.per_step_inner_products(chosen).astype(np.float64)
    total = float(inner.sum())  # the squared norm of the whole gradient
    note = gradient_note(found)
    if note is not None:
        st.markdown(f"{note} {invalid_gradient()}")
    if not (np.isfinite(total) and total > 0):
        if note is None:
            st.markdown(
                _("This gradient is 0: no time step contributes to it.")
                if total == 0
                else _("This gradient is NaN or infinite.")
            )
        return
    parts = inner / np.sqrt(total)
    gates = found.layer.weights.cell.row_gates(chosen)
    chart(
        weight_steps(parts, gates, labels, theme=page_theme()),
        "weight_steps",
        names=(session.view.net, chosen, "steps"),
    )
    most = int(np.abs(parts.sum(axis=1)).argmax())
    symbols = {
        "weight_ih": "W_{ih}",
        "weight_hh": "W_{hh}",
        "bias_ih": "b_{ih}",
        "bias_hh": "b_{hh}",
        "weight_ch": "w_{c}",
        "weight_mx": "W_{mx}",
        "weight_mh": "W_{mh}",
        **{f"gain_{part}": rf"\gamma_{{{part}}}" for part in ("ih", "hh", "c")},
        **{f"shift_{part}": rf"\beta_{{{part}}}" for part in ("ih", "hh", "c")},
    }
    symbol = symbols[chosen]
    st.latex(
        rf"\frac{{\partial L}}{{\partial {symbol}}} = \sum_{{t=1}}^{{{len(labels)}}}"
        rf"\Big(\frac{{\partial L}}{{\partial {symbol}}}\Big)_t,"
        rf"\qquad \Big\|\frac{{\partial L}}{{\partial {symbol}}}\Big\| = {tex_number(np.sqrt(total))}"
        rf"\quad (t={most + 1}:\; {100 * parts[most].sum() / np.sqrt(total):.1f}\,\%)"
    )


def clipping_panel(session: Session, loss: Loss) -> None:
    """Draw gradient clipping by the global norm."""

    @panel(
        "clipping",
        _("6 · Exploding gradient: gradient clipping"),
        _(
            "Each bar is one time step's contribution to the gradient norm. Set the threshold below the norm: all "
            "bars shrink by the same factor, so the direction of the gradient stays and only its length changes."
        ),
    )
    def draw_clipping() -> None:
        _clip(session, loss)


@page_fragment
def _clip(session: Session, loss: Loss) -> None:
    networks = {"exploding": _("RNN with an exploding gradient"), "here": _("this network and its loss")}
    own = has_network(session) and loss.kind not in ("unit", "saved")
    names = list(networks) if own else ["exploding"]
    way = view_buttons(
        _("Network"), {name: networks[name] for name in names}, name="clip", key="clip_way", default=names[0]
    )
    done = (
        gradient_cache.differentiated(session.view.net or "", session.view.text or "", loss, session.edits)
        if way == "here"
        else _exploding()
    )
    layer = (session.view.layer or "") if way == "here" else "l0"
    traced = done.trace.layers[layer]
    labels = tuple(str(step + 1) for step in range(traced.shape[1]))
    if way == "here":
        labels = tuple(gradient_cache.input_labels(session.view.net or "", session.view.text or "", session.edits))
    else:
        norms = gradient_cache.state_gradient_norms(traced.gradients)
        st.markdown(
            _("Untrained RNN: {units} units, spectral radius {radius} of W_hh, {steps} time steps.").format(
                units=EXPLODING_CONFIG.hidden, radius=EXPLODING_CONFIG.radius, steps=EXPLODING_CONFIG.steps
            )
            + " "
            + describe_rate(norms["hidden"])
        )
        figure = gradient_norms(norms, labels, loss_step=len(labels) - 1, theme=page_theme())
        norm_chart(figure, "exploding", names=("exploding", "gradient-norms"))
    _threshold(done, layer, labels, way)


def _threshold(done: DifferentiatedRun, layer: str, labels: tuple[str, ...], way: str) -> None:
    before = clipping(done.module, 1.0).before
    note = gradient_note(done.trace.layers[layer].gradients)
    if note is not None:
        st.markdown(f"{note} {invalid_gradient()}")
    if not np.isfinite(before):
        st.markdown(_("The gradient norm is {value}; clipping cannot fix that.").format(value=nonfinite_symbol(before)))
        return
    if before == 0:
        if note is None:
            st.markdown(_("The gradient is 0, so there is nothing to clip."))
        return
    # From a thousandth of the norm to three times the norm, on a log scale.
    power_of = float(np.log10(before))
    key = f"clip_threshold_{way}"
    scales = sliders_of_view(
        f"threshold{way}",
        Slider("theta", _("Threshold θ"), round(power_of - 3, 2), round(power_of + 0.5, 2), 0.01, power_of - 1, True),
    )
    turning = st.container()
    cut = clipping(done.module, 10.0 ** slider_values(scales, key)["theta"], done.trace)
    st.latex(
        rf"g \leftarrow g\cdot\min\Big(1,\ \frac{{\theta}}{{\|g\|}}\Big):\quad \|g\| = {tex_number(cut.before)},\quad "
        rf"\theta = {tex_number(cut.threshold)},\quad \text{{}} \times\,{cut.coefficient:.4g},\quad "
        rf"\|g\| \to {tex_number(cut.after)}"
    )
    parts = cut.steps[layer].astype(np.float64)
    chart(clipped_steps(parts, cut.coefficient, labels, theme=page_theme()), "clipped", names=("clipping", way))
    st.markdown(_describe_share(parts, cut.clips))
    with turning:
        sliders(
            VIEW_ID,
            scales,
            key=key,
            reports_release=True,
            on_change=lambda: keep_slider_values(f"threshold{way}", scales, key),
        )


def _describe_share(parts: np.ndarray, clips: bool) -> str:
    if not clips:
        return _("The norm is below the threshold, so nothing is clipped.")
    order = np.argsort(-parts)
    count = 1 + int(np.argmax(np.cumsum(parts[order]) >= parts.sum() / 2))
    first = ", ".join(str(int(step) + 1) for step in sorted(order[: min(count, 8)]))
    return _("Half of the gradient norm shown comes from {count} of {steps} time steps: {first}{more}").format(
        count=count, steps=len(parts), first=first, more=" …" if count > 8 else ""
    )


@st.cache_resource(show_spinner=False)
def _exploding() -> DifferentiatedRun:
    return exploding_example()

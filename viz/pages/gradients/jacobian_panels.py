"""Activation slopes, Jacobians of the time steps, bounds on the gradient, and Lyapunov exponents."""

import numpy as np
import streamlit as st

from models.core.layer_gradients import LayerGradients
from models.core.local_derivatives import activation_slopes
from models.core.trace import LayerTrace
from models.gradients.jacobian import (
    jacobian_norm_bounds,
    lyapunov_spectrum,
    recurrent_spectrum,
    singular_values,
    vanishing_condition,
)
from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun
from viz.figures.activation_slope_curves import activation_slope_curves, slope_names
from viz.figures.gradient_bounds import gradient_bounds
from viz.figures.jacobian_singular_values import jacobian_singular_values
from viz.figures.lyapunov import lyapunov
from viz.i18n import _
from viz.pages import cache
from viz.pages.costly_panel import ask_button, is_asked, was_asked
from viz.pages.gradients import gradient_cache
from viz.pages.gradients.loss_choice import gradients_if_any, loss_step
from viz.pages.gradients.norm_panels import number_text, tex_number
from viz.pages.nonfinite_notes import consequence, gradient_note, invalid_gradient, state_note
from viz.pages.page_elements import chart, page_theme
from viz.pages.panels import panel
from viz.quantity_names import quantity_names
from viz.session import Session

MAX_JACOBIANS = 240
"""Steps whose Jacobians are decomposed: the last ones before the loss."""
JACOBIAN_WORK = 6 * 10**9
"""Steps, times the cube of a Jacobian's rows, that are decomposed before the reader asks for all: about a second."""
MOST_WORK = 30 * JACOBIAN_WORK
"""The same for all that a reader can ask for: half a minute."""
LYAPUNOV_WORK = 6 * 10**9
"""Steps, times numbers of a Jacobian, times exponents, that are computed at once: about two seconds."""
ALL_STEPS = "jacobians_of_all_steps"
"""What the reader asks for: all steps that ``MOST_WORK`` allows, in both panels."""


def steps_at_first(layer: LayerTrace) -> int:
    """Return the number of steps whose Jacobians, of an LSTM those of the joint state, take about a second."""
    return _steps_of_work(layer, JACOBIAN_WORK)


def _steps_of_work(layer: LayerTrace, work: int) -> int:
    return min(MAX_JACOBIANS, max(1, work // _jacobian_rows(layer) ** 3))


def _jacobian_rows(layer: LayerTrace) -> int:
    """Return the rows of a step's Jacobian, of an LSTM those of the joint state."""
    return layer.weights.output_size + (layer.weights.hidden_size if layer.kind == "LSTM" else 0)


def activation_slope_panel(session: Session, run: ForwardRun) -> None:
    """Draw the derivative of every activation function at each time step."""
    layer = gradient_cache.single_sequence(run, session.view.layer or "")
    labels = run.labels_of(layer.name)

    @panel(
        "slopes",
        _("4 · Derivatives of the activation functions at each time step"),
        activation_slope_caption("normed LSTM" if layer.cell_equations.cell_norm else layer.kind),
        opened=False,
    )
    def draw_slopes() -> None:
        note = state_note(layer)
        if note is not None:
            st.markdown(f"{note} {consequence()}")
        found = {name: values[0] for name, values in activation_slopes(layer).items()}
        through = layer.cell_equations.activations
        figure = activation_slope_curves(found, labels, activations=through, theme=page_theme())
        chart(figure, "slopes", names=(session.view.net, layer.name, "slopes"))
        names = slope_names(through)
        st.markdown(
            _("Mean derivative over all time steps and units: {slopes}").format(
                slopes=", ".join(f"{names[name]} {number_text(values.mean())}" for name, values in found.items())
            )
        )


def activation_slope_caption(kind: str) -> str:
    """Return what to look for in the derivatives of a cell: along a gated state the factor is the gate instead."""
    question = _("How far below its maximum is each derivative?")
    factors = {
        "RNN": _("Every step of backpropagation multiplies the gradient by such a factor and by W_hh."),
        "LSTM": _(
            "Every path through W_hh is multiplied by such a factor at each time step; along the cell state the factor is "
            "the forget gate instead."
        ),
        "normed LSTM": _(
            "Every path through W_hh is multiplied by such a factor at each time step; along the cell state the factors are "
            "the forget gate and the derivative of the layer norm."
        ),
        "GRU": _(
            "Every path through W_hh is multiplied by such a factor at each time step; on the direct path from h to h the "
            "factor is the update gate instead."
        ),
    }
    return f"{question} {factors[kind]}"


def jacobian_panels(session: Session, run: ForwardRun, loss: Loss) -> None:
    """Declare the panels of the step Jacobians, of the bounds on the gradient, and of the Lyapunov spectrum."""
    layer = gradient_cache.single_sequence(run, session.view.layer or "")
    labels = run.labels_of(layer.name)
    at = loss_step(session, run, loss)
    last = (0 if layer.reverse else len(labels) - 1) if at is None else at
    contents, most = (run.serial, layer.name), _steps_of_work(layer, MOST_WORK)
    count = most if was_asked(ALL_STEPS, contents) else steps_at_first(layer)
    part = slice(last, min(last + count, len(labels))) if layer.reverse else slice(max(0, last + 1 - count), last + 1)
    all_steps = min(most, len(labels) - last if layer.reverse else last + 1)

    def is_wanted(panel: str) -> bool:
        rows = _jacobian_rows(layer)
        if rows**3 > MOST_WORK:
            st.caption(
                _("The Jacobians of this layer have {n} rows, which are too many to decompose.").format(n=f"{rows:,}")
            )
            return False
        return is_asked(panel, contents, rows**3, JACOBIAN_WORK)

    def offer_all(key: str) -> None:
        if part.stop - part.start < all_steps:
            st.caption(
                _("Computed for the {n} time steps nearest to the loss, because this takes long.").format(
                    n=part.stop - part.start
                )
            )
            ask_button(_("Compute {n} time steps").format(n=all_steps), ALL_STEPS, contents, key=key)

    @panel(
        "jacobians",
        _("Jacobian of each time step: singular values"),
        _(
            "By the chain rule, the gradient is multiplied by one Jacobian per time step. If its largest singular "
            "value is below 1, every gradient shrinks there; above 1, some directions grow. Which steps are "
            "which?"
        ),
    )
    def draw_jacobians() -> None:
        if not is_wanted("jacobians"):
            return
        offer_all("all_jacobians")
        values, bounds = _singular(run, layer.name, part.start, part.stop)
        st.markdown(_describe_spectrum(layer))
        note = state_note(layer)
        if note is not None:
            st.markdown(f"{note} {consequence()}")
        figure = jacobian_singular_values(values, bounds, labels[part], first=part.start, theme=page_theme())
        chart(figure, "jacobians", names=(session.view.net, layer.name, "jacobians"))
        widest = int(np.nanargmax(values[:, 0])) if np.isfinite(values[:, 0]).any() else 0
        states = (
            r"\partial (h,c)_{%d}/\partial (h,c)_{%d}" if layer.kind == "LSTM" else r"\partial h_{%d}/\partial h_{%d}"
        )
        step = part.start + widest + 1
        if np.isfinite([values[widest, 0], bounds[widest]]).all():
            st.latex(
                rf"\Big\|{states % (step, step + 1 if layer.reverse else step - 1)}\Big\|_2 = {_tex(values[widest, 0])}"
                rf"\;\le\; {_tex(bounds[widest])}"
            )
        elif note is None:
            st.markdown(_("The Jacobians contain NaN or infinite values."))

    if at is not None:
        step = at

        @panel(
            "bounds",
            _("Upper bounds and the actual gradient"),
            _(
                "The bounds always hold, but how tight are they? Compare them with the thick line, the actual "
                "gradient; the axis is logarithmic."
            ),
        )
        def draw_bounds() -> None:
            found = gradients_if_any(session, run, loss)
            if found is not None:
                if not is_wanted("bounds"):
                    return
                offer_all("all_bounds")
                values = _singular(run, layer.name, part.start, part.stop)[0]
                _bounds(session, layer, labels, found, values, part, step)

    _exponents(session, layer, run)


def _bounds(
    session: Session,
    layer: LayerTrace,
    labels: tuple[str, ...],
    found: LayerGradients,
    values: np.ndarray,
    part: slice,
    at: int,
) -> None:
    """Draw the bounds on the gradient and the actual gradient."""
    norms = gradient_cache.state_gradient_norms(found)["hidden"][part]
    # In the order of backpropagation: the step of the loss first.
    turn = slice(None, None, 1 if layer.reverse else -1)
    own = float(norms[turn][0])
    stretch = np.concatenate([[1.0], np.cumprod(values[turn, 0].astype(np.float64))[:-1]])
    limits: dict[str, np.ndarray] = {"steps": (own * stretch)[turn]}
    if layer.kind == "RNN":
        spectrum = recurrent_spectrum(layer.weights)["preactivation"]
        distance = np.arange(len(norms))[turn]
        with np.errstate(over="ignore"):
            reach, suggested = own * spectrum.norm**distance, own * spectrum.radius**distance
        limits = {"weights": reach, **limits, "radius": suggested}
    entered = np.flatnonzero(found.output_gradients.hidden[0].numpy().any(axis=-1))
    if not set(entered.tolist()) <= {at}:
        st.markdown(
            _(
                "The loss enters this layer at many time steps (from the layer above, or from an output that "
                "reads every time step), so no product of this layer's own Jacobians bounds the gradient. In a "
                "stack, choose the top layer."
            )
        )
        return
    note = gradient_note(found)
    if note is not None:
        st.markdown(f"{note} {invalid_gradient()}")
        return
    if not (np.isfinite(own) and own > 0):
        st.markdown(_("The gradient at the time step of the loss is 0 or not finite, so there is nothing to compare."))
        return
    figure = gradient_bounds(norms, limits, labels[part], first=part.start, theme=page_theme())
    chart(figure, "bounds", names=(session.view.net, layer.name, "bounds"))
    far = -1 if layer.reverse else 0
    lines = rf"\|\partial L/\partial h_{{{(part.stop if layer.reverse else part.start + 1)}}}\| = {_tex(norms[far])}"
    lines += rf"\;\le\; \|\partial L/\partial h_{{{at + 1}}}\| \prod_j \|J_j\|_2 = {_tex(limits['steps'][far])}"
    if "weights" in limits:
        lines += rf"\;\le\; \|\partial L/\partial h_{{{at + 1}}}\|\,\|W_{{hh}}\|_2^{{{len(norms) - 1}}}"
        lines += rf" = {_tex(limits['weights'][far])}"
    st.latex(lines)


def _tex(value: float) -> str:
    if np.isnan(value):
        return r"\mathrm{NaN}"
    if np.isinf(value):
        return r"\infty"
    return tex_number(value) if value > 0 else "0"


def _describe_spectrum(layer: LayerTrace) -> str:
    found, names = recurrent_spectrum(layer.weights), quantity_names()
    if layer.kind == "RNN":
        condition, spectrum = vanishing_condition(layer.weights), found["preactivation"]
        sentence = _("Spectral norm ‖W_hh‖₂ = {norm}, spectral radius {radius}.").format(
            norm=f"{spectrum.norm:.3f}", radius=f"{spectrum.radius:.3f}"
        )
        if condition.vanishes:
            verdict = _("The norm is below {bound}: the gradient must vanish (Pascanu, Mikolov and Bengio 2013).")
        elif condition.may_explode:
            verdict = _(
                "The norm is above {bound}: the gradient can explode, but need not (Pascanu, Mikolov and Bengio 2013)."
            )
        else:
            return sentence
        return sentence + " " + verdict.format(bound=f"{1 / condition.gamma:g}")
    parts = ", ".join(f"{names[gate]} {each.norm:.2f} ({each.radius:.2f})" for gate, each in found.items())
    return _(
        "Spectral norm (spectral radius in parentheses) of each gate's W_h: {parts}. A bound from the weights "
        "alone holds only for the vanilla RNN; in an LSTM or GRU the gate values count too, at every time "
        "step."
    ).format(parts=parts)


def _exponents(session: Session, layer: LayerTrace, run: ForwardRun) -> None:
    @panel(
        "lyapunov",
        _("Lyapunov spectrum of the whole sequence"),
        _(
            "How fast small differences in the state grow or shrink, per direction. Is the first exponent above "
            "0? Then they grow, and gradients with them."
        ),
    )
    def draw_lyapunov() -> None:
        rows, steps = _jacobian_rows(layer), layer.shape[1]
        cost = steps * rows**2 * (_exponent_count(layer) or rows)
        if not is_asked("lyapunov", (run.serial, layer.name), cost, LYAPUNOV_WORK):
            return
        exponents = _lyapunov(run, layer.name)
        left, right = st.columns([5, 2], gap="medium", vertical_alignment="center")
        with left:
            chart(lyapunov(exponents, theme=page_theme()), "lyapunov", names=(session.view.net, layer.name, "lyapunov"))
        with right:
            first, note = float(exponents[0]), state_note(layer)
            if note is not None:
                st.markdown(f"{note} {_('The Lyapunov exponents cannot be computed.')}")
                return
            if first == -np.inf:
                st.markdown(
                    _("At some time step the Jacobian is exactly 0, so every small difference disappears completely.")
                )
                return
            if not np.isfinite(first):
                st.markdown(
                    _("This run contains NaN or infinite values, so the Lyapunov exponents cannot be computed.")
                )
                return
            st.markdown(
                _("The fastest-growing direction grows by {percent} per time step on average.").format(
                    percent=f"{np.expm1(first):.1%}"
                )
                if first > 0
                else _("Even the slowest-decaying direction shrinks by {percent} per time step on average.").format(
                    percent=f"{-np.expm1(first):.1%}"
                )
            )
            growth = np.exp(first)
            shown = f"{growth:.4f}" if 1e-3 <= growth < 1e4 else _tex(growth)
            st.latex(rf"\lambda_1 = {first:.4f},\quad e^{{\lambda_1}} = {shown}")


@st.cache_resource(show_spinner=False, max_entries=gradient_cache.MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def _singular(run: ForwardRun, layer: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the singular values (S, N) of the steps' Jacobians, of an LSTM of the joint state, and their bounds (S)."""
    only = gradient_cache.single_sequence(run, layer)
    part = slice(start, min(stop, only.shape[1]))
    return singular_values(only, joint=True, steps=part), jacobian_norm_bounds(only)[0, part]


@st.cache_resource(show_spinner=False, max_entries=gradient_cache.MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def _lyapunov(run: ForwardRun, layer: str) -> np.ndarray:
    only = gradient_cache.single_sequence(run, layer)
    return lyapunov_spectrum(only, count=_exponent_count(only))


def _exponent_count(layer: LayerTrace) -> int | None:
    """Return how many exponents are computed; None for all, of a layer and a sequence that are small."""
    _batch, steps, units = layer.shape
    return None if steps * units <= 12_000 else 16

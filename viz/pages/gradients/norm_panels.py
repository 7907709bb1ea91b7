"""Gradient norms at every time step, and the rate at which they decay or grow."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from models.gradients.decay_rate import fit_decay
from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun
from viz.escape import escape_markdown
from viz.figures.gradient_norms import gradient_norms
from viz.figures.log_norm_axis import power_text
from viz.i18n import _, ngettext
from viz.pages.gradients.gradient_cache import differentiated, state_gradient_norms
from viz.pages.gradients.loss_choice import describe_loss, has_network, layer_gradients, loss_step
from viz.pages.nonfinite_notes import invalid_gradient, shown_norms, state_note
from viz.pages.page_elements import norm_chart, page_theme
from viz.pages.panels import Panel, panel
from viz.pages.screen_reader_table import hidden_curves
from viz.panel_texts.gradients_texts import gradient_norms_text
from viz.session import Session


def norms_panel() -> Callable[[Callable[[], None]], Panel[None]]:
    """Return the decorator that declares the panel of the gradient norms."""
    return panel("gradient_norms", *gradient_norms_text())


def gradient_norm_panel(session: Session, run: ForwardRun, loss: Loss) -> None:
    """Declare the panel of the curves, beside their description, with the ratio of the last norm to the first."""

    @norms_panel()
    def draw_gradient_norms() -> None:
        view, last = session.view, None
        found = layer_gradients(session, run, loss)
        if has_network(session) and loss.kind not in ("unit", "saved"):
            last = differentiated(view.net or "", view.text or "", loss, session.edits).target
        labels = run.labels_of(found.layer.name)
        norms, at = state_gradient_norms(found), loss_step(session, run, loss)
        st.markdown(describe_loss(session, run, loss, last))
        left, right = st.columns([5, 2], gap="medium", vertical_alignment="center")
        with left:
            drawn = {state: shown_norms(values, found) for state, values in norms.items()}
            figure = gradient_norms(drawn, labels, loss_step=at, reverse=found.layer.reverse, theme=page_theme())
            norm_chart(figure, "gradient_norms", names=(session.view.net, found.layer.name, "gradient-norms"))
        with right:
            note = state_note(found.layer)
            if note is not None:
                st.markdown(f"{note} {invalid_gradient()}")
            else:
                for state, values in norms.items():
                    _describe(state, values, labels, at, found.layer.reverse)
        curves = [(f"{state}_grad_norm", view.net or "", found.layer.name, values) for state, values in norms.items()]
        words = _("Norms of the gradient of the loss with respect to the states, at every time step.")
        hidden_curves(curves, labels, words, "gradient-norms")


def _describe(state: str, norms: np.ndarray, labels: tuple[str, ...], at: int | None, reverse: bool) -> None:
    symbol = {"hidden": "h", "cell": "c"}[state]
    last = len(norms) - 1
    near = (0 if reverse else last) if at is None else at
    far = last if reverse else 0
    reached = norms[near:] if reverse else norms[: near + 1]
    fit = fit_decay(reached, reverse)
    lines = [f"**∂L/∂{symbol}**", describe_rate(reached, reverse, every=at is None)]
    if fit.zero_count:
        lines.append(
            ngettext(
                "At {n} time step the gradient is exactly 0 (no path, or too small for the number format).",
                "At {n} time steps the gradient is exactly 0 (no path, or too small for the number format).",
                fit.zero_count,
            ).format(n=fit.zero_count)
        )
    if fit.nonfinite_step is not None:
        where = fit.nonfinite_step + (near if reverse else 0)
        lines.append(
            _("During backpropagation the gradient first becomes {value} at time step {step} (“{token}”).").format(
                value=nonfinite_symbol(norms[where]), step=where + 1, token=escape_markdown(labels[where])
            )
        )
    st.markdown("\n\n".join(lines))
    if near != far and np.isfinite([norms[near], norms[far]]).all() and norms[near] > 0 and norms[far] > 0:
        share = norms[far] / norms[near]
        st.latex(
            rf"\begin{{aligned}}\frac{{\|\partial L/\partial {symbol}_{{{far + 1}}}\|}}"
            rf"{{\|\partial L/\partial {symbol}_{{{near + 1}}}\|}}"
            rf"&= \frac{{{tex_number(norms[far])}}}{{{tex_number(norms[near])}}}\\"
            rf"&= {tex_number(share)}\\&= {tex_root(share, abs(near - far))}^{{{abs(near - far)}}}\end{{aligned}}"
        )


def describe_rate(norms: np.ndarray, reverse: bool = False, *, every: bool = False) -> str:
    """Return in one sentence how fast the norms decay or grow during backpropagation."""
    if every:
        return _("With a loss at every time step there is no single decay rate.")
    fit = fit_decay(norms, reverse)
    if np.isnan(fit.rate):
        if fit.nonfinite_step is not None:
            return _("The gradient becomes NaN or infinite, so no rate can be fitted.")
        return _("Too few time steps to fit a rate.")
    if fit.is_constant:
        return _("Fitted to all time steps, the gradient norm changes by less than 1% per time step.")
    if not fit.is_exponential:
        return _("No clear exponential trend (R² = {share:.0%}).").format(share=fit.r_squared)
    sentence = (
        _(
            "Fitted to all time steps, the gradient norm halves every {n} time steps of backpropagation (R² = {share:.0%})."
        )
        if fit.rate < 0
        else _(
            "Fitted to all time steps, the gradient norm doubles every {n} time steps of backpropagation (R² = {share:.0%})."
        )
    )
    return sentence.format(n=f"{fit.half_distance:.1f}", share=fit.r_squared)


def nonfinite_symbol(value: float) -> str:
    """Return how NaN or infinity is written."""
    return "NaN" if np.isnan(value) else "∞"


def tex_number(value: float) -> str:
    """Return a positive number in TeX: 0.162, or 9.04 times a power of ten."""
    if 1e-3 <= value < 999.5:
        return f"{value:.3g}"
    exponent = int(np.floor(np.log10(value)))
    return rf"{value / 10.0**exponent:.2f}\cdot10^{{{exponent}}}"


def tex_root(value: float, power: int) -> str:
    """Return the ``power``-th root of a positive number in TeX, with at least 3 digits, such that its power is ``value``.

    The power of the root as written differs from ``value`` by less than 0.5%.
    """
    root = float(value) ** (1 / power)
    written = (f"{root:.{digits}g}" for digits in range(3, 17))
    text = next((each for each in written if abs(float(each) ** power / value - 1) < 0.005), f"{root:.17g}")
    mantissa, _e, exponent = text.partition("e")
    return rf"({mantissa}\cdot10^{{{int(exponent)}}})" if exponent else mantissa


def number_text(value: float, digits: int = 3) -> str:
    """Return a number for a sentence: 0.162, or 9.04·10⁻⁷."""
    mantissa, _e, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}·{power_text(int(exponent))}" if exponent else mantissa

"""The first part of the Gradients lens: how large is the gradient at every step?"""

import numpy as np
import streamlit as st

from models.core.layer_gradients import LayerGradients
from models.gradients.decay_rate import decay
from models.gradients.losses import Loss
from models.networks.forward_run import Reading
from viz.figures.gradient_norms import gradient_norms
from viz.i18n import _, ngettext
from viz.pages.chart import chart, theme
from viz.pages.gradients.gradient_cache import norms_of
from viz.pages.gradients.loss_choice import loss_step
from viz.pages.panel import panel
from viz.pages.screen_reader_table import mirror
from viz.session import Session

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def norms_over_time(session: Session, reading: Reading, loss: Loss, found: LayerGradients, said: str) -> None:
    """The curves, what they do in words, and the end of the chain in numbers."""
    labels = reading.labels_of(found.layer.name)
    norms, at = norms_of(found), loss_step(session, reading, loss)
    with panel(
        _("1 · How large is the gradient at each step?"),
        _("Go away from the loss: does the curve fall, rise or hold? On this axis a straight line is a steady rate."),
    ):
        st.markdown(_plain(said))
        drawn, told = st.columns([5, 2], gap="medium", vertical_alignment="center")
        with drawn:
            figure = gradient_norms(norms, labels, loss_step=at, reverse=found.layer.reverse, theme=theme())
            chart(figure, "gradient_norms", names=(session.view.net, found.layer.name, "gradient-norms"))
        with told:
            for state, values in norms.items():
                _tell(state, values, labels, at, found.layer.reverse)
    mirror(
        [(f"{state}_grad_norm", session.view.net or "", found.layer.name, values) for state, values in norms.items()],
        labels,
        _("Norms of the gradient of the loss by the states at every step."),
        "gradient-norms",
    )


def _tell(state: str, norms: np.ndarray, labels: tuple[str, ...], at: int | None, reverse: bool) -> None:
    symbol = {"hidden": "h", "cell": "c"}[state]
    last = len(norms) - 1
    near = (0 if reverse else last) if at is None else at
    far = last if reverse else 0
    reached = norms[near:] if reverse else norms[: near + 1]
    fit = decay(reached, reverse)
    lines = [f"**∂L/∂{symbol}**", rate_in_words(reached, reverse, every=at is None)]
    if fit.zeros:
        lines.append(
            ngettext(
                "At {n} step it is exactly 0: nothing in these numbers reaches it.",
                "At {n} steps it is exactly 0: nothing in these numbers reaches them.",
                fit.zeros,
            ).format(n=fit.zeros)
        )
    if fit.broken is not None:
        where = fit.broken + (near if reverse else 0)
        lines.append(
            _("It is {value} from step {step} (“{token}”) on, going back: that is where it first appears.").format(
                value=_name(norms[where]), step=where + 1, token=labels[where]
            )
        )
    st.markdown(_plain("\n\n".join(lines)))
    if near != far and np.isfinite([norms[near], norms[far]]).all() and norms[near] > 0 and norms[far] > 0:
        share = norms[far] / norms[near]
        factor = share ** (1 / abs(near - far))
        st.latex(
            rf"\begin{{aligned}}\frac{{\|\partial L/\partial {symbol}_{{{far + 1}}}\|}}"
            rf"{{\|\partial L/\partial {symbol}_{{{near + 1}}}\|}}"
            rf"&= \frac{{{power(norms[far])}}}{{{power(norms[near])}}}\\"
            rf"&= {power(share)}\\&= {factor:.3f}^{{{abs(near - far)}}}\end{{aligned}}"
        )


def rate_in_words(norms: np.ndarray, reverse: bool = False, *, every: bool = False) -> str:
    """How fast the norms fade or grow on their way back, in one sentence."""
    if every:
        return _("Each step adds a loss of its own on the way back, so there is no one rate.")
    fit = decay(norms, reverse)
    if np.isnan(fit.rate):
        return _("There are too few steps for a rate.")
    if fit.steady:
        return _("It holds: by its fitted rate its length changes by less than 1% from step to step.")
    if not fit.clear:
        return _("It has no clear rate: one steady rate explains only {share:.0%} of its course.").format(
            share=fit.explained
        )
    sentence = (
        _("It halves every {n} steps on its way back.")
        if fit.rate < 0
        else _("It doubles every {n} steps on its way back.")
    )
    return sentence.format(n=f"{fit.halving:.1f}")


def _name(value: float) -> str:
    return "NaN" if np.isnan(value) else "∞"


def power(value: float) -> str:
    """A positive number as TeX: 0.162, or 9.04 times a power of ten."""
    if 1e-3 <= value < 1e4:
        return f"{value:.3g}"
    exponent = int(np.floor(np.log10(value)))
    return rf"{value / 10.0**exponent:.2f}\cdot10^{{{exponent}}}"


def prose(value: float, digits: int = 3) -> str:
    """A number in a sentence: 0.162, or 9.04·10⁻⁷."""
    mantissa, _e, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}·10{str(int(exponent)).translate(RAISED)}" if exponent else mantissa


def _plain(text: str) -> str:
    """Tokens of a text may look like Markdown or TeX; the two stars that we write ourselves stay."""
    for character in "\\`_[]<$~#":
        text = text.replace(character, "\\" + character)
    return text

"""The panels of what a run recorded as curves: loss and accuracy, gradient norms and clipping, recurrent weights, samples."""

from __future__ import annotations

from functools import partial
from math import exp

import numpy as np
import streamlit as st

from models.runs.open_run import TrainingRun
from viz.escape import code_span, escape_markdown
from viz.figures.recorded_curves import (
    clipping_threshold,
    drawn_curves,
    learning_curves,
    norm_curves,
    radius_curves,
    update_curves,
)
from viz.figures.training_curves import TrainingCurve, training_curves
from viz.i18n import _
from viz.pages.page_elements import caption, page_theme
from viz.pages.panels import panel
from viz.pages.train.live_chart import live_chart
from viz.pages.train.shown_run import ShownRun, known_scalars, live, nothing_recorded
from viz.panel_texts.training_texts import learning_curves_text, recurrent_weights_text, training_norms_text

LANGUAGE_TASKS = ("characters", "text")
"""Tasks whose network predicts each next token: their loss has a perplexity."""

MAX_SAMPLES = 6


def learning_curves_panel(run: ShownRun, recording: TrainingRun) -> None:
    """Declare the panel of loss and accuracy."""

    @panel("learning_curves", *learning_curves_text())
    def draw() -> None:
        live(run, "curves", lambda: _learning_curves(run, recording))


def _learning_curves(run: ShownRun, recording: TrainingRun) -> None:
    theme = page_theme()
    drawn = {kind: learning_curves(kind) for kind in ("loss", "accuracy")}
    found = known_scalars(recording, [curve.scalar for curves in drawn.values() for curve in curves])
    if not found:
        nothing_recorded(run)
        return

    def curves(kind: str) -> list[TrainingCurve]:
        return drawn_curves(drawn[kind], found, theme)

    places = st.columns(2) if curves("accuracy") else [st.container()]
    if curves("loss"):
        with places[0]:
            draw_figure = partial(
                training_curves, curves("loss"), title=_("loss"), scale="auto", marked=run.step, theme=theme
            )
            live_chart(draw_figure, "loss", run.name, "loss")
    if curves("accuracy"):
        with places[-1]:
            draw_figure = partial(
                training_curves, curves("accuracy"), title=_("accuracy"), percent=True, marked=run.step, theme=theme
            )
            live_chart(draw_figure, "accuracy", run.name, "accuracy")
    _perplexity(run, found)


def _perplexity(run: ShownRun, found: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Show the perplexity of a language model as a formula with its newest loss."""
    name = next((each for each in ("loss/validation", "loss/train") if each in found), None)
    if name is None or run.options is None or run.options.task not in LANGUAGE_TASKS:
        return
    steps, losses = found[name]
    loss = float(losses[-1])
    if not np.isfinite(loss) or loss > 50:
        return
    st.latex(rf"\text{{{_('perplexity')}}} = e^{{L}} = e^{{{loss:.4g}}} = {exp(loss):.4g}")
    of = (
        _("L is the validation loss at training step {step:,}, the newest one.")
        if name == "loss/validation"
        else _("L is the training loss at training step {step:,}, the newest one.")
    )
    caption(of.format(step=int(steps[-1])))


def training_norms_panel(run: ShownRun, recording: TrainingRun) -> None:
    """Declare the panel of the gradient norm before and after clipping."""

    @panel("training_norms", *training_norms_text())
    def draw() -> None:
        live(run, "norms", lambda: _norms(run, recording))


def _norms(run: ShownRun, recording: TrainingRun) -> None:
    theme = page_theme()
    drawn = norm_curves()
    found = known_scalars(recording, [curve.scalar for curve in drawn])
    if drawn[0].scalar not in found:
        nothing_recorded(run)
        return
    curves = drawn_curves(drawn, found, theme)
    threshold = clipping_threshold(recording.settings)
    bound = None if threshold is None else (threshold, _("threshold {value:g}").format(value=threshold))
    draw_figure = partial(
        training_curves,
        curves,
        title=_("gradient norm"),
        scale="log",
        bound=bound,
        marked=run.step,
        theme=theme,
        height=320,
    )
    live_chart(draw_figure, "norms", run.name, "gradient-norm")
    _clipping_formula(found["gradient_norm/total"], threshold)


def _clipping_formula(norms: tuple[np.ndarray, np.ndarray], threshold: float | None) -> None:
    """Show the equation of clipping with the newest norm, and how many of the recorded training steps were clipped."""
    steps, values = norms
    if threshold is None or not len(values):
        caption(_("Clipping by the norm is off: both curves are equal, unless single values are clipped."))
        return
    norm = float(values[-1])
    if np.isfinite(norm) and norm > 0:
        factor = min(1.0, threshold / norm)
        st.latex(
            r"g \leftarrow g \cdot \min\left(1, \tfrac{\theta}{\lVert g \rVert}\right) = g \cdot \min\left(1, "
            rf"\tfrac{{{threshold:g}}}{{{norm:.3g}}}\right) = {factor:.3g}\, g"
        )
    share = float(np.mean(~(values <= threshold)))
    caption(
        _(
            "In {share:.1%} of the recorded training steps the norm was above the threshold; the last is {step:,}."
        ).format(share=share, step=int(steps[-1]))
    )


def recurrent_weights_panel(run: ShownRun, recording: TrainingRun) -> None:
    """Declare the panel of the spectral radii and the sizes of the updates."""

    @panel("recurrent_weights", *recurrent_weights_text(), opened=False)
    def draw() -> None:
        live(run, "weights", lambda: _recurrent_weights(run, recording))


def _recurrent_weights(run: ShownRun, recording: TrainingRun) -> None:
    theme = page_theme()
    known = recording.scalar_names
    drawn, updates = radius_curves(recording.layers, known), update_curves(known)
    found = known_scalars(recording, [curve.scalar for curve in (*drawn, *updates)])
    radii, ratios = drawn_curves(drawn, found, theme), drawn_curves(updates, found, theme)
    if not radii and not ratios:
        nothing_recorded(run)
        return
    left, right = st.columns(2)
    if radii:
        with left:
            draw_figure = partial(
                training_curves,
                radii,
                title=_("spectral radius"),
                bound=(1.0, "1"),
                marked=run.step,
                theme=theme,
                height=360,
            )
            live_chart(draw_figure, "radii", run.name, "spectral-radius")
    if ratios:
        with right:
            draw_figure = partial(
                training_curves,
                ratios,
                title=_("update ÷ weights (norms)"),
                scale="log",
                marked=run.step,
                theme=theme,
                height=360,
            )
            live_chart(draw_figure, "updates", run.name, "update-ratio")


def samples_panel(run: ShownRun, recording: TrainingRun) -> None:
    """Declare the panel of the texts that the network generated during training."""

    @panel(
        "samples",
        _("Samples during training"),
        _(
            "Texts that the network generated at different training steps, the newest first. When do they begin to make "
            "sense?"
        ),
        opened=False,
    )
    def draw() -> None:
        live(run, "samples", lambda: _samples(recording))


def _samples(recording: TrainingRun) -> None:
    samples = recording.samples
    if not samples:
        caption(_("No samples have been recorded yet, or this task has none."))
        return
    places = sorted({round(place) for place in np.linspace(0, len(samples) - 1, min(MAX_SAMPLES, len(samples)))})
    for place in reversed(places):
        step, text = samples[place]
        number = escape_markdown(_("training step {step:,}").format(step=step))
        st.markdown(f"**{number}** · " + code_span(text.replace("\n", "⏎")[:600]))

"""The panels of what a run recorded as curves: loss and accuracy, gradient norms and clipping, recurrent weights, samples."""

from __future__ import annotations

from functools import partial
from math import exp

import numpy as np
import streamlit as st

from models.runs.open_run import TrainingRun
from viz.colours import BEFORE_AFTER, CURVES, KIND, QUANTITY, quantity_colour
from viz.escape import code_span, escape_markdown
from viz.figures.training_curves import TrainingCurve, training_curves
from viz.i18n import _
from viz.pages.page_elements import caption, page_theme
from viz.pages.panels import panel
from viz.pages.train.live_chart import live_chart
from viz.pages.train.shown_run import ShownRun, known_scalars, live, nothing_recorded
from viz.quantity_names import quantity_names

LANGUAGE_TASKS = ("characters", "text")
"""Tasks whose network predicts each next token: their loss has a perplexity."""

MAX_SAMPLES = 6
MAX_LAYERS = 6
"""Layers that are drawn as curves of their own."""


def learning_curves_panel(run: ShownRun, recording: TrainingRun) -> None:
    """Declare the panel of loss and accuracy."""

    @panel(
        "learning_curves",
        _("Loss and accuracy"),
        _(
            "Does the loss still fall? Where the training loss goes on falling while the validation loss rises, the network "
            "overfits."
        ),
    )
    def draw() -> None:
        live(run, "curves", lambda: _learning_curves(run, recording))


def _learning_curves(run: ShownRun, recording: TrainingRun) -> None:
    theme = page_theme()
    names = ("loss/train", "loss/validation", "accuracy/train", "accuracy/validation")
    found = known_scalars(recording, names)
    if not found:
        nothing_recorded(run)
        return
    training, validation = (colours[theme] for colours in BEFORE_AFTER)

    def curves(kind: str) -> list[TrainingCurve]:
        parts = (
            (f"{kind}/train", _("training"), training, 1.2),
            (f"{kind}/validation", _("validation"), validation, 2.6),
        )
        return [
            TrainingCurve(title, *found[name], colour=colour, width=width)
            for name, title, colour, width in parts
            if name in found
        ]

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
    loss = float(found[name][1][-1])
    if not np.isfinite(loss) or loss > 50:
        return
    st.latex(rf"\text{{{_('perplexity')}}} = e^{{L}} = e^{{{loss:.4g}}} = {exp(loss):.4g}")


def training_norms_panel(run: ShownRun, recording: TrainingRun) -> None:
    """Declare the panel of the gradient norm before and after clipping."""

    @panel(
        "training_norms",
        _("Gradient norm and clipping"),
        _(
            "How often is the norm above the threshold? The norm after clipping never is; a spike shows an exploding "
            "gradient."
        ),
    )
    def draw() -> None:
        live(run, "norms", lambda: _norms(run, recording))


def _norms(run: ShownRun, recording: TrainingRun) -> None:
    theme = page_theme()
    found = known_scalars(recording, ("gradient_norm/total", "gradient_norm/total_clipped"))
    if "gradient_norm/total" not in found:
        nothing_recorded(run)
        return
    before, after = (colours[theme] for colours in reversed(BEFORE_AFTER))
    curves = [TrainingCurve(_("before clipping"), *found["gradient_norm/total"], colour=before, width=1.6)]
    if "gradient_norm/total_clipped" in found:
        curves.append(TrainingCurve(_("after clipping"), *found["gradient_norm/total_clipped"], colour=after))
    threshold = _threshold(recording)
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


def _threshold(recording: TrainingRun) -> float | None:
    """Return the threshold of clipping by norm; None if it is off or unknown."""
    threshold = recording.settings.get("clip_threshold")
    by_norm = recording.settings.get("clipping") == "norm"
    return float(threshold) if by_norm and isinstance(threshold, int | float) and 0 < threshold < 1e30 else None


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

    @panel(
        "recurrent_weights",
        _("Recurrent weights"),
        _(
            "Does a spectral radius pass 1? Updates of about 10⁻³ of a weight's norm are usual; far below, hardly anything "
            "is learned."
        ),
        opened=False,
    )
    def draw() -> None:
        live(run, "weights", lambda: _recurrent_weights(run, recording))


def _recurrent_weights(run: ShownRun, recording: TrainingRun) -> None:
    theme = page_theme()
    layers = list(recording.layers.values())[:MAX_LAYERS]
    radii: list[TrainingCurve] = []
    titles = quantity_names()
    dashes = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
    names = [f"spectral_radius/{layer.name}" for layer in layers]
    by_gate = {f"{name}/{gate}": gate for layer, name in zip(layers, names, strict=True) for gate in layer.gates}
    known = recording.scalar_names
    updates = [name for name in known if name.startswith("update_ratio/") and "weight" in name][: 2 * MAX_LAYERS]
    found = known_scalars(recording, [*names, *by_gate, *updates])
    for layer, dash, name in zip(layers, dashes, names, strict=False):
        gates = [each for each in by_gate if each in found and each.startswith(f"{name}/")]
        for each in gates:
            gate = by_gate[each]  # in a folder of somebody else's, possibly one that no cell has
            colour = quantity_colour(gate if gate in QUANTITY else "candidate", theme)
            title = f"{layer.name}: {titles.get(gate, gate)}"
            radii.append(TrainingCurve(title, *found[each], colour=colour, dash=dash))
        if not gates and name in found:
            colour = KIND.get(layer.kind, BEFORE_AFTER[0])[theme]
            radii.append(TrainingCurve(layer.name, *found[name], colour=colour, dash=dash))
    if not radii and not any(name in found for name in updates):
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
    ratios = [
        TrainingCurve(
            name.removeprefix("update_ratio/"),
            *found[name],
            colour=CURVES[place % len(CURVES)][theme],
            dash=dashes[place // len(CURVES)],
        )
        for place, name in enumerate(each for each in updates if each in found)
    ]
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

"""Titles and captions of the panels of the Train lens that are also shown outside the app."""

from models.runs.open_run import StepMap, TrainingRun
from viz.i18n import _
from viz.panel_texts import PanelText


def training_map_text() -> PanelText:
    """Return the text of the maps of the gradients and of a gate."""
    return PanelText(
        _("Gradients and gates over the training"),
        _(
            "Left: does a band of strong gradients reach down to the first time steps, and from which training step on? "
            "Right: where is the gate saturated?"
        ),
    )


def maps_sentence(run: TrainingRun, drawn: StepMap) -> str:
    """Return what the maps of a run are of: the sequences, the training steps that are kept, the time steps of a row."""
    of = (
        _("The same probe sequence at the recorded training steps, one in {stride:,}.")
        if run.maps_of == "probes"
        else _("The batch of the recorded training steps, one in {stride:,}.")
    ).format(stride=drawn.stride)
    if drawn.width > 1:
        of += " " + _("Each row of the picture is the mean of {width} time steps.").format(width=drawn.width)
    return of


def learning_curves_text() -> PanelText:
    """Return the text of loss and accuracy."""
    return PanelText(
        _("Loss and accuracy"),
        _(
            "Does the loss still fall? Where the training loss goes on falling while the validation loss rises, the network "
            "overfits."
        ),
    )


def training_norms_text() -> PanelText:
    """Return the text of the gradient norm before and after clipping."""
    return PanelText(
        _("Gradient norm and clipping"),
        _(
            "How often is the norm above the threshold? The norm after clipping never is; a spike shows an exploding "
            "gradient."
        ),
    )


def recurrent_weights_text() -> PanelText:
    """Return the text of the spectral radii and of the sizes of the updates."""
    return PanelText(
        _("Recurrent weights"),
        _(
            "Does a spectral radius pass 1? Updates of about 10⁻³ of a weight's norm are usual; far below, hardly anything "
            "is learned."
        ),
    )


def gate_curves_text(layer: str) -> PanelText:
    """Return the text of the saturation and the mean of each gate of a layer."""
    return PanelText(
        _("Gates of {layer}").format(layer=layer),
        _("Which gate saturates, and when? A mean near 0 or 1 is a gate that is closed or open at most time steps."),
    )

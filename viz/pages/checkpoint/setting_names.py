"""Names of the settings of layers that files may not show."""

from viz.i18n import _


def setting_names() -> dict[str, str]:
    """Return the display names of the settings that a file may not specify."""
    return {
        "kind": _("cell type"),
        "order": _("gate order"),
        "reset_after": _("position of the reset gate"),
        "nonlinearity": _("activation function"),
        "norm": _("layer norms as in PyTorch's custom_lstms, and their epsilon"),
        "activation": _("activation function of the candidate"),
        "recurrent_activation": _("activation function of the gates"),
    }

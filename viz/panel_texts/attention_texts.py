"""Titles and captions of the panels of the Attention lens."""

from viz.i18n import _
from viz.panel_texts import PanelText


def decoder_text() -> PanelText:
    """Return the text of the decoder step by step."""
    return PanelText(
        _("Decoder with attention, step by step"),
        _(
            "At each step the decoder attends to the source tokens and outputs one token. Go from step to "
            "step: which source tokens get the most attention?"
        ),
    )


def attention_formulas_text() -> PanelText:
    """Return the text of the formulas."""
    return PanelText(
        _("Attention formulas with their values"),
        _(
            "The query comes from the decoder state, the keys and values from the encoder states. Click an input "
            "token to select it: what is its score, and what attention weight does the softmax make of it?"
        ),
    )


def alignment_text() -> PanelText:
    """Return the text of the attention weights of all steps."""
    return PanelText(
        _("Alignment: the attention weights of all steps"),
        _(
            "The attention weight of each source token (column) at each output step (row). Do the year, month and "
            "day attend to the right characters? Which steps spread their attention (high entropy), and which "
            "characters get almost none?"
        ),
    )


def contributions_text() -> PanelText:
    """Return the text of the contribution of each source token."""
    return PanelText(
        _("Contribution of each source token"),
        _(
            "Three measures for each source token, one per row. Does the token with the most attention also have "
            "the largest contribution?"
        ),
    )


def explanation_note() -> str:
    """Return what attention weights alone do not show."""
    return _(
        "Attention weights alone do not explain an output. Different weights can give the same output (Jain "
        "and Wallace 2019; but see the reply by Wiegreffe and Pinter 2019), and a token with little attention "
        "can still act through the encoder states of its neighbors."
    )

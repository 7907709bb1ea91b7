"""The decoder at work: what it writes, one symbol a step, and what it reads for that."""

from collections.abc import Callable, Mapping
from typing import Any

from viz.colours import palette
from viz.components import define
from viz.components.shared.playback import transport_words
from viz.i18n import _


def decoding(
    view_id: str,
    *,
    view: Mapping[str, Any],
    key: str,
    on_view_change: Callable[[], None],
    on_pinned_change: Callable[[], None],
) -> None:
    """Mount the player of the output and the drawing of one attention head at the current step; mirror its numbers.

    Args:
        view_id: the store that `sequence` loaded with the bytes of `viz.payloads.attention_payload`.
        view: {"step", "source", "revision"}: what the server wants shown; "source" is the symbol that is pinned, or
            None for the one with the most weight. The browser obeys once for each new `revision`.
        key: of the component in the page.
        on_view_change: called when the reader has settled elsewhere; the component's state then has "view".
        on_pinned_change: called when the reader pins a symbol of the source or lets it go; the state then has
            "pinned", {"source", "revision"}.
    """
    define("decoder_view", "playback", "raster", "columns", "attention_selection", *PARTS)(
        key=key,
        data={
            "component": "decoding",
            "view_id": view_id,
            # a unit and a quantity stand for nothing here, but what the browser reports has them: it must find them unchanged
            "view": {"unit": 0, "quantity": "attention_weight", **view},
            "palette": palette(),
            "words": _words(),
        },
        on_view_change=on_view_change,
        on_pinned_change=on_pinned_change,
    )


PARTS = ("decoder_source", "decoder_target", "decoder_mirror", "decoder_png")


def row_words() -> dict[str, str]:
    """What is known of every symbol of the source, in the language in force."""
    return {
        "token": _("source"),
        "key": _("keys"),
        "score": _("scores"),
        "weight": _("weights"),
        "value": _("values"),
    }


def _words() -> dict[str, Any]:
    return {
        **transport_words(),
        "rows": row_words(),
        "said": {
            "token": {"all": _("what is read")},
            "key": {
                "dot": _("the encoder's states"),
                "general": _("W times the encoder's states"),
                "additive": _("W times the encoder's states"),
                "all": _("one a symbol"),
            },
            "score": {
                "additive": _("query and key, added and squashed"),
                "all": _("query times key"),
            },
            "weight": {"all": _("softmax: they add up to 1")},
            "value": {"all": _("each as strong as its weight")},
        },
        "unused": _("not used: {name} gives the scores"),
        "boxes": {"cell": "GRU", "layer": _("layer"), "join": _("join"), "heads": _("heads")},
        "query": _("query"),
        "context": _("context"),
        "next": _("next symbol"),
        "output": _("Written:"),
        "written": _("The symbols that are written, one a step"),
        "mirror": _("The attention of step {step} of {steps}, which writes '{token}'"),
        "readout": _(
            "Step {step} writes '{token}' and reads '{source}', symbol {n} of the source, "
            "with weight {weight} (score {score})."
        ),
        "weight_at": _("weight {value}"),
        "score_at": _("score {value}"),
        "spans": _("keys ±{key}, values ±{value}"),
        "save": _("Save as PNG"),
        "source_at": _("symbol {n} of the source, '{token}'"),
    }

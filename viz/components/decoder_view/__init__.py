"""The decoder at one step: the symbols that it generated so far, and the attention of this step."""

from collections.abc import Callable, Mapping
from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.shared.playback import playback_words
from viz.components.streamlit_host import mount
from viz.i18n import _

DECODER_VIEW = Component(
    "decoder_view", ("spoken_step", "playback", "swipe", "raster", "columns", "attention_selection")
)


def decoder_view(
    view_id: str,
    *,
    view: Mapping[str, Any],
    key: str,
    on_view_change: Callable[[], None],
    on_pinned_change: Callable[[], None],
) -> None:
    """Mount the player of the output and the drawing of one attention head at the current step.

    Args:
        view_id: the store that `trace_loader` loaded with the bytes of `viz.payloads.attention_payload`.
        view: {"step", "source", "revision", "since"}: what to show; "source" is the pinned symbol, or None for the one
            with the largest weight. The browser follows each once for each new revision in `since`, as `player`.
        key: of the component in the page.
        on_view_change: called after the reader moved elsewhere; the component's state then has "view".
        on_pinned_change: called when the reader pins or unpins a source symbol; the state then has
            "pinned", {"source", "revision"}.
    """
    mount(
        DECODER_VIEW,
        decoder_view_data(view_id, view=view),
        key=key,
        on={"view": on_view_change, "pinned": on_pinned_change},
    )


def decoder_view_data(view_id: str, *, view: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of the drawing; arguments as of `decoder_view`."""
    return {
        "view_id": view_id,
        # A unit and a quantity have no meaning here, but the reported view has them and must equal this one.
        "view": {"unit": 0, "quantity": "attention_weight", **view},
        "palette": palette(),
        "words": _words(),
    }


def row_words() -> dict[str, str]:
    """Return the names of what is shown of every source symbol."""
    return {
        "token": _("source"),
        "key": _("keys"),
        "score": _("attention scores"),
        "weight": _("attention weights"),
        "value": _("values"),
    }


def _words() -> dict[str, Any]:
    return {
        **playback_words(),
        "rows": row_words(),
        "explanations": {
            "token": {"all": _("input text")},
            "key": {
                "dot": _("encoder hidden states"),
                "general": _("W × encoder hidden states"),
                "additive": _("W × encoder hidden states"),
                "all": _("W_K × encoder outputs, one per token"),
            },
            "score": {
                "dot": _("dot product (Luong): queryᵀ key"),
                "general": _("general (Luong): queryᵀ key, key = W h"),
                "scaled": _("scaled dot product: queryᵀ key / √d"),
                "additive": _("additive (Bahdanau): vᵀ tanh(query + key)"),
                "all": _("dot product of query and key"),
            },
            "weight": {"all": _("softmax of the scores (sum 1)")},
            "value": {"all": _("opacity = attention weight")},
        },
        "divided": _("{score}; divided by the temperature, τ = {value}"),
        "unused": _("not used; {name} computes the scores"),
        "boxes": {"cell": "GRU", "layer": _("layer"), "join": _("concat"), "heads": _("heads")},
        "query": _("query"),
        "context": _("context vector"),
        "next": _("next token"),
        "output": _("Output:"),
        "written": _("Generated tokens, one per time step"),
        "mirror": _("Attention at time step {step} of {steps}, output “{token}”"),
        "readout": _(
            "Step {step}, output “{token}”: attention weight of source token {n} “{source}” = {weight} (score {score})"
        ),
        "source_keys": _("Input tokens. Up and down arrow keys select one, Escape deselects it."),
        "spoken": _(
            "Step {step} of {steps}: output “{token}” {probability}, attention weight {weight} on source token {n} “{source}”"
        ),
        "weight_at": _("attention weight {value}"),
        "score_at": _("attention score {value}"),
        "spans": _("keys ±{key}, values ±{value}"),
        "save": _("Save as PNG"),
        "source_at": _("input token {n}: “{token}”"),
    }

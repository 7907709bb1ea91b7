"""The formulas of an attention, with symbols and with the live numbers of a step."""

from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _
from viz.payloads.cell_description import SymbolicValue, Tree

ATTENTION_FORMULAS = Component("attention_formulas", ("cell_math", "attention_selection", "math_lines"))


def attention_formulas(view_id: str, *, cell: str, key: str) -> None:
    """Show the formulas of the attention in the store `view_id`, from the query to the next symbol.

    Args:
        view_id: the store that `trace_loader` loaded with the bytes of `viz.payloads.attention_payload`.
        cell: the decoder's, as in "GRU"; not used where there is none.
        key: of the component in the page.
    """
    mount(ATTENTION_FORMULAS, attention_formulas_data(view_id, cell=cell), key=key)


def attention_formulas_data(view_id: str, *, cell: str) -> dict[str, Any]:
    """Return the data of the formulas; arguments as of `attention_formulas`."""
    return {
        "view_id": view_id,
        "cell": cell,
        "score_terms": score_terms(),
        "palette": palette(),
        "words": _words(),
    }


def score_terms() -> dict[str, Tree]:
    """Return, of each score, the term of one dimension as a tree in "query", "key" and (of the additive score) "energy".

    The query and the key are those after the projections; the score is the sum over all dimensions.
    """
    query, key, energy = SymbolicValue("query"), SymbolicValue("key"), SymbolicValue("energy")
    product = query * key
    scores = {"dot": product, "general": product, "scaled": product, "additive": energy * (query + key).tanh()}
    return {name: term.tree for name, term in scores.items()}


def _words() -> dict[str, Any]:
    return {
        "stages": {
            "query": _("query"),
            "score": _("attention score"),
            "weight": _("attention weight"),
            "context": _("context vector"),
            "join": _("concat"),
            "probability": _("next token"),
        },
        "unit": _("unit of the context vector"),
        "caption": _(
            "Output step {step}, input token {n} “{token}”, unit {unit} of the context vector. In exp, the "
            "largest score is subtracted from all scores; the softmax stays the same."
        ),
        "others": _("{n} other terms"),
        "from_context": _("context vector term"),
        "from_state": _("decoder state term, with bias"),
        "masked": _("masked"),
        "scores_from": _("score from {name}"),
        "layer": _("layer"),
    }

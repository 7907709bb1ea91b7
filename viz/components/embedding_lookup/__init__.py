"""A text as the input of a layer: each word, its id, the row of the embedding with that number, and the input x_t."""

from typing import Any

import numpy as np

from models.layer_calls.call_run import CallRun
from viz.colours import Theme, signed_scale
from viz.components import Component, float32_text
from viz.components.streamlit_host import mount
from viz.i18n import _

EMBEDDING_LOOKUP = Component("embedding_lookup")

MAX_ROWS = 30
"""Rows of the embedding that are drawn: those of the text, then others."""


def embedding_lookup(run: CallRun, *, row: int, theme: Theme, key: str) -> None:
    """Mount the drawing for sequence ``row`` of a call whose input is text."""
    mount(EMBEDDING_LOOKUP, embedding_lookup_data(run, row=row, theme=theme), key=key)


def embedding_lookup_data(run: CallRun, *, row: int, theme: Theme) -> dict[str, Any]:
    """Return the data of the drawing; arguments as of `embedding_lookup`."""
    embedding = run.weights.embedding
    assert embedding is not None
    ids = run.given.batch(run.call)[row].tolist()
    used = dict.fromkeys(sorted(ids))
    shown = sorted(list(dict.fromkeys([*used, *range(len(embedding))]))[: max(MAX_ROWS, len(used))])
    names = (_("padding"), *run.given.words)
    return {
        "view_id": "embedding",
        "theme": theme,
        "colours": list(signed_scale(theme)),
        "bound": float(np.abs(embedding).max()),
        "size": embedding.shape[1],
        "rows": [{"id": index, "word": names[index]} for index in shown],
        "values": float32_text(embedding[shown]),
        "positions": [{"word": names[index], "id": index} for index in ids],
        "words": {
            "word": _("word"),
            "id": _("id"),
            "row": _("row"),
            "table": _("Embedding: {rows} rows of {size} numbers"),
            "input": _("x at time step {step} = row {id} of the table (“{word}”)"),
            "more": _("{n} more rows are not drawn."),
        },
        "count": len(embedding),
    }

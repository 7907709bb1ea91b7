"""Settings of what an opened network's outputs mean, and the names of its classes."""

import streamlit as st

from models.checkpoints.building.build import CompatibleParts, Setup
from models.checkpoints.building.checkpoint_module import PredictionKind
from models.checkpoints.building.graph_layout import GraphLayout
from models.checkpoints.building.graph_network import possible_predictions
from models.checkpoints.building.output_meaning import OF_CLASSES, listed_classes, predictions_of_matrix
from models.checkpoints.checkpoint_data import CheckpointData
from models.networks.network import Network
from viz.i18n import _

Meaning = tuple[PredictionKind | None, tuple[str, ...] | None]
"""``Setup.predicts`` and ``Setup.classes``."""


def output_meaning(
    parts: CompatibleParts, base: Setup, embedding: str | None, decoder: str | None, input_size: int, key: str
) -> tuple[Meaning, PredictionKind | None]:
    """Show the menu of what the scores of an output layer mean; return the choice, and the meaning, chosen or inferred.

    Args:
        parts: the file.
        base: the setup so far.
        embedding, decoder: the chosen tensors.
        input_size: D of the recurrent layers.
        key: suffix of the widgets' keys.
    """
    if decoder is None:
        return (None, None), None
    matrix = parts.decoder(base.stack, decoder, embedding)
    inputs = parts.checkpoint.stored[embedding].shape[0] if embedding else input_size
    kinds: tuple[PredictionKind, ...] = ("next", "class", "tag", "values")
    inferred = predictions_of_matrix(matrix, inputs, None, base.kind == "numbers")
    now = base.predicts or inferred
    chosen, classes = _menus(
        parts.checkpoint, kinds if matrix.rows == inputs else kinds[1:], now, base, matrix.rows, key
    )
    return (base.predicts if chosen == now else chosen, classes), chosen


def graph_output_meaning(checkpoint: CheckpointData, network: Network, base: Setup, key: str) -> Meaning:
    """Show the menu of what the outputs of a file's own graph mean, if there are several; return the choice."""
    layout, now = network.layout, network.card.predicts
    if not isinstance(layout, GraphLayout) or now == "sequence":
        return base.predicts, base.classes
    possible = possible_predictions(layout, len(network.vocabulary or ()), network.card.columns)
    kinds = tuple(kind for kind in possible if kind != "nothing" or now == "nothing")
    if len(kinds) == 1 and kinds[0] not in OF_CLASSES:
        return base.predicts, base.classes
    chosen, classes = _menus(checkpoint, kinds, now, base, layout.size, key)
    return base.predicts if chosen == now else chosen, classes


def _menus(
    checkpoint: CheckpointData,
    kinds: tuple[PredictionKind, ...],
    now: PredictionKind,
    base: Setup,
    outputs: int,
    key: str,
) -> tuple[PredictionKind, tuple[str, ...] | None]:
    """Show the menu of the meanings, and of classes the input of their names; return both choices."""
    words: dict[PredictionKind, str] = {
        "next": _("scores of the next token"),
        "class": _("class of the sequence"),
        "tag": _("class of each time step"),
        "values": _("values at each time step"),
        "nothing": _("values of the whole sequence"),
    }
    first, second = st.columns(2, gap="medium", vertical_alignment="bottom")
    with first:
        chosen = st.selectbox(
            _("Meaning of the {n} outputs").format(n=f"{outputs:,}"),
            kinds,
            kinds.index(now) if now in kinds else 0,
            key=f"run_scores_{key}",
            format_func=words.__getitem__,
        )
    if chosen not in OF_CLASSES:
        return chosen, None
    listed = listed_classes(checkpoint, max(2, outputs))
    with second:
        typed = st.text_input(
            _("Class names, separated by commas"),
            ", ".join(base.classes or ()),
            key=f"run_classes_{key}",
            placeholder=", ".join(listed or ()),
        )
    return chosen, tuple(name.strip() for name in typed.split(",") if name.strip()) or None

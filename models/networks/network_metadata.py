"""What a network predicts, and its symbols, in the metadata of a ``.safetensors`` file: no tensor shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

PREDICTS = "predicts"


def network_metadata(
    predicts: str | None, classes: Sequence[str] | None, vocabulary: Sequence[str] | None
) -> dict[str, str]:
    """Return the metadata that store them; what is None, and a vocabulary that only counts, is left out.

    Args:
        predicts: as in ``ModelCard``.
        classes: the names of the classes in the order of their scores.
        vocabulary: the symbols in the order of their ids.
    """
    found = {} if predicts is None else {PREDICTS: predicts}
    if vocabulary and tuple(vocabulary) != tuple(map(str, range(len(vocabulary)))):
        found["vocabulary"] = json.dumps(list(vocabulary))
    if classes:
        found["classes"] = json.dumps(list(classes))
    return found


def parse_prediction(metadata: Any) -> str | None:
    """Return what the network predicts; None for any other metadata."""
    found = metadata.get(PREDICTS) if isinstance(metadata, dict) else None
    return found if found in ("next", "class", "tag", "values") else None

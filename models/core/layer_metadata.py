"""The kind and the options of recurrent layers, as JSON in the metadata of a ``.safetensors`` file.

No tensor's name or shape distinguishes a relu from a tanh, or a GRU that resets before its product: files that are saved
here store these options beside the tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

KEY = "layers"


def layer_metadata(layers: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Return the metadata that store the kind and the options of each layer, by name: (kind, options)."""
    return {KEY: json.dumps({name: {"kind": kind, **options} for name, (kind, options) in layers.items()})}


def parse_layer_metadata(metadata: Any) -> dict[str, dict[str, Any]]:
    """Return the options of each layer, by name, with its ``"kind"``; an empty dict for any other metadata."""
    try:
        layers = json.loads(metadata[KEY])
        return {name: dict(entry) for name, entry in layers.items() if isinstance(entry, dict)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}

"""The kind and the options of recurrent layers, as JSON in the metadata of a ``.safetensors`` file.

No tensor's name or shape distinguishes a relu from a tanh, or a GRU that resets before its product: files that are saved
here store these options beside the tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

KEY, ZONEOUT = "layers", "zoneout"


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


def zoneout_metadata(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata that store the rates of zoneout among the settings of a training; an empty dict without any."""
    rates = {name: value for name, value in settings.items() if "zoneout" in name and isinstance(value, int | float)}
    return {ZONEOUT: json.dumps(rates)} if any(rates.values()) else {}


def parse_zoneout(metadata: Any) -> dict[str, Any]:
    """Return the rates of zoneout in metadata; an empty dict for any other metadata."""
    try:
        rates = json.loads(metadata[ZONEOUT])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return rates if isinstance(rates, dict) else {}

"""The one source of colour: a colour per gate and state, a scale for signed values, one for 0..1.

The hues are those of Okabe and Ito (2008), which are distinct for readers with any common colour vision, made
darker on a light page and lighter on a dark one. Gates of different cells share a colour where they have the same
role: input and update gate, forget and reset gate, candidate and preactivation.
"""

from collections.abc import Sequence
from functools import cache
from itertools import cycle
from typing import Literal

from plotly.colors import sample_colorscale

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
LEVELS = 256

_LET_IN: dict[Theme, str] = {"light": "#006b54", "dark": "#12a37c"}
_DROPPED: dict[Theme, str] = {"light": "#b23a00", "dark": "#e0631c"}
_PROPOSED: dict[Theme, str] = {"light": "#2f93e0", "dark": "#4db4f0"}
_LET_OUT: dict[Theme, str] = {"light": "#0a4583", "dark": "#2f74d8"}
_KEPT: dict[Theme, str] = {"light": "#cc8500", "dark": "#ffcb3a"}
_SAID: dict[Theme, str] = {"light": "#c06fa4", "dark": "#f2bfdd"}
_MIXED: dict[Theme, str] = {"light": "#5f6368", "dark": "#b4b8bd"}

QUANTITY: dict[str, dict[Theme, str]] = {
    "input_gate": _LET_IN,
    "update_gate": _LET_IN,
    "forget_gate": _DROPPED,
    "reset_gate": _DROPPED,
    "candidate": _PROPOSED,
    "preactivation": _PROPOSED,
    "output_gate": _LET_OUT,
    "intermediate": _MIXED,
    "cell": _KEPT,
    "hidden": _SAID,
}

ATTENTION: dict[str, dict[Theme, str]] = {
    "attention_weight": _LET_IN,
    "context": _PROPOSED,
}
"""Attention weights and the context vector. (The query is a hidden state and has its colour.)"""

KIND: dict[str, dict[Theme, str]] = {
    "RNN": {"light": "#b23a00", "dark": "#ff8a4c"},
    "LSTM": {"light": "#0a4583", "dark": "#5a9bf0"},
    "GRU": {"light": "#00806a", "dark": "#3fd0a4"},
}
"""A colour for each kind of cell, for charts that compare kinds."""

BEFORE_AFTER = (KIND["LSTM"], KIND["RNN"])
"""Before and after an edit."""

CURVES = (*KIND.values(), QUANTITY["hidden"], QUANTITY["cell"], QUANTITY["candidate"])
"""Colours of curves that belong to no gate, state or kind of cell, in the order in which they are used."""

# The middle of each signed scale is close to the page's background, so that values near 0 do not dazzle on a dark page.
_SIGNED_STOPS: dict[Theme, list[str]] = {
    "light": ["#08386b", "#2f7fc1", "#9cc8e8", "#f7f7f5", "#f6b98a", "#d9651b", "#7a2c00"],
    "dark": ["#b5deff", "#57a5e4", "#1f5c92", "#181c23", "#8c4517", "#e2803a", "#ffd0a8"],
}
_UNIT_STOPS: dict[Theme, list[str]] = {
    "light": ["#f6f8f3", "#c3e4d3", "#6fbf9f", "#1f8a70", "#0b4a43"],
    "dark": ["#15191d", "#12463f", "#1b8470", "#62c8a2", "#dcfbe9"],
}


def quantity_colour(name: str, theme: Theme = "light") -> str:
    """Return the colour of a gate or state, as "#rrggbb". Raises KeyError: the name is unknown."""
    return QUANTITY[name][theme]


def cell_colours(quantities: Sequence[str]) -> dict[Theme, dict[str, str]]:
    """Return the colours of a cell of the user's own: its gates and states that have none get those that are free."""
    free = cycle([colours for name, colours in QUANTITY.items() if name not in quantities] or list(KIND.values()))
    own = {name: QUANTITY[name] if name in QUANTITY else next(free) for name in quantities}
    return {theme: {name: colours[theme] for name, colours in own.items()} for theme in THEMES}


def faint_colour(colour: str, opacity: float) -> str:
    """Return "#rrggbb" with an opacity (0..1), as plotly takes it."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def kind_colour(kind: str, theme: Theme = "light") -> str:
    """Return the colour of a kind of cell, as "#rrggbb"."""
    return KIND[kind][theme]


@cache
def signed_scale(theme: Theme = "light") -> tuple[str, ...]:
    """Return 256 colours from the most negative to the most positive value, centred on 0."""
    return _sample(_SIGNED_STOPS[theme])


@cache
def signed_colour_parts(value: float, theme: Theme = "light") -> tuple[int, int, int]:
    """Return red, green and blue of the colour of a negative or positive value, as a tint behind text."""
    colour = _SIGNED_STOPS[theme][1 if value < 0 else -2]
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def unit_scale(theme: Theme = "light") -> tuple[str, ...]:
    """Return 256 colours from 0 (closed) to 1 (open)."""
    return _sample(_UNIT_STOPS[theme])


def plotly_scale(colours: tuple[str, ...]) -> list[list[float | str]]:
    """Return a scale of 256 colours in the form that a plotly figure takes.

    Every fifth colour with both ends, between which plotly interpolates: its check of each colour takes longer than all else
    of a heatmap.
    """
    return [[k / (len(colours) - 1), colours[k]] for k in range(0, len(colours), 5)]


NOT_FINITE = {"light": "#c2185b", "dark": "#ff5c9d"}
"""The colour of NaN and infinity in heatmaps and colored text: in none of the scales."""


@cache
def palette() -> dict[str, dict[str, object]]:
    """Return all colours by theme: {"quantity": {name: hex}, "signed": [256 hex], "unit": ..., "not_finite": hex}."""
    return {
        theme: {
            "quantity": {name: colours[theme] for name, colours in {**QUANTITY, **ATTENTION}.items()},
            "signed": list(signed_scale(theme)),
            "unit": list(unit_scale(theme)),
            "not_finite": NOT_FINITE[theme],
        }
        for theme in THEMES
    }


def text_colour(background: str) -> str:
    """Return black or white, whichever contrasts more with "#rrggbb" (WCAG 2.2); one of them always reaches 4.5 to 1."""
    light = luminance(background)
    return "#000000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#ffffff"


def luminance(colour: str) -> float:
    """Return the relative luminance of "#rrggbb", 0..1 (WCAG 2.2)."""
    red, green, blue = (_linear(int(colour[k : k + 2], 16) / 255) for k in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _sample(stops: list[str]) -> tuple[str, ...]:
    scale = [[k / (len(stops) - 1), stop] for k, stop in enumerate(stops)]
    sampled = sample_colorscale(scale, [k / (LEVELS - 1) for k in range(LEVELS)], colortype="tuple")
    return tuple("#" + "".join(f"{round(255 * channel):02x}" for channel in colour) for colour in sampled)

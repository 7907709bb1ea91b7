"""The colours: text on every tint can be read, and color-blind readers can distinguish the gates."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from viz.colours import THEMES, luminance, palette, quantity_colour, signed_scale, text_colour, unit_scale

CELLS = {
    "LSTM": ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden"),
    "GRU": ("reset_gate", "update_gate", "candidate", "hidden"),
    "RNN": ("preactivation", "hidden"),
}
PAGE = {"light": "#ffffff", "dark": "#0e1117"}

# Machado, Oliveira and Fernandes (2009), table 1, severity 1.0: applied to linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def linear(colour: str) -> NDArray[np.float64]:
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of linear RGB."""
    to_xyz = np.array([[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07218], [0.01933, 0.11919, 0.95030]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_on_every_tint_can_be_read(theme):
    for colour in (*signed_scale(theme), *unit_scale(theme)):
        assert contrast(colour, text_colour(colour)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("kind", CELLS)
def test_every_reader_tells_the_gates_apart(theme, vision, kind):
    seen = {name: lab(VISION[vision] @ linear(quantity_colour(name, theme))) for name in CELLS[kind]}
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) >= 20, (one, other)


@pytest.mark.parametrize("theme", THEMES)
def test_every_gate_stands_out_from_the_page(theme):
    for names in CELLS.values():
        for name in names:
            assert contrast(quantity_colour(name, theme), PAGE[theme]) >= 3, name


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISION)
def test_the_sign_is_seen_and_magnitude_is_ordered(theme, vision):
    colours = [lab(VISION[vision] @ linear(colour)) for colour in signed_scale(theme)]
    assert all(np.linalg.norm(colours[127 - k] - colours[128 + k]) >= 20 for k in range(40, 128))
    away = -1 if theme == "light" else 1  # values grow darker on a light page, lighter on a dark one
    for half in (colours[128:], colours[127::-1]):
        lightness = np.array([colour[0] for colour in half])
        assert np.all(away * np.diff(lightness) >= -0.3)


@pytest.mark.parametrize("theme", THEMES)
def test_zero_is_near_the_page(theme):
    assert contrast(signed_scale(theme)[128], PAGE[theme]) < 1.25
    assert contrast(unit_scale(theme)[0], PAGE[theme]) < 1.25


@pytest.mark.parametrize("theme", THEMES)
def test_open_gates_are_ordered_by_lightness(theme):
    lightness = np.array([lab(linear(colour))[0] for colour in unit_scale(theme)])
    assert np.all((-1 if theme == "light" else 1) * np.diff(lightness) >= -0.3)


def test_the_browser_gets_the_same_colours():
    for theme in THEMES:
        assert palette()[theme]["quantity"]["cell"] == quantity_colour("cell", theme)
        assert len(palette()[theme]["signed"]) == len(palette()[theme]["unit"]) == 256

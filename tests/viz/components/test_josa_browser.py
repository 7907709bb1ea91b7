"""Korean particles in the browser: chosen as in Python, for every kind of value that a component shows."""

import random

import pytest

from tests.support.plain_page import plain_page
from viz.components.copy_link import COPY_LINK, copy_link_data
from viz.josa import PARTICLES, format_message, with_particle

pytestmark = pytest.mark.browser


def drawn_values(count=400):
    """Values as components show them: names, numbers, symbols, tokens in quotes, drawn with a fixed seed."""
    draw = random.Random(14)
    korean = [chr(draw.randrange(0xAC00, 0xD7A4)) for _ in range(60)]
    parts = [
        *korean,
        *"abcdefghijklmnopqrstuvwxyzABCLMNRST0123456789",
        "%",
        "∞",
        "°",
        "²",
        "σ",
        "λ",
        "−",
        ".",
        ",",
        "_",
        "ng",
    ]
    ends = ["", "", "", "”", "'", ")", "**", "`", "…", "]", ":"]
    names = [
        "encoder.rnn.l0",
        "gru",
        "lstm",
        "RNN",
        "layer",
        "R",
        "1,024",
        "−2",
        "50%",
        "(4, 5)",
        "NaN",
        "",
        "?!",
        "“the”",
    ]
    return names + ["".join(draw.choices(parts, k=draw.randrange(1, 6))) + draw.choice(ends) for _ in range(count)]


def test_the_browser_chooses_the_same_particles(browser):
    values = drawn_values()
    with plain_page(browser, [(COPY_LINK, copy_link_data(without=()))]) as page:
        found = page.evaluate(
            "([values, particles]) => values.map((value) => particles.map((each) => unrolled.withParticle(value, each)))",
            [values, list(PARTICLES)],
        )
        filled = page.evaluate(
            "() => unrolled.fillTemplate('{name:은} {unit} {share:을} {name:으로}', {name: 'rnn.l0', unit: 3, share: '25%'})"
        )
    wrong = {
        value: (forms, [with_particle(value, each) for each in PARTICLES])
        for value, forms in zip(values, found, strict=True)
        if forms != [with_particle(value, each) for each in PARTICLES]
    }
    assert wrong == {}
    assert filled == format_message(
        "{name:은} {unit} {share:을} {name:으로}", {"name": "rnn.l0", "unit": 3, "share": "25%"}
    )

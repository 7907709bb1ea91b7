"""What tests do on the Attention lens in a browser, and the numbers that they read there."""

from urllib.parse import urlencode

from playwright.sync_api import Page


def link(**view: object) -> str:
    """Return the address of a view of the Attention lens, with the panels that begin open unless ``panel`` is given."""
    return "/attention?" + urlencode({"panel": "-none"} | view)


def shown_weights(page: Page) -> dict[int, dict[int, float]]:
    """Return every attention weight on the page: output step -> source position -> weight."""
    found: dict[int, dict[int, float]] = {}
    cells = page.evaluate(
        """[...document.querySelectorAll('[data-quantity="attention_weight"]')].map(({ dataset: d }) =>
            [Number(d.step), Number(d.source), Number(d.value)])"""
    )
    for step, source, value in cells:
        assert source not in found.setdefault(step, {}), "each weight is on the page once"
        found[step][source] = value
    return found


def shown_output(page: Page) -> str:
    """Return the output symbols as the page shows them."""
    return "".join(
        page.evaluate("""[...document.querySelectorAll('[data-quantity="output"]')].map(({ dataset: d }) => d.token)""")
    )


def at_step(page: Page, step: int) -> None:
    """Wait until the drawing and its mirror are at this step of the output."""
    page.wait_for_function(
        """(step) => document.querySelector(".unrolled-decoder-view .unrolled-scrubber")?.value == step
            && document.querySelector('.unrolled-mirror [data-quantity="probability"]')?.dataset.step == step""",
        arg=step,
    )


def wait_for_output(page: Page, wanted: str) -> None:
    """Wait until the page shows this output."""
    page.wait_for_function(
        """(wanted) => [...document.querySelectorAll('[data-quantity="output"]')]
            .map(({ dataset: d }) => d.token).join("") === wanted""",
        arg=wanted,
    )


def click_source(page: Page, place: int, count: int) -> None:
    """Click a symbol of the source in the drawing."""
    canvas = page.locator(".unrolled-decoder-view .unrolled-columns canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + (place + 0.5) * box["width"] / count, box["y"] + 20)

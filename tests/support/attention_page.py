"""What tests read from the Attention lens in a browser, and what they do there."""

from urllib.parse import urlencode

from playwright.sync_api import Page


def link(**view: object) -> str:
    return "/attention?" + urlencode(view)


def weights(page: Page) -> dict[int, dict[int, float]]:
    """Every attention weight on the page: output step -> source position -> weight."""
    found: dict[int, dict[int, float]] = {}
    cells = page.evaluate(
        """[...document.querySelectorAll('[data-quantity="attention_weight"]')].map(({ dataset: d }) =>
            [Number(d.step), Number(d.source), Number(d.value)])"""
    )
    for step, source, value in cells:
        assert source not in found.setdefault(step, {}), "each weight stands on the page once"
        found[step][source] = value
    return found


def output(page: Page) -> str:
    """What is written, as the page shows it."""
    return "".join(
        page.evaluate("""[...document.querySelectorAll('[data-quantity="output"]')].map(({ dataset: d }) => d.token)""")
    )


def at_step(page: Page, step: int) -> None:
    """Wait until the drawing, and its mirror, is at this step of the output."""
    page.wait_for_function(
        """(step) => document.querySelector(".unrolled-decoder-view .unrolled-scrubber")?.value == step
            && document.querySelector('.unrolled-mirror [data-quantity="probability"]')?.dataset.step == step""",
        arg=step,
    )


def wait_for_output(page: Page, wanted: str) -> None:
    page.wait_for_function(
        """(wanted) => [...document.querySelectorAll('[data-quantity="output"]')]
            .map(({ dataset: d }) => d.token).join("") === wanted""",
        arg=wanted,
        timeout=30_000,
    )


def click_source(page: Page, place: int, count: int) -> None:
    """Click a symbol of the source in the drawing."""
    canvas = page.locator(".unrolled-decoder-view .unrolled-columns canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + (place + 0.5) * box["width"] / count, box["y"] + 20)

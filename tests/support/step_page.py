"""What tests do on the Step lens in a browser, and the numbers that they read there."""

import re
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlencode

import torch
from playwright.sync_api import Page

from models import load_network
from models.zoo.catalogue import network_names
from tests.support import oracle
from tests.support.browser import rerun, settle, until

CLOSE = 1e-5
OPENING = load_network("python-lm").card.default
LAST = len(OPENING.text) - 1


@cache
def computed(name: str, text: str):
    """Return torch's own numbers: every gate and state of every layer, a step at a time; the logits; and the ids."""
    net = load_network(name)
    ids = net.encode(text)
    with torch.no_grad():
        return oracle.network(net.module, ids), net.module(ids)[0], ids[0]


def mirror(page: Page) -> dict[tuple[str, int], float]:
    """Return every number of the layer at the player's step, by quantity and unit, once the mirror is at that step."""
    page.wait_for_function(
        """() => {
            const cell = document.querySelector(".unrolled-mirror [role=cell]");
            return cell && cell.dataset.step === document.querySelector(".unrolled-scrubber").value;
        }"""
    )
    cells = page.evaluate(
        """[...document.querySelectorAll(".unrolled-mirror [role=cell]")].map(({ dataset: d }) =>
            [d.quantity, Number(d.unit), Number(d.step), d.layer, Number(d.value)])"""
    )
    assert len({(step, layer) for _quantity, _unit, step, layer, _value in cells}) == 1
    return {(quantity, unit): value for quantity, unit, _step, _layer, value in cells}


def at_step(page: Page, step: int) -> None:
    """Wait until the player and its mirror are at this step."""
    page.wait_for_function(
        """(step) => document.querySelector(".unrolled-scrubber")?.value == step
            && document.querySelector(".unrolled-mirror [role=cell]")?.dataset.step == step""",
        arg=step,
    )


def step_of(page: Page) -> int:
    """Return the step that the player is at."""
    return int(page.locator(".unrolled-scrubber").input_value())


def unit_of(page: Page) -> int:
    """Return the chosen unit."""
    return int(page.locator(".unrolled-unit").input_value())


def query(page: Page) -> dict[str, str]:
    """Return the query of the page's address."""
    return page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")


def address_has(page: Page, **wanted: object) -> None:
    """Wait until the query of the address has these values, and the page is settled."""
    page.wait_for_function(
        """(wanted) => { const query = new URLSearchParams(location.search);
            return Object.entries(wanted).every(([name, value]) => query.get(name) === value); }""",
        arg={name: str(value) for name, value in wanted.items()},
    )
    settle(page)


def link(**view: object) -> str:
    """Return the address of a view of the Step lens, with the panels that are open at first unless ``panel`` is given."""
    return "/?" + urlencode({"panel": "-none"} | view)


def pick(page: Page, label: str, option: str) -> None:
    """Choose an option of a menu, and wait for the answer; a bundled network by its name."""
    shown = load_network(option).card.title["en"] if option in network_names() else option
    choice = page.get_by_role("option", name=shown, exact=True)

    def open_menu() -> None:  # again where an answer that came late has closed it
        page.get_by_role("combobox", name=re.compile(label)).click()
        choice.wait_for(timeout=10_000)

    until(page, open_menu)
    rerun(page, choice.click)


def enter_text(page: Page, text: str) -> None:
    """Replace the sequence's text, and wait for the answer."""
    area = page.locator("textarea")
    area.fill(text)
    rerun(page, lambda: area.press("Control+Enter"))


def choose_unit(page: Page, unit: int) -> None:
    """Choose a unit in the player."""
    page.locator(".unrolled-unit").fill(str(unit))
    page.locator(".unrolled-unit").press("Tab")
    page.wait_for_function("unit => document.querySelector('.unrolled-unit').value == unit", arg=unit)


def go(page: Page, step: int) -> None:
    """Move the player to a step, and wait until its mirror is there."""
    page.locator(".unrolled-scrubber").fill(str(step))
    page.evaluate("document.activeElement.blur()")
    at_step(page, step)


def press_together(page: Page, *keys: str) -> None:
    """Press keys within one task of the page: no timer of its own can run between two of them."""
    page.evaluate(
        """(keys) => {
            for (const key of keys) {
                for (const type of ["keydown", "keyup"]) {
                    (document.activeElement ?? document.body).dispatchEvent(
                        new KeyboardEvent(type, { key, code: key, bubbles: true, cancelable: true }));
                }
            }
        }""",
        list(keys),
    )


def press_from_step(page: Page, key: str, step: int) -> None:
    """Press a key in the first frame in which the player is at this step or beyond."""
    page.wait_for_function(
        """([key, step]) => {
            const there = Number(document.querySelector(".unrolled-scrubber").value) >= step;
            if (there) document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
            return there;
        }""",
        arg=[key, step],
    )


def compare(page: Page, layer: dict[str, torch.Tensor], step: int) -> None:
    """Wait until the whole mirror shows torch's own numbers of a step."""
    units = {quantity: values.shape[1] for quantity, values in layer.items()}
    expected = {(quantity, unit) for quantity, number in units.items() for unit in range(number)}

    def equal() -> None:
        shown = mirror(page)
        assert set(shown) == expected
        wrong = [
            (quantity, unit, value)
            for (quantity, unit), value in shown.items()
            if not abs(value - float(layer[quantity][step, unit])) <= CLOSE
        ]
        assert not wrong, sorted(wrong)[:3]

    until(page, equal)


@contextmanager
def sent_frames(page: Page):
    """Yield a list that grows by the websocket messages that the browser sends meanwhile."""
    session = page.context.new_cdp_session(page)
    frames: list[dict] = []
    session.on("Network.webSocketFrameSent", lambda frame: frames.append(frame))
    session.send("Network.enable")
    yield frames
    session.detach()

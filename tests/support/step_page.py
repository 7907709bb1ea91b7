"""What tests read from the Step lens in a browser, and what they do there."""

import re
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlencode

import torch
from playwright.sync_api import Page

from models import load_network
from tests.support import oracle
from tests.support.browser import settle

CLOSE = 1e-5
OPENING = load_network("python-lm").card.default
LAST = len(OPENING.text) - 1
SETTLED = 700
"""Milliseconds after which the player has told Python where the reader stopped (it waits 400)."""


@cache
def computed(name: str, text: str):
    """What torch says: every gate and state of every layer, a step at a time, and the logits."""
    net = load_network(name)
    ids = net.encode(text)
    with torch.no_grad():
        return oracle.network(net.module, ids), net.module(ids)[0], ids[0]


def mirror(page: Page) -> dict[tuple[str, int], float]:
    """Every number of the layer at the current step, by quantity and unit."""
    cells = page.evaluate(
        """[...document.querySelectorAll(".unrolled-mirror [role=cell]")].map(({ dataset: d }) =>
            [d.quantity, Number(d.unit), Number(d.step), d.layer, Number(d.value)])"""
    )
    assert len({(step, layer) for _quantity, _unit, step, layer, _value in cells}) == 1
    return {(quantity, unit): value for quantity, unit, _step, _layer, value in cells}


def at_step(page: Page, step: int) -> None:
    """Wait until the page, and its mirror, is at this step."""
    page.wait_for_function(
        """(step) => document.querySelector(".unrolled-scrubber")?.value == step
            && document.querySelector(".unrolled-mirror [role=cell]")?.dataset.step == step""",
        arg=step,
    )


def step_of(page: Page) -> int:
    return int(page.locator(".unrolled-scrubber").input_value())


def unit_of(page: Page) -> int:
    return int(page.locator(".unrolled-unit").input_value())


def pieces(page: Page) -> dict[str, str]:
    return page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")


def address_has(page: Page, **wanted: object) -> None:
    page.wait_for_function(
        """(wanted) => { const here = new URLSearchParams(location.search);
            return Object.entries(wanted).every(([name, value]) => here.get(name) === value); }""",
        arg={name: str(value) for name, value in wanted.items()},
    )


def link(**view: object) -> str:
    return "/?" + urlencode(view)


def rerun(page: Page, act) -> None:
    """Do something that Python answers, and wait for the answer to stand."""
    act()
    page.wait_for_timeout(150)
    settle(page)


def pick(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option, exact=True).click()
    page.wait_for_timeout(150)
    settle(page)


def type_(page: Page, text: str) -> None:
    area = page.locator("textarea")
    area.fill(text)
    rerun(page, lambda: area.press("Control+Enter"))


def choose_unit(page: Page, unit: int) -> None:
    page.locator(".unrolled-unit").fill(str(unit))
    page.locator(".unrolled-unit").press("Tab")
    page.wait_for_function("unit => document.querySelector('.unrolled-unit').value == unit", arg=unit)


def go(page: Page, step: int) -> None:
    page.locator(".unrolled-scrubber").fill(str(step))
    page.evaluate("document.activeElement.blur()")
    at_step(page, step)


def compare(page: Page, layer: dict[str, torch.Tensor], step: int) -> None:
    """The whole mirror against torch. It is filled after the frame is painted: a busy machine is given a moment."""
    units = {quantity: values.shape[1] for quantity, values in layer.items()}
    expected = {(quantity, unit) for quantity, count in units.items() for unit in range(count)}
    for _ in range(20):
        shown = mirror(page)
        wrong = {
            (quantity, unit, value)
            for (quantity, unit), value in shown.items()
            if (quantity, unit) not in expected or not abs(value - float(layer[quantity][step, unit])) <= CLOSE
        }
        if set(shown) == expected and not wrong:
            return
        page.wait_for_timeout(250)
    assert set(shown) == expected
    assert not wrong, sorted(wrong)[:3]


@contextmanager
def sent_frames(page: Page):
    """The websocket messages that the browser sends meanwhile."""
    session = page.context.new_cdp_session(page)
    frames: list[dict] = []
    session.on("Network.webSocketFrameSent", lambda frame: frames.append(frame))
    session.send("Network.enable")
    yield frames
    session.detach()

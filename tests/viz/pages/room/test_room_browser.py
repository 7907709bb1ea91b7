"""A class in real browsers: pages in step, wandering and coming back, a question, and a server that is killed."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import expect

from models import capture
from models.zoo.catalogue import load_network
from tests.support.accessibility import axe_violations
from tests.support.browser import ROOT, opened_page, settle, stop_server, until, wait_until_answered

STRIP = ".unrolled-room-strip"


def open_room(page):
    """Open a room on the Room page; return its letters and its link."""
    page.click('[data-act="open"]')
    letters = page.locator("[data-letters]")
    expect(letters).to_have_text(re.compile(r"^[A-Z]{4}$"))
    expect(page.locator("img.unrolled-room-code")).to_have_attribute("src", re.compile("^data:image/svg"))
    return letters.inner_text(), page.get_attribute("[data-link]", "data-link")


def join(page, letters, name=""):
    """Join a room by its letters on the Room page."""
    page.fill('[name="letters"]', letters.lower())
    page.fill('[name="nickname"]', name)
    page.click('[data-act="join"]')
    expect(page.locator(STRIP)).to_be_visible()


def go_to(page, title):
    """Choose a page in the navigation, which a telephone folds away."""
    page.get_by_role("link", name=title, exact=True).first.click()
    page.wait_for_selector(".unrolled-player")
    settle(page)


def shown(page):
    """Return the step that the player shows, from 0, and the cell state there of each unit, as the page's mirror has them."""
    return page.evaluate(
        """() => {
          const cells = [...document.querySelectorAll('.unrolled-mirror [data-quantity="cell"]')];
          return [Number(cells[0]?.dataset.step ?? -1), cells.map((cell) => Number(cell.dataset.value))];
        }"""
    )


def param(page, name):
    """Return a parameter of the page's address."""
    return page.evaluate("(name) => new URL(location.href).searchParams.get(name)", name)


def test_a_class_follows_wanders_and_answers(app, browser):
    with ExitStack() as pages:
        teacher = pages.enter_context(opened_page(browser, f"{app}/room"))
        letters, link = open_room(teacher)
        assert not axe_violations(teacher)
        korean = pages.enter_context(opened_page(browser, f"{app}/room", locale="ko-KR", width=390, height=800))
        join(korean, letters, "민아 <b>")
        linked = pages.enter_context(opened_page(browser, link))
        assert "#" not in linked.url  # the secret leaves the address
        linked.click('[data-act="join"]')
        expect(teacher.locator("[data-count]")).to_have_attribute("data-count", "2")

        go_to(teacher, "Step")
        teacher.goto(f"{app}/?net=counter&text=.aaabbb.&layer=rnn.l0&unit=0&step=1&quantity=cell")
        settle(teacher)
        teacher.keyboard.press("ArrowRight")
        with capture(net := load_network("counter")) as trace:
            net(net.encode(".aaabbb."))
        cell = trace.layers["rnn.l0"].cell[0]
        for student, lang in ((korean, "ko"), (linked, "en")):
            until(student, lambda student=student: shown(student)[0] == 2)
            assert shown(student)[1] == pytest.approx(cell[2].tolist(), abs=1e-5)
            assert param(student, "net") == "counter" and param(student, "lang") == lang
        runs = linked.evaluate("streamlitRuns.requested")
        for step in (3, 4, 5):
            teacher.keyboard.press("ArrowRight")
            until(linked, lambda step=step: shown(linked)[0] == step)
        assert linked.evaluate("streamlitRuns.requested") == runs  # no step needed the server
        assert shown(linked)[1] == pytest.approx(cell[5].tolist(), abs=1e-5)

        linked.keyboard.press("ArrowLeft")  # on one's own
        expect(linked.locator(f'{STRIP} [data-act="back"]')).to_be_visible()
        expect(teacher.locator(f'{STRIP} [data-act="people"]')).to_have_text("1 of 2 follow")
        teacher.keyboard.press("ArrowRight")
        until(korean, lambda: shown(korean)[0] == 6)
        assert shown(linked)[0] == 4
        linked.click(f'{STRIP} [data-act="back"]')
        until(linked, lambda: shown(linked)[0] == 6)

        go_to(teacher, "States")
        for student in (korean, linked):
            until(student, lambda student=student: "/states" in student.url and shown(student)[0] == 6)

        teacher.click('[data-act="people"]')
        expect(teacher.locator(".unrolled-room-people li")).to_have_text("민아 <b>")
        teacher.keyboard.press("Escape")
        for _step in range(3):
            teacher.keyboard.press("ArrowLeft")
        until(linked, lambda: shown(linked)[0] == 3)
        teacher.click('[data-act="ask"]')
        teacher.get_by_role("menuitem", name=re.compile("What does it do when")).click()
        expect(korean.locator(".unrolled-room-sheet h2")).to_have_text(re.compile("신경망이"))
        assert not axe_violations(korean)
        for student, key in ((korean, "falls"), (linked, "rises")):
            student.click(f'[data-key="{key}"]')
            expect(student.locator("[data-received]")).to_have_count(1)
            assert student.locator(".unrolled-room-bar").count() == 0
        expect(teacher.locator("[data-answered]")).to_have_attribute("data-answered", "2")
        teacher.click('[data-act="show"]')
        change = float(cell[4, 0] - cell[3, 0])
        right = "stays" if abs(change) < 0.05 else "rises" if change > 0 else "falls"
        marked = {"rises": "It rises", "falls": "It falls", "stays": "It stays"}[right]
        expect(linked.locator(".unrolled-room-bar[data-right] .unrolled-room-label")).to_have_text(re.compile(marked))
        assert not axe_violations(linked)
        for page in (teacher, korean, linked):  # the pages play what happened
            until(page, lambda page=page: shown(page)[0] == 4)
        with teacher.expect_download() as saved:
            teacher.click('[data-act="csv"]')
        assert "It falls,1," in saved.value.path().read_text(encoding="utf-8")
        teacher.click('[data-act="done"]')
        expect(linked.locator(".unrolled-room-sheet")).to_be_hidden()

        teacher.reload()
        settle(teacher)
        expect(teacher.locator(f'{STRIP} [data-act="people"]')).to_have_text("2 of 2 follow")
        teacher.keyboard.press("ArrowRight")
        until(linked, lambda: shown(linked)[0] == 5)
        teacher.click(f'{STRIP} [data-act="room"]')
        expect(teacher.locator("[data-letters]")).to_have_text(letters)
        teacher.click('[data-act="end"]')
        teacher.click('[data-act="end-now"]')
        for student in (korean, linked):
            student.click(f'{STRIP} [data-act="close"]')  # beside the sentence that the room has ended
            expect(student.locator(STRIP)).to_be_hidden()


def test_a_teacher_runs_a_lesson_from_the_room_page(app, browser):
    with ExitStack() as pages:
        teacher = pages.enter_context(opened_page(browser, f"{app}/room?lesson=teaching&section=4"))
        letters, _link = open_room(teacher)
        student = pages.enter_context(opened_page(browser, f"{app}/room"))
        join(student, letters)
        teacher.click("[data-room-ask]")
        student.click('[data-key="rome"]')
        expect(student.locator('[data-key="rome"] em')).to_have_text("Rome")  # Markdown in the file
        expect(teacher.locator("[data-answered]")).to_have_attribute("data-answered", "1")
        expect(teacher.locator(f'{STRIP} [data-act="room"]')).to_be_visible()
        teacher.click(f'{STRIP} [data-act="people"]')  # the question does not cover the bar
        teacher.click('[data-act="show"]')
        expect(student.locator(".unrolled-room-verdict math msub")).to_have_text("f6")
        teacher.click('[data-act="done"]')

        teacher.get_by_role("button", name="Show its view to the class").click()
        until(student, lambda: "/edit" in student.url and param(student, "net") == "recall-lstm")
        assert "/room" in teacher.url
        teacher.click(f'{STRIP} [data-act="open-view"]')
        until(teacher, lambda: "/edit" in teacher.url and shown(teacher)[0] == 24)
        settle(teacher)
        teacher.keyboard.press("ArrowLeft")
        until(student, lambda: shown(student)[0] == 23)
        teacher.click(f'{STRIP} [data-act="room"]')
        expect(teacher.locator(".st-key-room_notes")).to_contain_text("close all forget gates")
        teacher.click(f'{STRIP} [data-act="open-view"]')
        until(teacher, lambda: "/edit" in teacher.url and shown(teacher)[0] == 23)


@contextmanager
def server_at(port):
    """Run the app at a port."""
    options = {"address": "127.0.0.1", "port": port, "headless": "true", "fileWatcherType": "none"}
    flags = [f"--server.{name}={value}" for name, value in options.items()]
    with tempfile.TemporaryFile("w+") as log:
        line = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), *flags]
        environment = os.environ | {"UNROLLED_WARM_UP": "0"}
        server = subprocess.Popen(line, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            wait_until_answered(f"http://127.0.0.1:{port}/_stcore/health", server, log)
            yield server
        finally:
            stop_server(server)


def test_a_killed_server_comes_back_with_the_room_and_the_view(browser):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # a context of its own: while its server is away, a page may write errors to the console
    context = browser.new_context()
    with ExitStack() as servers:
        server = servers.enter_context(server_at(port))
        teacher, student = context.new_page(), context.new_page()
        teacher.goto(f"http://127.0.0.1:{port}/room")
        teacher.wait_for_selector('[data-act="open"]')
        letters, _link = open_room(teacher)
        student.goto(f"http://127.0.0.1:{port}/room")
        student.wait_for_selector('[name="letters"]')
        join(student, letters)
        teacher.goto(f"http://127.0.0.1:{port}/?net=counter&text=.aabb.&layer=rnn.l0&unit=0&step=2&quantity=cell")
        teacher.wait_for_selector(".unrolled-player")
        until(student, lambda: shown(student)[0] == 2)
        server.send_signal(signal.SIGKILL) if hasattr(signal, "SIGKILL") else server.kill()
        server.wait()
        expect(student.locator(f"{STRIP} [data-lost]")).to_be_visible()
        servers.enter_context(server_at(port))
        expect(teacher.locator(f'{STRIP} [data-act="people"]')).to_have_text("1 of 1 follow")
        assert param(student, "net") == "counter"
        teacher.locator(".unrolled-player .unrolled-next").click()
        until(student, lambda: shown(student)[0] == 3)
    context.close()

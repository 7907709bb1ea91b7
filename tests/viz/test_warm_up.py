"""The server opens its own pages at its start."""

import subprocess
import sys

import pytest

from tests.support.browser import ROOT

STARTS = """
import asyncio, sys
sys.argv = ["app.py", *sys.argv[1:]]
import app
from viz import warm_up
warm_up.LENSES = warm_up.LENSES[:2]  # of the others, one is enough

async def main():
    sent, ended = asyncio.Queue(), asyncio.Event()

    async def receive():
        if ended.is_set():
            await asyncio.sleep(3600)
        ended.set()
        return {"type": "lifespan.startup"}

    server = asyncio.create_task(app.app({"type": "lifespan"}, receive, sent.put))
    print((await sent.get())["type"], "viz.pages.step.step_page" in sys.modules)
    others = [task for task in asyncio.all_tasks() if "_open_others" in repr(task)]
    await asyncio.gather(*others)
    print(len(others), "viz.pages.states.states_page" in sys.modules)
    if others:
        from models import load_network
        from viz.pages import cache

        cache.run_network = None  # cannot be called again
        cache.forward_run("python-lm", load_network("python-lm").card.default.text)
    server.cancel()

asyncio.run(main())
"""


def started(*arguments):
    done = subprocess.run([sys.executable, "-c", STARTS, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "could not be opened" not in done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.slow
def test_the_first_page_is_computed_before_the_server_answers_and_the_others_after():
    assert started() == ["lifespan.startup.complete", "True", "1", "True"]


@pytest.mark.slow
def test_a_server_for_a_file_opens_no_page():
    assert started("run.npz") == ["lifespan.startup.complete", "False", "0", "False"]

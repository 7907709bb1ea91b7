"""Warming up: the server opens its own pages as it starts, so that the first visitor does not wait for what stays loaded.

What stays loaded is the modules, torch and plotly among them, the bundled networks, and the cached runs of the pages' default
views. The first page is opened before the server answers anybody, since every visitor would wait for it; the others after
that. `UNROLLED_WARM_UP=0` in the environment turns this off.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import Runtime
from streamlit.runtime.session_manager import SessionClient

from viz.pages import LENSES
from viz.server import send_at_once

WARM_UP = "UNROLLED_WARM_UP"
"""Environment variable: "0" for a server that does not warm up."""

PATIENCE = 120
"""Seconds after which a page that is still being computed is left to its visitors."""


class SilentClient(SessionClient):
    """The client of a session without a browser: it drops what the session sends, and reports the end of each run."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self.on_end = on_end

    def write_forward_msg(self, msg: ForwardMsg) -> None:
        """Take a message of the session."""
        if msg.WhichOneof("type") == "script_finished":
            self.on_end()


async def open_page(name: str) -> None:
    """Run the page of this name ("" for the first one) in a session of its own, and end the session."""
    runtime, ended = Runtime.instance(), asyncio.Event()
    session = runtime.connect_session(SilentClient(ended.set), user_info={})
    try:
        request = BackMsg()
        request.rerun_script.page_name = name
        runtime.handle_backmsg(session, request)
        await asyncio.wait_for(ended.wait(), PATIENCE)
    finally:
        runtime.close_session(session)


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Surround the life of the server: open the first page, then the others while the server answers at once.

    A server that was started for a file opens none: its pages are those of the file.
    """
    send_at_once()
    task = None
    if os.environ.get(WARM_UP) != "0" and len(sys.argv) < 2:
        await _try_page("")
        task = asyncio.create_task(_open_others())
    yield
    if task is not None:
        task.cancel()


async def _open_others() -> None:
    for lens in LENSES[1:]:
        await _try_page(lens.name)


async def _try_page(name: str) -> None:
    """Open a page; a failure is only logged, for the first visitor of that page sees it."""
    try:
        await open_page(name)
    except Exception:
        text = f"The page {name or LENSES[0].name} could not be opened at the start."
        logging.getLogger(__name__).log(logging.WARNING, text, exc_info=True)

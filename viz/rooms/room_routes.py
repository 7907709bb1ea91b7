"""The addresses of rooms on the server, beside Streamlit's: the websocket, and the scripts, style and texts of the page."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from viz.components.sketch import SKETCH
from viz.components.streamlit_host import script_file
from viz.i18n import DEFAULT, LANGUAGES, use_language
from viz.rooms.room_hub import RoomHub
from viz.rooms.room_socket import Questions, RoomSocket
from viz.rooms.room_store import RoomStore
from viz.rooms.room_words import room_words

CLIENT = Path(__file__).parent / "client"

FOLDER = "/_room"
"""Where the addresses are."""

NO_CACHE = {"Cache-Control": "no-cache"}


@cache
def client_script() -> str:
    """Return the scripts of the page as one ES module, which first loads those of all components."""
    components = f'await import(new URL("../static/js/{script_file()}", import.meta.url).href);'
    return "\n".join((components, *(path.read_text(encoding="utf-8") for path in sorted(CLIENT.glob("*.js")))))


@cache
def client_style() -> str:
    """Return the style of the page, with that of the drawing in a question."""
    return f"{SKETCH.style}\n{(CLIENT / 'room.css').read_text(encoding='utf-8')}"


def room_routes(store: RoomStore, questions: Questions, host: str | None) -> Sequence[BaseRoute]:
    """Return the routes.

    Args:
        store: of the rooms.
        questions: of a view (`room_socket.Questions`).
        host: this machine's name for others in its network; None if the server answers this machine only.
    """

    async def script(_request: Request) -> Response:
        return Response(client_script(), media_type="text/javascript", headers=NO_CACHE)

    async def style(_request: Request) -> Response:
        return Response(client_style(), media_type="text/css", headers=NO_CACHE)

    async def words(request: Request) -> Response:
        wanted = request.query_params.get("lang", "")
        lang = wanted if wanted in LANGUAGES else DEFAULT
        with use_language(lang):
            return JSONResponse({"lang": lang, "words": room_words() | {"host": host}}, headers=NO_CACHE)

    socket = RoomSocket(RoomHub(store), questions)
    return [
        WebSocketRoute(f"{FOLDER}/socket", socket.serve),
        Route(f"{FOLDER}/client.js", script),
        Route(f"{FOLDER}/client.css", style),
        Route(f"{FOLDER}/words", words),
    ]

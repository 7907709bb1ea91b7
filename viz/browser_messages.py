"""Messages from the browser: which of them reach Streamlit, and what becomes of a value that its widget cannot have.

Anybody who can open the page can send any message. Streamlit's own menu can also clear the caches of all readers, install
files beside the app, and list the changed files of its repository: these messages are dropped here. A value of another type
than its widget's, an option that a menu does not have, or what Streamlit cannot convert, is ignored, and the widget keeps the
value that it had.
"""

import logging
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.state.common import WidgetMetadata, is_element_id
from streamlit.runtime.state.session_state import STREAMLIT_INTERNAL_KEY_PREFIX, Serialized, SessionState, WStates

LOG = logging.getLogger(__name__)

TYPES = frozenset({"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "backend_operation_request"})
"""Types of message that a page of the app sends."""
OPERATIONS = frozenset({"deferred_file", "dataframe_chunk"})
"""Operations of a ``backend_operation_request`` that a page of the app requests."""

NUMBERS = {"int_value": "double_value", "int_array_value": "double_array_value"}
"""Types of whole numbers, which the browser also sends for a widget of the other type."""


def is_wanted(data: bytes) -> bool:
    """Return whether a page of the app sends such a message; what cannot be parsed is left to Streamlit, which refuses it."""
    message = BackMsg()
    try:
        message.ParseFromString(data)
    except Exception:  # of the package that parses; Streamlit catches any too
        return True
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        return message.backend_operation_request.WhichOneof("payload") in OPERATIONS
    return kind in TYPES


class WantedMessages:
    """The middleware that drops messages which no page of the app sends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or open one connection."""
        if scope["type"] != "websocket":
            return await self.app(scope, receive, send)

        async def receive_wanted() -> Message:
            while True:
                message = await receive()
                data = message.get("bytes") if message["type"] == "websocket.receive" else None
                if data is None or is_wanted(data):
                    return message

        return await self.app(scope, receive_wanted, send)


def ignore_wrong_values() -> None:
    """Let every widget of this process ignore a value that it cannot have."""
    setattr(WStates, "__getitem__", _converted)  # noqa: B010 - a method of another package
    setattr(SessionState, "set_widgets_from_proto", _set_convertible)  # noqa: B010


_convert: Callable[[WStates, str], Any] = WStates.__getitem__
_set_widgets: Callable[[SessionState, WidgetStates], None] = SessionState.set_widgets_from_proto


def _converted(states: WStates, widget: str) -> Any:
    """Return a widget's value. Raises KeyError, as if there were none: it is not of the widget's type, or not convertible."""
    state, metadata = states.states.get(widget), states.widget_metadata.get(widget)
    if isinstance(state, Serialized) and metadata is not None:
        kind = state.value.WhichOneof("value")
        if kind is not None and metadata.value_type not in (kind, NUMBERS.get(kind), None):
            raise KeyError(widget)
        if not _are_options(state.value, metadata):
            raise KeyError(widget)
    try:
        return _convert(states, widget)
    except KeyError:
        raise
    except Exception as error:
        LOG.info("%s: %s", widget, error)
        raise KeyError(widget) from error


def _are_options(sent: WidgetState, metadata: WidgetMetadata[Any]) -> bool:
    """Return whether a menu has the options that a browser sent, by their texts; True for another widget."""
    menu = getattr(metadata.deserializer, "__self__", None)
    options = getattr(menu, "formatted_option_to_option_index", None)
    if options is None:
        return True
    texts = [sent.string_value] if sent.HasField("string_value") else sent.string_array_value.data
    return all(text in options for text in texts)


def _set_convertible(session: SessionState, sent: WidgetStates) -> None:
    """Store the values that a browser sent, without those of no widget and those that a known widget cannot have."""
    _set_widgets(session, sent)
    states = session._new_widget_state
    for widget in {each.id for each in sent.widgets}:
        try:
            if widget in states.widget_metadata:
                states[widget]
            elif not is_element_id(widget) and not widget.startswith(STREAMLIT_INTERNAL_KEY_PREFIX):
                raise KeyError(widget)
        except KeyError:
            states.states.pop(widget, None)

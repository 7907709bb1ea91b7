"""A client of the running app without a browser: it sends any message, and reads what the server answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.request import ProxyHandler, Request, build_opener

from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

VALUE_TYPES = {
    "button": "trigger_value", "download_button": "trigger_value", "button_group": "string_array_value",
    "checkbox": "bool_value", "dataframe": "string_value",
    "file_uploader": "file_uploader_state_value", "multiselect": "string_array_value",
    "number_input": "double_value", "plotly_chart": "string_value", "radio": "string_value", "selectbox": "string_value",
    "slider": "double_array_value", "text_area": "string_value", "text_input": "string_value",
}  # fmt: skip
"""The type of a widget's value, by the name of its element."""

PATIENCE = 120.0
"""Seconds that a run of a page may take."""


@dataclass
class Answer:
    """The server's answer to a message.

    Attributes:
        errors: exceptions on the page.
        elements: elements that were sent, with any exception.
        finished: whether a run of the page ended; False if the message started none.
        query: the parameters of the page's address, if the page changed them.
        closed: whether the server closed the connection.
        seconds: from the message to the end of the run.
    """

    errors: list[str] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    finished: bool = False
    query: str = ""
    closed: bool = False
    seconds: float = 0.0


class RawClient:
    """A connection to the app.

    Attributes:
        widgets: the type of the value of each widget that was on the page, by its id.
        options: the options of menus, by the id.
        fragments: the fragments of the page.
    """

    def __init__(self, connection: ClientConnection, url: str) -> None:
        self.connection, self.url, self._token = connection, url, ""
        self.widgets: dict[str, str] = {}
        self.options: dict[str, list[str]] = {}
        self.fragments: set[str] = set()

    def run(self, query: str = "", page: str = "", patience: float = PATIENCE) -> Answer:
        """Request a run of a page at a link, as the browser's back button does: a page follows no address that it wrote."""
        state = ClientState(query_string=query, page_name=page, is_history_navigation=True)
        return self.send(BackMsg(rerun_script=state), patience)

    def send(self, message: BackMsg, patience: float = PATIENCE) -> Answer:
        """Send a message and wait for the end of the run of the page, if it starts one within ``patience`` seconds."""
        answer, start = Answer(), time.monotonic()
        try:
            self.connection.send(message.SerializeToString())
            end = start + patience
            while time.monotonic() < end:
                try:
                    data = self.connection.recv(timeout=max(0.01, end - time.monotonic()))
                except TimeoutError:
                    break
                assert isinstance(data, bytes)
                if self._read(ForwardMsg.FromString(data), answer):
                    break
                if patience < PATIENCE and answer.elements:
                    end = start + PATIENCE  # a run has begun
        except ConnectionClosed:
            answer.closed = True
        answer.seconds = time.monotonic() - start
        return answer

    def send_bytes(self, data: bytes, patience: float) -> Answer:
        """Send what may be no message at all."""
        try:
            message = BackMsg.FromString(data)
        except Exception:  # the parser of the protocol has errors of several kinds
            self.connection.send(data)
            return self.send(BackMsg(app_heartbeat=True), patience)
        return self.send(message, patience)

    def upload(self, widget: str, files: Mapping[str, bytes], query: str = "", page: str = "") -> Answer:
        """Upload files into the box of this id, and run the page."""
        request = BackMsg()
        request.file_urls_request.request_id = "uploads"
        request.file_urls_request.file_names.extend(files)
        self.connection.send(request.SerializeToString())
        while True:
            data = self.connection.recv(timeout=PATIENCE)
            assert isinstance(data, bytes)
            answer = ForwardMsg.FromString(data)
            if answer.WhichOneof("type") == "file_urls_response":
                break
        state = ClientState(query_string=query, page_name=page)
        box = state.widget_states.widgets.add()
        box.id = widget
        box.file_uploader_state_value.SetInParent()
        for place, (name, content) in zip(answer.file_urls_response.file_urls, files.items(), strict=True):
            self._put(place.upload_url, name, content)
            info = box.file_uploader_state_value.uploaded_file_info.add()
            info.file_id, info.name, info.size = place.file_id, name, len(content)
            info.file_urls.CopyFrom(place)
        return self.send(BackMsg(rerun_script=state))

    def _put(self, place: str, name: str, content: bytes) -> None:
        opener = build_opener(ProxyHandler({}))
        if not self._token:
            with opener.open(f"{self.url}/_stcore/health") as answer:
                cookie = SimpleCookie(answer.headers["Set-Cookie"] or "")
                self._token = next((each.value for each in cookie.values()), "")
        mark = "unrolled-mark"
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}", "X-Xsrftoken": self._token}
        headers["Cookie"] = f"_streamlit_xsrf={self._token}"
        opener.open(Request(self.url + place, body, headers, method="PUT")).close()

    def _read(self, message: ForwardMsg, answer: Answer) -> bool:
        """Add a message to the answer; return whether it ends the run."""
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            answer.elements.append(element)
            self._note(element)
            if message.delta.fragment_id:
                self.fragments.add(message.delta.fragment_id)
            if element.WhichOneof("type") == "exception":
                shown = element.exception
                answer.errors.append(f"{shown.type}: {shown.message}\n" + "\n".join(shown.stack_trace[-6:]))
        elif kind == "page_info_changed":
            answer.query = message.page_info_changed.query_string
        elif kind == "session_event" and message.session_event.WhichOneof("type") == "script_compilation_exception":
            answer.errors.append(message.session_event.script_compilation_exception.message)
        elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            answer.finished = True
            return True
        return False

    def _note(self, element: Element) -> None:
        kind = element.WhichOneof("type")
        if kind == "bidi_component":
            self.widgets[element.bidi_component.id] = "json_value"
            self.widgets[_make_trigger_id(element.bidi_component.id, "events")] = "json_trigger_value"
        elif kind in VALUE_TYPES and (name := getattr(getattr(element, kind), "id", "")):
            self.widgets[name] = VALUE_TYPES[kind]
            shown = getattr(getattr(element, kind), "options", ())
            self.options[name] = [str(getattr(each, "content", each)) for each in shown]


@contextmanager
def raw_client(url: str) -> Iterator[RawClient]:
    """Connect to the app at an address."""
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(address, subprotocols=["streamlit"], max_size=None, proxy=None, compression=None) as connection:
        yield RawClient(connection, url)

"""The elements that the page has sent to the browser, by their place, and what is chosen in its controls.

Streamlit keeps neither on the server. They are recorded as Streamlit sends them, so that a page can be kept as it is shown.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeAlias, TypeVar

import streamlit as st
from streamlit.proto.Block_pb2 import Block
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.RootContainer_pb2 import RootContainer
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

P = ParamSpec("P")
R = TypeVar("R")

Place: TypeAlias = tuple[int, ...]
"""Where an element is: its number in each of the containers around it."""

SENT = "sent_elements"
"""Where the session keeps what its page has sent; a new run of the page begins it anew."""


MENUS = ("popover", "dialog")
"""Containers that are opened over the page."""


@dataclass
class SentElements:
    """The elements of a page that were sent, and what is chosen in its widgets.

    A run of the page writes them in its thread, while a download reads a `copy` of them in another one.

    Attributes:
        content: the elements and containers, by their place, each with the id of the fragment that sent it.
        chosen: what is chosen in each widget, by its id.
        is_kept: whether the page has a button that keeps it.
    """

    content: dict[Place, Delta] = field(default_factory=dict)
    chosen: dict[str, WidgetState] = field(default_factory=dict)
    is_kept: bool = False
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def take(self, message: ForwardMsg) -> None:
        """Record a message, whose element replaces what was at its place."""
        kind = message.delta.WhichOneof("type") if message.WhichOneof("type") == "delta" else None
        if kind not in ("new_element", "add_block"):
            return
        place = tuple(message.metadata.delta_path)
        with self._lock:
            if place in self.content:
                self.content = {at: each for at, each in self.content.items() if at[: len(place)] != place}
            self.content[place] = message.delta

    def copy(self, *, without: str = "") -> "SentElements":
        """Return a copy, without what a fragment has sent and what is inside of that; ``without``: its id, "" for none."""
        with self._lock:
            content, chosen = dict(self.content), self.chosen
        left_out = {at for at, each in content.items() if without and each.fragment_id == without}
        content = {
            at: each for at, each in content.items() if not any(at[:end] in left_out for end in range(1, len(at) + 1))
        }
        return SentElements(content, chosen)

    def replace_by(self, other: "SentElements") -> None:
        """Replace all elements and what is chosen at once."""
        with self._lock:
            self.content, self.chosen = other.content, other.chosen

    def elements(self) -> list[Element | Block]:
        """Return all elements and containers."""
        return list(map(_sent, self.content.values()))

    def inside(self, key: str) -> list[Element | Block]:
        """Return what is in the container with this key, in its order; an empty list if there is no such container."""
        around = next(
            (
                at
                for at, each in self.content.items()
                if each.HasField("add_block") and key_of(each.add_block.id) == key
            ),
            None,
        )
        if around is None:
            return []
        found = sorted(at for at in self.content if at[: len(around)] == around and at != around)
        return [_sent(self.content[at]) for at in found]

    def styles(self) -> str:
        """Return the rules of style of the page, which Streamlit sends apart from the elements that they are for."""
        sent = [each.new_element for at, each in self.content.items() if at[0] == RootContainer.EVENT]
        return "".join(each.html.body for each in sent if each.WhichOneof("type") == "html")

    def outside(self, keys: tuple[str, ...]) -> list[Element | Block]:
        """Return what is in no container whose key begins with one of these, and in no menu that is opened over the page."""
        left_out = [
            at
            for at, each in self.content.items()
            if each.HasField("add_block")
            and (key_of(each.add_block.id).startswith(keys) or each.add_block.WhichOneof("type") in MENUS)
        ]
        return [
            _sent(each)
            for at, each in sorted(self.content.items(), key=lambda item: item[0])
            if not any(at[: len(each)] == each for each in left_out)
        ]


def _sent(delta: Delta) -> Element | Block:
    return delta.add_block if delta.HasField("add_block") else delta.new_element


def key_of(element_id: str) -> str:
    """Return the key in an id of Streamlit, "$$ID-HASH-KEY"; "" if there is none."""
    return "".join(element_id.split("-", 2)[2:])


@contextmanager
def recorded_page() -> Iterator[None]:
    """Surround a run of the whole page; nothing stays recorded of a page that declared no button that keeps it."""
    sent = SentElements()
    st.session_state[SENT] = sent
    try:
        with _recorded(sent):
            yield
    finally:
        if not sent.is_kept and st.session_state.get(SENT) is sent:
            del st.session_state[SENT]


def recorded_fragment(draw: Callable[P, R]) -> Callable[P, R]:
    """Return a fragment of the page, as ``st.fragment``, whose runs are recorded too."""

    @wraps(draw)
    def draw_recorded(*args: P.args, **kwargs: P.kwargs) -> R:
        sent: SentElements | None = st.session_state.get(SENT)
        if sent is None or _is_recorded():  # by the run of the page, or of the fragment around it
            return draw(*args, **kwargs)
        # The run may send fewer elements than the last one. A download meanwhile has those of the last one.
        now = sent.copy(without=ThreadState.get().fragment_id or "")
        try:
            with _recorded(now):
                return draw(*args, **kwargs)
        finally:
            sent.replace_by(now)

    return st.fragment(draw_recorded)


def _is_recorded() -> bool:
    context = get_script_run_ctx(suppress_warning=True)
    return context is None or "enqueue" in vars(context)


@contextmanager
def _recorded(sent: SentElements) -> Iterator[None]:
    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        yield
        return
    send = context.enqueue

    def enqueue(message: ForwardMsg) -> None:
        sent.take(message)
        send(message)

    def take_chosen() -> None:
        sent.chosen = sent.chosen | {each.id: each for each in context.session_state.get_widget_states()}

    take_chosen()  # for a download before the run has ended
    vars(context)["enqueue"] = enqueue
    try:
        yield
    finally:
        del vars(context)["enqueue"]
        take_chosen()

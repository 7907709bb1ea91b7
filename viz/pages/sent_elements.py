"""The elements that the page has sent to the browser, by their place, and what is chosen in its controls.

Streamlit keeps neither on the server. They are recorded as Streamlit sends them, so that a page can be kept as it is shown.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeAlias, TypeVar

import streamlit as st
from streamlit.proto.Block_pb2 import Block
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.RootContainer_pb2 import RootContainer
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.scriptrunner import get_script_run_ctx

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

    Attributes:
        content: the elements and containers, by their place.
        chosen: what is chosen in each widget, by its id.
    """

    content: dict[Place, Element | Block] = field(default_factory=dict)
    chosen: dict[str, WidgetState] = field(default_factory=dict)

    def take(self, message: ForwardMsg) -> None:
        """Record a message, whose element replaces what was at its place."""
        kind = message.delta.WhichOneof("type") if message.WhichOneof("type") == "delta" else None
        if kind not in ("new_element", "add_block"):
            return
        place = tuple(message.metadata.delta_path)
        if place in self.content:
            self.content = {at: each for at, each in self.content.items() if at[: len(place)] != place}
        self.content[place] = message.delta.new_element if kind == "new_element" else message.delta.add_block

    def inside(self, key: str) -> list[Element | Block]:
        """Return what is in the container with this key, in its order; an empty list if there is no such container."""
        around = next(
            (at for at, each in self.content.items() if isinstance(each, Block) and key_of(each.id) == key), None
        )
        if around is None:
            return []
        found = sorted(at for at in self.content if at[: len(around)] == around and at != around)
        return [self.content[at] for at in found]

    def styles(self) -> str:
        """Return the rules of style of the page, which Streamlit sends apart from the elements that they are for."""
        sent = [each for at, each in self.content.items() if at[0] == RootContainer.EVENT and isinstance(each, Element)]
        return "".join(each.html.body for each in sent if each.WhichOneof("type") == "html")

    def outside(self, keys: tuple[str, ...]) -> list[Element | Block]:
        """Return what is in no container whose key begins with one of these, and in no menu that is opened over the page."""
        left_out = [
            at
            for at, each in self.content.items()
            if isinstance(each, Block) and (key_of(each.id).startswith(keys) or each.WhichOneof("type") in MENUS)
        ]
        return [
            each
            for at, each in sorted(self.content.items(), key=lambda item: item[0])
            if not any(at[: len(each)] == each for each in left_out)
        ]


def key_of(element_id: str) -> str:
    """Return the key in an id of Streamlit, "$$ID-HASH-KEY"; "" if there is none."""
    return "".join(element_id.split("-", 2)[2:])


@contextmanager
def recorded_page() -> Iterator[None]:
    """Surround a run of the whole page."""
    st.session_state[SENT] = SentElements()
    with _recorded():
        yield


def recorded_fragment(draw: Callable[P, R]) -> Callable[P, R]:
    """Return a fragment of the page, as ``st.fragment``, whose runs are recorded too."""

    @wraps(draw)
    def draw_recorded(*args: P.args, **kwargs: P.kwargs) -> R:
        with _recorded():
            return draw(*args, **kwargs)

    return st.fragment(draw_recorded)


@contextmanager
def _recorded() -> Iterator[None]:
    context = get_script_run_ctx(suppress_warning=True)
    sent: SentElements | None = st.session_state.get(SENT)
    if context is None or sent is None or "enqueue" in vars(context):  # inside a run of the page that is recorded
        yield
        return
    send = context.enqueue

    def enqueue(message: ForwardMsg) -> None:
        sent.take(message)
        send(message)

    vars(context)["enqueue"] = enqueue
    try:
        yield
    finally:
        del vars(context)["enqueue"]
        sent.chosen |= {each.id: each for each in context.session_state.get_widget_states()}

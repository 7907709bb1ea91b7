"""Parts of the page that are redrawn at each value of a dragged slider; the rest of the page follows when the drag pauses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import streamlit as st

from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun
from viz.pages import cache
from viz.pages.page_fragment import page_fragment
from viz.session import get_session

DrawPart = Callable[[ForwardRun], object]
"""Function that draws a part of the page from the run of the edited network; what it returns is ignored."""


@dataclass
class RedrawParts:
    """The parts of the open panels that are redrawn, in the order in which they are drawn.

    Attributes:
        preparations: functions that compute, into the caches, what the others send; the messages of one change then arrive
            together, and the browser draws once.
        payloads, drawings, texts, sliders, last_sliders: the functions that draw them.
        loss: the loss by whose gradient the weight matrix is coloured; None if it is coloured by value.
    """

    preparations: list[DrawPart] = field(default_factory=list)
    payloads: list[DrawPart] = field(default_factory=list)
    drawings: list[DrawPart] = field(default_factory=list)
    texts: list[DrawPart] = field(default_factory=list)
    sliders: list[DrawPart] = field(default_factory=list)
    last_sliders: list[DrawPart] = field(default_factory=list)
    loss: Loss | None = None

    def in_order(self) -> list[DrawPart]:
        """Return all functions: numbers first, then text; then the sliders, which follow what depends on them."""
        shown = [*self.payloads, *self.drawings, *self.texts]
        return [*self.preparations, *shown, *self.sliders, *self.last_sliders]


@page_fragment
def live_redraw(parts: Sequence[DrawPart]) -> None:
    """Draw the parts in this order."""
    view = get_session().view
    after = cache.forward_run(view.net or "", view.text or "", get_session().edits)
    for part in parts:
        part(after)


def rerun_page() -> None:
    """Rerun the whole page. Call it last in the callback of a widget inside a redrawn part."""
    st.rerun("app")

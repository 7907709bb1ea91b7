"""Charts that change while a run is written, without a blank moment.

Streamlit replaces a chart whose content changed, and the new one is blank until it is drawn. A chart of a run that is being
written therefore has two places, one upon the other: each new picture goes into the one at the back, which then comes to the
front, so that the last picture is visible until the new one covers it.
"""

from dataclasses import dataclass, field

import plotly.graph_objects as go
import streamlit as st

from viz.pages.page_elements import chart

BUFFERS, LIVE = "train_buffers", "train_is_live"
"""In the session state: the pictures of each chart; whether the run that is shown is being written."""

STYLE = """
<style>
  [class*="st-key-train_part_"] [data-stale="true"], [data-stale="true"]:has([class*="st-key-train_part_"]),
  [class*="st-key-train_part_"][data-stale="true"] { opacity: 1 !important; transition: none !important; }
  [class*="st-key-train_box_"] {
    display: grid; grid-template-columns: minmax(0, 1fr); justify-items: stretch; width: 100%;
  }
  [class*="st-key-train_box_"] > * { grid-area: 1 / 1; width: 100%; min-width: 0; }
  [data-testid="stLayoutWrapper"]:has(> [class*="st-key-train_box_"]) { width: 100%; }
</style>
"""
"""Style that keeps what is replaced again and again from being dimmed, and puts both pictures of a chart in one place."""
LIVE_STYLE = """<style>[data-testid="stStatusWidget"] { visibility: hidden; }</style>"""
"""Style that hides Streamlit's sign of a page at work: it would blink at each picture, with a Stop beside that of the run."""


@dataclass
class _Buffers:
    """The two pictures of a chart: figures with their JSON; ``front`` is the index of the newest."""

    front: int = 0
    figures: list[tuple[str, go.Figure] | None] = field(default_factory=lambda: [None, None])

    def put(self, figure: go.Figure) -> None:
        """Make a figure the front picture, unless it is that already."""
        text = figure.to_json()
        now = self.figures[self.front]
        if now is None or now[0] != text:
            self.front = 1 - self.front
            self.figures[self.front] = (text, figure)


def live_style(*, live: bool) -> None:
    """Add the style of parts that are replaced; ``live``: whether the run is being written."""
    st.session_state[LIVE] = live
    if not live:
        st.session_state.pop(BUFFERS, None)
    st.html(STYLE + (LIVE_STYLE if live else ""))


def live_chart(figure: go.Figure, key: str, *names: str) -> None:
    """Show a figure of a run as ``chart`` does; the next one with the same ``key`` replaces it without a blank moment."""
    # plotly measures it from the tick labels, which a chart that is not laid out yet lacks
    figure.update_xaxes(title_standoff=None)
    if not st.session_state.get(LIVE):
        chart(figure, f"train_live_{key}", names=names)
        return
    buffers: _Buffers = st.session_state.setdefault(BUFFERS, {}).setdefault(key, _Buffers())
    buffers.put(figure)
    with st.container(key=f"train_box_{key}"):
        for slot, picture in enumerate(buffers.figures):
            with st.container(key=f"train_slot_{key}_{slot}"):
                if picture is not None:
                    chart(picture[1], f"train_live_{key}_{slot}", names=names)
        front = f".st-key-train_box_{key} > :has(.st-key-train_slot_{key}_{buffers.front})"
        st.html(f"<style>{front} {{ z-index: 1; }}</style>")

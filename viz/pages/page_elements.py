"""Elements that the pages share: captions, charts, tables and links to other pages."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st

from models.core.messages import Problem
from viz.address import View, view_params
from viz.colours import Theme
from viz.components.line_chart import line_chart
from viz.escape import csv_cell, escape_markdown, file_name, printable
from viz.glossary import mark_terms
from viz.i18n import translate
from viz.pages import cache
from viz.session import get_session

MAX_STEPS_WITHOUT_ZOOM = 300
"""Time steps up to which a chart needs no zoom."""

TERMS_SEEN = "terms_seen"
"""Where the session keeps which text of the page used each term first; a new run of the page begins it anew."""


def caption(text: str, *, width: Literal["stretch", "content"] = "stretch") -> None:
    """Show a caption in Markdown in which the page's first use of each term of the glossary explains itself."""
    marked = mark_terms(text, st.session_state.setdefault(TERMS_SEEN, {}))
    st.caption(marked, unsafe_allow_html=marked != text, width=width)


def show_problem(problem: Problem) -> None:
    """Show the sentence of a problem; it may quote what somebody wrote into a file."""
    st.warning(escape_markdown(translate(problem)), icon=":material/info:")


def page_theme() -> Theme:
    """Return the theme of the reader's page."""
    return "dark" if st.context.theme.type == "dark" else "light"


def chart(figure: go.Figure, key: str, *, names: Sequence[str | None], min_width: int = 0) -> None:
    """Show a plotly figure; its tool bar saves it as SVG under ``names``, joined by hyphens.

    On a page that is narrower than ``min_width`` pixels the chart scrolls, so that its labels stay apart.
    """
    if min_width:
        box = f".st-key-{key}"
        st.html(f"<style>{box} {{ overflow-x: auto; }} {box} > div {{ min-width: {min_width}px; }}</style>")
    st.plotly_chart(figure, key=key, theme=None, config=chart_config(names))


def chart_config(names: Sequence[str | None]) -> dict[str, Any]:
    """Return plotly's configuration of a chart, whose tool bar saves it under ``names``."""
    return {
        "displaylogo": False,
        "toImageButtonOptions": {"format": "svg", "filename": _joined(names)},
        # Few buttons, because they cover the chart; dragging zooms anyway.
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d"],
    }


def norm_chart(figure: go.Figure, key: str, *, names: Sequence[str | None]) -> None:
    """Show a figure of norms by time step, so that the page need not wait for plotly's script; arguments as of `chart`.

    A long sequence is shown by plotly all the same, in which a reader can zoom.
    """
    if figure.layout.xaxis.range[1] > MAX_STEPS_WITHOUT_ZOOM:
        chart(figure, key, names=names)
    else:
        line_chart(figure, name=_joined(names), key=key)


def _joined(names: Sequence[str | None]) -> str:
    """Return the name of a file without its suffix."""
    return "-".join(file_name(cache.download_name(str(part))) for part in names if part)


def dense_table(rows: Sequence[dict[str, str]]) -> None:
    """Show a small table as text that can be selected: a row per dictionary, under the keys of the first one."""
    st.table(
        [{escape_markdown(name): escape_markdown(value) for name, value in row.items()} for row in rows],
        border="horizontal",
        hide_index=True,
    )


def scrolling_table(
    rows: Sequence[Mapping[str, object]], *, height: int | Literal["auto"] = "auto", **settings: Any
) -> Any:
    """Show a long table, which the reader can save as CSV: a row per dictionary, under the keys of the first one.

    Args:
        rows: of the table.
        height: in pixels.
        settings: further arguments of ``st.dataframe``, whose result is returned.
    """
    return st.dataframe(
        [{table_cell(name): table_cell(value) for name, value in row.items()} for row in rows],
        hide_index=True,
        height=height,
        **settings,
    )


def table_cell(value: Any) -> Any:
    """Return a value for a table that a reader can save as CSV: of a text what no spreadsheet computes, in one line."""
    return csv_cell(printable(value)) if isinstance(value, str) else value


def lens_link(
    name: str, label: str, view: View, icon: str = ":material/open_in_new:", panels: Sequence[str] = ()
) -> None:
    """Show a link that opens ``view`` on the page ``name``, with these panels open, the last one in sight.

    A lesson that is shown stays in the view.
    """
    from viz.pages import find_lens  # which imports the page that this link is on

    shown = get_session().view
    params = view_params(replace(view, panel=",".join(panels), mode="", lesson=shown.lesson, section=shown.section))
    st.page_link(find_lens(name).page(_LinkTarget), label=label, icon=icon, query_params=params)


class _LinkTarget(st.Page):
    """A page whose link is right on every page: that of the default page, "" in Streamlit, would be the page itself."""

    @property
    def url_path(self) -> str:
        """The address in the link, relative to the folder of all pages."""
        return super().url_path or "."

"""The button that downloads what a page shows as one HTML file, which needs no server (`viz.show`)."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import streamlit as st

from models.edits.edit_syntax import write_edits
from models.networks.forward_run import ForwardRun
from viz.address import View
from viz.escape import file_name
from viz.i18n import _, language, use_language
from viz.pages import cache
from viz.session import Session
from viz.show.offline_file import offline_html
from viz.show.run_source import RunSource
from viz.show.shown_view import ShownView


def keep_page_button(
    session: Session, make: Callable[[], ShownView], *, key: str = "keep_page", label: str = "", hint: str = ""
) -> None:
    """Show the button.

    Args:
        session: of the reader.
        make: returns the view when the button is pressed.
        key: of the button.
        label, hint: of the button; "" for those of a view that moves as in the app.
    """
    view, lang = session.view, language()
    lens, app = _page_and_app()

    def content() -> bytes:
        with use_language(lang):
            return offline_html(make(), app=app, lang=lang).encode()

    st.download_button(
        label or _("Keep this page (HTML)"),
        content,
        file_name=f"{file_name(cache.download_name(view.net or ''))}-{file_name(lens or 'step')}.html",
        mime="text/html",
        key=key,
        icon=":material/save:",
        on_click="ignore",
        help=hint
        or _(
            "One file that needs no server and no network: it contains these values and opens in any browser, in English "
            "and Korean."
        ),
    )


def kept_source(session: Session, run: ForwardRun) -> RunSource:
    """Return the run of the page, with the network and text of its view."""
    view = session.view
    if not cache.is_network(view.net):
        return RunSource(run)
    return RunSource(run, cache.network(view.net or ""), view.text, kept_address(view), active_edits_text(session))


def active_edits_text(session: Session) -> str:
    """Return the edits that are switched on, in the syntax of an address; "" for none."""
    return write_edits(cache.active_edits(session.edits))


def kept_place(view: View) -> dict[str, object]:
    """Return the layer, step, unit and quantity of a view."""
    return {"layer": view.layer, "step": view.step, "unit": view.unit, "quantity": view.quantity}


def kept_address(view: View) -> View:
    """Return the view without what belongs to this visit of the page."""
    return replace(view, lang=None, panel="", mode="", lesson=None, section=None)


def _page_and_app() -> tuple[str, str | None]:
    """Return the page's name in the address, "" for the first one, and the address of the app, None if it is unknown."""
    parts = urlsplit(st.context.url or "")
    folder, _slash, lens = parts.path.rpartition("/")
    return lens, f"{parts.scheme}://{parts.netloc}{folder}/" if parts.hostname else None

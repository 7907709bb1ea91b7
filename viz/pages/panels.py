"""The panels of a page: each has a title, folds, and is computed only while it is open.

    @panel("path", _("Path of the hidden state"), _("Where does the path turn?"))
    def draw() -> None:
        ...

A panel reserves its place, with its title, as soon as it is declared. The functions are called at the end of the page, so
that all titles are on the screen while the first panel is computed. The first `FIRST_OPEN` panels of a page begin open.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.core.messages import Problem
from viz.address import PROJECTOR
from viz.components.panel_list import panel_list
from viz.components.reports import word
from viz.components.streamlit_host import reported
from viz.i18n import _, language
from viz.pages.page_elements import caption, show_problem
from viz.panel_choice import is_panel_open, last_opened, parse_panels
from viz.session import Session, get_session

FIRST_OPEN = 4
"""Panels of a page that begin open."""

PAGE_PANELS, DRAWN, LIST = "page_panels", "panels_drawn", "panel_list"
"""In the session state: the panels of the page, names of panels that were drawn before, state of the list."""

T = TypeVar("T")

_NUMBER = re.compile(r"^\d+ · ")


@dataclass
class Panel(Generic[T]):
    """A panel of the page.

    Attributes:
        name: in the address; no other panel of any page has it.
        title, look_for: its title, and one line that says what to look for.
        draw: draws its content.
        is_open: whether its content is shown.
        default: whether it begins open.
        late: whether it is drawn after the others because it takes longer.
        place, note: its place on the page, and the place of the note that it is still to be computed.
        is_drawn, is_complete: whether the drawing of its content has begun, and whether it has ended.
    """

    name: str
    title: str
    look_for: str
    draw: Callable[[], T]
    is_open: bool
    default: bool
    late: bool
    place: DeltaGenerator
    note: DeltaGenerator | None = None
    is_drawn: bool = False
    is_complete: bool = False

    def draw_now(self) -> T | None:
        """Draw the content, unless the panel is folded or drawn already; return what its function returned."""
        if not self.is_open or self.is_drawn:
            return None
        self.is_drawn = True
        # The note goes at the end: where Streamlit's Stop ends the drawing it stays, and says so. Streamlit writes the time
        # in English alone.
        with self.place, st.spinner(_("Computing …"), show_time=language() == "en"):
            try:
                found = self.draw()
            except Problem as problem:
                show_problem(problem)
                found = None
            else:
                st.session_state[DRAWN].add(self.name)
        if self.note is not None:
            self.note.empty()
        self.is_complete = True
        return found


@dataclass
class PagePanels:
    """The panels of the page that is being run, in their order.

    Attributes:
        session: the session.
        list_place: the place of the list.
        places: the places of the panels to show, by name, where a lesson shows some panels of the page; None: all panels.
        panels: the panels declared so far.
        after: functions to call once all panels but the late ones are drawn.
    """

    session: Session
    list_place: DeltaGenerator
    places: dict[str, DeltaGenerator] | None = None
    panels: list[Panel] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)

    @property
    def one_at_a_time(self) -> bool:
        """Whether one panel at a time is shown."""
        return self.session.view.mode == PROJECTOR and self.places is None

    def only(self, places: dict[str, DeltaGenerator]) -> None:
        """Show the panels with these names alone, each in its place, without their list."""
        self.places = places

    def draw(self) -> None:
        """Show the list, then the content of every open panel."""
        panels = self.panels
        names = [each.name for each in panels]
        if self.places is not None:
            self._report_missing(self.places, names)
        elif panels:
            panels = self._draw_list(names)
        for each in panels:
            if not each.late:
                each.draw_now()
        for function in self.after:
            function()
        for each in panels:
            each.draw_now()

    def _report_missing(self, places: dict[str, DeltaGenerator], names: list[str]) -> None:
        for name, place in places.items():
            if name not in names:
                place.caption(
                    _(
                        "There is nothing to show in this panel yet. It needs another network or text, or a training run."
                    )
                )

    def _draw_list(self, names: list[str]) -> list[Panel]:
        """Show the list of the panels; return the panels that are shown."""
        shown = last_opened(self.session.view.panel, names)
        with self.list_place:
            panel_list(
                [
                    {
                        "name": each.name,
                        "title": each.title,
                        "open": each.is_open,
                        "selector": f".st-key-panel_{each.name}",
                    }
                    for each in self.panels
                ],
                shown=shown,
                turn=self.session.panel_turn,
                projector=self.one_at_a_time,
                key=LIST,
                on_picked=lambda: self._picked(),
                on_mode=lambda: self._mode_changed(),
            )
        panels = self.panels
        if self.one_at_a_time:
            only = shown or names[0]
            with self.list_place:
                st.html(ONE_AT_A_TIME.replace("PANEL", only))
            panels = [each for each in panels if each.name == only]
            for each in panels:
                if not each.is_open:
                    each.is_open = True
                    self.lay_out(each)
        return panels

    def lay_out(self, panel: Panel) -> None:
        """Show the title and caption of a panel, or of a folded one a button that opens it."""
        with panel.place:
            if not panel.is_open:
                st.button(
                    panel.title,
                    key=f"unfold_{panel.name}",
                    icon=":material/chevron_right:",
                    type="tertiary",
                    on_click=lambda: self.session.open_panel(panel.name, default=panel.default),
                )
                return
            st.markdown(f"#### {panel.title}")
            if self.places is None:
                st.button(
                    _("Fold: {title}").format(title=panel.title),
                    key=f"fold_{panel.name}",
                    icon=":material/unfold_less:",
                    type="tertiary",
                    on_click=lambda: self.session.open_panel(panel.name, default=panel.default, opened=False),
                )
            if panel.look_for:
                caption(panel.look_for)
            panel.note = st.empty()
            with panel.note.container(horizontal=True, vertical_alignment="center"):
                self._lay_out_note(panel, pending=panel.name not in st.session_state[DRAWN])

    def _lay_out_note(self, panel: Panel, *, pending: bool) -> None:
        """Show the note of a panel that is not drawn yet, with a button that stops this panel alone."""
        st.html(_note(pending=pending, folds=self.places is None), width="content")
        if pending and self.places is None:
            st.button(
                _("Stop: {title}").format(title=panel.title),
                key=f"stop_{panel.name}",
                icon=":material/stop_circle:",
                type="tertiary",
                on_click=lambda: self.session.open_panel(panel.name, default=panel.default, opened=False),
            )

    def _picked(self) -> None:
        picked = reported(LIST, "picked", {"name": word})
        for each in self.panels:
            if picked is not None and each.name == picked["name"]:
                self.session.open_panel(each.name, default=each.default, scroll=True)

    def _mode_changed(self) -> None:
        mode = (reported(LIST, "mode", {"mode": word}) or {}).get("mode")
        if mode in ("", PROJECTOR):
            self.session.set_mode(mode)


def _note(*, pending: bool, folds: bool) -> str:
    """Return the text shown instead of a panel that is not drawn: while the page runs, and where it was stopped before."""
    stopped = (
        _("Not computed, because it was stopped. Fold the panel and open it again to compute it.")
        if folds
        else _("Not computed, because it was stopped. Reload the page to compute it.")
    )
    shown = f'<p class="unrolled-pending">{_("Still to be computed …")}</p>' if pending else ""
    return f'{shown}<p class="unrolled-stopped">{stopped}</p>'


def panel(
    name: str, title: str, look_for: str, *, opened: bool | None = None, late: bool = False
) -> Callable[[Callable[[], T]], Panel[T]]:
    """Declare a panel, whose content the decorated function draws at the end of the page if the panel is open.

    Args:
        name: in the address; no other panel of any page has it.
        title: its title.
        look_for: one line that says what to look for; "" for none.
        opened: whether it begins open; None: if it is among the first of the page.
        late: whether it is drawn after the others because it takes longer.

    Returns:
        A decorator that returns the panel.
    """

    def declare(draw: Callable[[], T]) -> Panel[T]:
        page: PagePanels = st.session_state[PAGE_PANELS]
        default = len(page.panels) < FIRST_OPEN if opened is None else opened
        if page.places is None:
            is_open = is_panel_open(page.session.view.panel, name, default) and not page.one_at_a_time
            place = st.container(border=True, key=f"panel_{name}")
        else:
            is_open = name in page.places
            place = page.places.get(name, page.list_place)
        shown = title if page.places is None else _NUMBER.sub("", title)  # its number is that on its page
        declared = Panel(name, shown, look_for, draw, is_open, default, late, place)
        page.panels.append(declared)
        if is_open or not (page.one_at_a_time or page.places is not None):
            page.lay_out(declared)
        return declared

    return declare


def named_open(name: str) -> bool:
    """Return whether a panel that begins folded is open, before it is declared."""
    view = get_session().view
    page: PagePanels = st.session_state[PAGE_PANELS]
    if page.places is not None:
        return name in page.places
    if view.mode == PROJECTOR:
        return parse_panels(view.panel)[-1:] == (name,)
    return is_panel_open(view.panel, name, False)


def after_panels(function: Callable[[], None]) -> None:
    """Call a function once all panels of the page but the late ones are drawn."""
    page: PagePanels = st.session_state[PAGE_PANELS]
    page.after.append(function)


@contextmanager
def page_panels() -> Iterator[None]:
    """Show the list of the page's panels, and draw the content of those that are open at the end."""
    page = PagePanels(get_session(), st.container(key="panels"))
    st.session_state[PAGE_PANELS] = page
    st.session_state.setdefault(DRAWN, set())
    yield
    page.draw()
    # What is no longer on the page is computed anew when it is opened again.
    st.session_state[DRAWN] = {each.name for each in page.panels if each.is_drawn}


PANEL_STYLE = """
<style>
  [data-testid="stLayoutWrapper"]:has(> .st-key-panels) {
    position: sticky; top: 3.75rem; z-index: 900; background: light-dark(#ffffff, #10141a);
  }
  .stVerticalBlock[class*="st-key-panel_"] {
    position: relative; scroll-margin-top: calc(7rem + var(--unrolled-compact-bar, 0px));
  }
  .stVerticalBlock[class*="st-key-panel_"]:focus { outline: none; }
  .unrolled-pending { margin: 0; }
  .unrolled-stopped { display: none; } /* one of the two, whatever the state of the script */
  [data-testid="stApp"][data-test-script-state="notRunning"] .unrolled-stopped { display: block; }
  [data-testid="stApp"][data-test-script-state="notRunning"] :is(.unrolled-pending, [class*="st-key-stop_"]) {
    display: none;
  }
  @media (max-width: 980px) { /* panels beside each other would be too narrow for a cell */
    [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] [class*="st-key-panel_"]) { flex-wrap: wrap; }
    [data-testid="stColumn"]:has([class*="st-key-panel_"]) { flex: 1 1 100%; min-width: 100%; }
    [class*="st-key-panel_"] [data-testid="stHorizontalBlock"] { flex-wrap: wrap; } /* nor for a chart inside one */
    [class*="st-key-panel_"] [data-testid="stColumn"] { flex: 1 1 18rem; min-width: min(100%, 18rem); }
  }
  .stVerticalBlock[class*="st-key-panel_"] > [data-testid="stElementContainer"]:first-child h4 { padding-right: 2rem; }
  [data-testid="stElementContainer"][class*="st-key-fold_"] { position: absolute; top: 0.5rem; right: 0.5rem; width: auto; }
  [class*="st-key-fold_"] p { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  [class*="st-key-panel_"] .katex-display { overflow-x: auto; overflow-y: hidden; }
  [class*="st-key-panel_"] .katex-display > .katex { white-space: normal; } /* a long formula goes on in the next line */
  [class*="st-key-panel_"] .katex-display .base { margin-block: 2px; }
  [class*="st-key-panel_"] .katex-display, [data-testid="stTable"] > div { /* a shadow where there is more */
    --page: light-dark(#ffffff, #10141a); --shadow: light-dark(rgb(20 24 31 / 0.3), rgb(240 243 247 / 0.4));
    background:
      linear-gradient(to right, var(--page) 12px, transparent) left / 36px 100% no-repeat local,
      linear-gradient(to left, var(--page) 12px, transparent) right / 36px 100% no-repeat local,
      linear-gradient(to right, var(--shadow), transparent) left / 10px 100% no-repeat scroll,
      linear-gradient(to left, var(--shadow), transparent) right / 10px 100% no-repeat scroll;
  }
  [class*="st-key-unfold_"] button { width: 100%; justify-content: flex-start; text-align: start; font-weight: 600; }
</style>
"""
"""Style of the panels: their list stays below the page's header, and the button that folds one is in its corner."""

ONE_AT_A_TIME = """
<style>
  [data-testid="stHeader"], .st-key-bar { display: none; }
  [data-testid="stMainBlockContainer"] { zoom: 1.4; padding-top: 0.5rem; }
  [data-testid="stPlotlyChart"] { zoom: calc(1 / 1.4); } /* Plotly measures its place without the zoom */
  [class*="st-key-fold_"] { display: none; }
  [class*="st-key-panel_"] [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  [class*="st-key-panel_"] [data-testid="stColumn"] { flex: 1 1 20rem; min-width: min(100%, 20rem); }
  [data-testid="stLayoutWrapper"]:has(> .st-key-panels) { position: static; }
  [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] >
    *:not(:has(.st-key-panel_PANEL, .unrolled-player, .unrolled-panel-list, .st-key-notices *)) { display: none; }
  [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] > *:has(.unrolled-panel-list) { order: -2; }
  [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] > *:has(.st-key-panel_PANEL) { order: -1; }
  [data-testid="stColumn"]:has([class*="st-key-panel_"]):not(:has(.st-key-panel_PANEL)) { display: none; }
  [data-testid="stLayoutWrapper"]:has(> [class*="st-key-panel_"]:not(.st-key-panel_PANEL)) { display: none; }
</style>
"""
"""Style of projector mode: PANEL is the one panel that is shown, beside the playback controls."""

"""One reader's session: the view, the edits with their history, and the messages to show.

    session = get_session()
    session.view.net                            # the network that is shown
    session.navigate(net="counter", step=None)  # the reader chose something else
    session.fill_defaults(step=12)              # the page chose what the reader left open
    session.apply_report(revision, step=13)     # the player in the browser reports its step
    session.reject(_("..."))                    # the view cannot be shown: say why, return to the last good view
    session.mark_good()                         # the view was shown: it is now the last good view

Every change of the view is mirrored in the address. The edits are an object (``session.edits``); only the address, and
``View.edits`` with it, has them as a text.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from models.core.undo_history import UndoHistory
from models.edits.edit import Edits
from models.edits.edit_syntax import read_edits, write_edits
from models.networks.input_limit import INPUT_LIMIT, MAX_INPUT_STEPS
from viz import i18n
from viz.address import MAX_TEXT, View, file_of, normalized_query, page_fields, parse_view, query_string, view_params
from viz.command_line import sort_named
from viz.i18n import _
from viz.panel_choice import choose_panel, parse_panels
from viz.revisions import Revisions
from viz.view_options import format_options, options_for_new_text, parse_options

KEY = "unrolled"
MAX_ADDRESSES = 50
"""Addresses written by the app that are still recognized as such when the browser sends them late."""

MAX_OPENED_NETWORKS = 12
"""Opened networks in one reader's list."""


@dataclass
class Session:
    """The state of one reader's session.

    Attributes:
        view: the view to show.
        good_view: the last view that could be shown.
        revisions: changes of the view by Python, not by the player in the browser.
        notices: messages about problems, one sentence each; they stay until the reader's next action.
        startup_file, runs_folder, lessons_folder, startup_index: named on the command line: a file that could be opened; a
            folder of training runs, of lessons, or of a corpus's index.
        first_visit: whether the address named no view at first: of a new reader, who may need an introduction.
        input_limit: steps of an input that are run at once; a reader raises it by running a longer one.
        opened_networks: names of the networks of the checkpoints that this reader opened, the most recent first.
        rejected: the last requested view, if it could not be shown; its text stays in the text box until the next request.
        awaited: the view of a link to a file that is not open; the address keeps it until the file or another view is opened.
        drag: id of the slider drag that made the last change of the edits; None if something else made it.
        attention_dragging: whether a slider drag made the last change of the attention edits.
        panel_turn: number of times that the browser was to scroll to the panel opened last.
        slider_generation: number of changes of the edits by anything but a slider; part of the sliders' keys, so that
            each such change resets them.
        link_options: the options of the charts in the last address that the reader opened.
        keeps_address: whether the address stays as it is while views are shown that the reader did not ask for.
        language_views: the fields of the view that a change of the language sets, by the new language.
    """

    view: View = field(default_factory=View)
    good_view: View = field(default_factory=View)
    revisions: Revisions = field(default_factory=Revisions)
    notices: list[str] = field(default_factory=list)
    startup_file: Path | None = None
    runs_folder: Path | None = None
    lessons_folder: Path | None = None
    startup_index: Path | None = None
    first_visit: bool = False
    input_limit: int = MAX_INPUT_STEPS
    opened_networks: list[str] = field(default_factory=list)
    rejected: View | None = None
    awaited: View | None = None
    drag: str | None = None
    attention_dragging: bool = False
    panel_turn: int = 0
    slider_generation: int = 0
    link_options: dict[str, str] = field(default_factory=dict)
    keeps_address: bool = False
    language_views: dict[str, dict[str, Any]] = field(default_factory=dict)
    _edits: tuple[str, Edits] = ("", Edits())
    _good_edits: tuple[str, Edits] = ("", Edits())
    _edit_history: UndoHistory[Edits] = field(default_factory=lambda: UndoHistory(Edits()))
    _attention_history: UndoHistory[str] = field(default_factory=lambda: UndoHistory(""))
    _written: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_ADDRESSES))
    _running: bool = False
    _had_address: bool = False  # whether the address of the last run named a view
    _panel_before: str | None = None  # the view's panels before the first one that projector mode showed

    def navigate(self, **changes: Any) -> None:
        """Show another view, at the reader's request; `changes` are fields of `View`."""
        self.notices.clear()
        self.rejected = None
        self.revisions.add(changes)
        if changes.keys() - {"lang"}:
            self.awaited = None
        if "text" in changes and changes["text"] != self.view.text:
            changes = {"look": options_for_new_text(self.view.look)} | changes
        self._set_view(replace(self.view, **changes))

    def set_text(self, text: str) -> None:
        """Show the text that the reader typed into the text box."""
        self.navigate(text=text, step=None)

    @property
    def is_running(self) -> bool:
        """Return whether the whole page is running, not one of its fragments alone."""
        return self._running

    @property
    def view_options(self) -> dict[str, str]:
        """The chosen options of the charts, by name (``viz.view_options``)."""
        return parse_options(self.view.look)

    def set_view_options(self, **options: str | None) -> None:
        """Choose options of the charts; None resets one to the page's default."""
        self.notices.clear()
        kept = {name: value for name, value in (self.view_options | options).items() if value is not None}
        self._set_view(replace(self.view, look=format_options(kept)))

    def open_panel(self, name: str, *, default: bool, opened: bool = True, scroll: bool = False) -> None:
        """Open or fold a panel of the page.

        Args:
            name: the panel.
            default: whether it is open on a page whose address names no panel.
            opened: whether to open it.
            scroll: whether the browser scrolls to it.
        """
        self.panel_turn += scroll
        panel = self.view.panel
        if self.view.mode:  # one at a time: the panels that were shown before do not stay open
            if self._panel_before is None:
                self._panel_before = panel
            panel = self._panel_before
        self._set_view(replace(self.view, panel=choose_panel(panel, name, opened=opened, default=default)))

    def set_mode(self, mode: str) -> None:
        """Show one panel at a time ("projector"), or the whole page ("") as it was before, at the panel shown last."""
        panel = self.view.panel
        if not mode and self._panel_before is not None:
            shown = parse_panels(panel)[-1:]
            panel = self._panel_before
            for name in shown:
                panel = choose_panel(panel, name, opened=True, default=False)
                self.panel_turn += 1
        self._panel_before = None
        self._set_view(replace(self.view, mode=mode, panel=panel))

    def fill_defaults(self, **changes: Any) -> None:
        """Set fields of the view that were not chosen or are invalid. The revision stays: the player need not follow."""
        self._set_view(replace(self.view, **changes))

    def await_file(self) -> None:
        """Keep the view in the address: its network is a file that is not open."""
        if self.awaited is None or self.awaited.net != self.view.net:
            self.awaited = self.view

    def show_file(self, net: str) -> None:
        """Show an opened file: the awaited view if its link was to this file, else the file's default view.

        A link names a file with a hash of its content and settings. If only the hash differs, the place of the awaited
        view is kept, without its edits, and a message says that the numbers may be others than those of the link.
        """
        awaited = self.awaited
        if awaited is None or awaited.net is None or file_of(awaited.net) != file_of(net):
            self.navigate(net=net, text=None, layer=None, unit=None, step=None, quantity=None, edits="")
            return
        kept = page_fields(self.view)
        if awaited.net == net:
            self.navigate(**vars(awaited) | kept)
            return
        self.navigate(**vars(awaited) | kept | {"net": net, "edits": "", "attend": ""})
        self.add_notice(
            _(
                "The link was made with other settings of “{file}”, or with another version of it. Its numbers may differ "
                "from those shown here."
            ).format(file=file_of(net))
        )

    def remember_network(self, name: str, instead: str | None = None) -> None:
        """Put an opened network first in this reader's list; it replaces the network ``instead``."""
        others = [each for each in self.opened_networks if each not in (name, instead)]
        self.opened_networks = [name, *others][:MAX_OPENED_NETWORKS]

    @property
    def edits(self) -> Edits:
        """The edits of the view, including those that are switched off. Raises Problem: they are not valid edits."""
        return self._parsed(self.view.edits)

    @property
    def good_edits(self) -> Edits:
        """The edits of the last good view."""
        return self._parsed(self.good_view.edits)

    def _parsed(self, text: str) -> Edits:
        """Parse edits, unless they are those of this or of the last good view, which are objects already."""
        for known, edits in (self._edits, self._good_edits):
            if known == text:
                return edits
        self._edits = text, read_edits(text)
        return self._edits[1]

    @property
    def edit_history(self) -> UndoHistory[Edits]:
        """The undo history up to ``edits``. Edits set elsewhere, as by a link, count as one change. Raises Problem."""
        if self._edit_history.now != self.edits:
            self._edit_history, self.drag = self._edit_history.push(self.edits), None
        return self._edit_history

    def set_edits(self, edits: Edits) -> None:
        """Show the network with these edits."""
        self._set_edit_history(self.edit_history.push(edits))

    def correct_edits(self, edits: Edits) -> None:
        """Replace edits that do not fit, as ``fill_defaults``."""
        self.fill_defaults(edits=self._edits_text(edits))

    def drag_edits(self, edits: Edits, drag: str, *, rested: bool) -> None:
        """Show the network with the edits of a slider that is being dragged; one undo takes back the whole drag.

        Args:
            edits: all edits.
            drag: id of the drag; another id is another change.
            rested: whether the slider has stopped; until then the address is not written.
        """
        history = self.edit_history
        self._edit_history = history.replace(edits) if self.drag == drag else history.push(edits)
        self.drag = drag
        self.notices.clear()
        self.view = replace(self.view, edits=self._edits_text(edits))
        if rested:
            self._set_view(self.view)

    def undo(self) -> None:
        """Undo one change of the edits."""
        self._set_edit_history(self.edit_history.undo())

    def redo(self) -> None:
        """Redo one change of the edits."""
        self._set_edit_history(self.edit_history.redo())

    def _set_edit_history(self, history: UndoHistory[Edits]) -> None:
        self._edit_history, self.drag = history, None
        self.slider_generation += 1
        self.navigate(edits=self._edits_text(history.now))

    def _edits_text(self, edits: Edits) -> str:
        """Return the text of ``edits`` for the view, and store the pair so that it need not be parsed."""
        self._edits = write_edits(edits), edits
        return self._edits[0]

    @property
    def attention_history(self) -> UndoHistory[str]:
        """The undo history up to the view's attention edits. Edits set elsewhere, as by a link, start a new history."""
        if self._attention_history.now != self.view.attend:
            self._attention_history, self.attention_dragging = UndoHistory(self.view.attend), False
        return self._attention_history

    def set_attention_edits(self, edits: str, *, live: bool = False) -> None:
        """Show the output with these attention edits; ``live``: they come from a slider that is being dragged."""
        history = self.attention_history
        dragged = live and self.attention_dragging
        self._set_attention_history(history.replace(edits) if dragged else history.push(edits), live=live)

    def undo_attention(self) -> None:
        """Undo one change of the attention edits."""
        self._set_attention_history(self.attention_history.undo())

    def redo_attention(self) -> None:
        """Redo one change of the attention edits."""
        self._set_attention_history(self.attention_history.redo())

    def _set_attention_history(self, history: UndoHistory[str], *, live: bool = False) -> None:
        self._attention_history, self.attention_dragging = history, live
        self.slider_generation += not live
        self.navigate(attend=history.now)

    def apply_report(self, revision: int, **changes: Any) -> bool:
        """Apply a report of the player, without what Python has set since that revision; return False if that is all."""
        changes = self.revisions.not_set_since(revision, changes)
        view = replace(self.view, **changes)
        if view != self.view:
            self.notices.clear()
            self._set_view(view)
        return bool(changes)

    def mark_good(self) -> None:
        """Remember the view, which could be shown, as the one that `reject` returns to."""
        self.good_view, self._good_edits = self.view, self._edits

    def reject(self, problem: str) -> None:
        """Return to the last good view, because the current one cannot be shown; ``problem`` says why, in one sentence."""
        self.revisions.add()
        self.rejected = self.view
        self.add_notice(problem)
        self._set_view(replace(self.good_view, **page_fields(self.view)))

    def add_notice(self, problem: str) -> None:
        """Add a message of one sentence, unless it is there already."""
        if problem not in self.notices:
            self.notices.append(problem)

    @contextmanager
    def page_run(self, opened: Path | None) -> Iterator[None]:
        """Enclose one run of the page: follow the address if the reader changed it, and view_params the view's at the end."""
        self._begin(opened)
        self._running = True
        limit = INPUT_LIMIT.set(self.input_limit)
        try:
            yield
        finally:
            INPUT_LIMIT.reset(limit)
            self._running = False
            self._set_view(self.view)

    def _begin(self, opened: Path | None) -> None:
        self.language_views = {}
        pieces = st.query_params.to_dict()
        address = normalized_query(pieces)
        first = not self._written
        if first:
            self.startup_file, self.runs_folder, self.lessons_folder, self.startup_index = sort_named(opened)
            self.first_visit = opened is None and not pieces.keys() - {"lang"}
        # A change of page empties the address, so an empty one requests nothing. The browser sends the address as it was when
        # it requested this run: one that the app wrote may come late, and is the reader's only by back and forward.
        context = get_script_run_ctx(suppress_warning=True)
        came_back = context is not None and context.is_history_navigation
        if first or (pieces and (came_back or address not in self._written)):
            self._follow(pieces, address)
        elif self._had_address and not pieces:  # the player of another page may be at another step
            self.revisions.add()
        self._had_address = bool(pieces)

    def _follow(self, pieces: dict[str, str], address: str) -> None:
        wanted = pieces.get("lang", "")
        lang = wanted if wanted in i18n.LANGUAGES else self.view.lang or i18n.match_locale(st.context.locale)
        self.view = replace(self.view, lang=lang)  # the language of the messages below
        shown = self.view.panel
        view, problems = parse_view(pieces, self.good_view)
        # a page opened from a lesson begins at its top, where the way back is
        self.panel_turn += view.panel != shown and view.lesson is None
        self.view = replace(view, lang=lang)
        self.link_options = parse_options(view.look)
        self.rejected = self.awaited = self._panel_before = None
        if len(text := pieces.get("text", "")) > MAX_TEXT:  # not shown, but it can be shortened
            self.rejected = replace(view, text=text)
        self.revisions.add()
        self.notices[:] = problems
        self._remember(address)

    def _remember(self, address: str) -> None:
        if address not in list(self._written)[-1:]:
            self._written.append(address)

    def _set_view(self, view: View) -> None:
        self.view = view
        if self._running or self.keeps_address:  # one run, in which it may change again, is one entry in the history
            return
        if self.awaited is not None:
            view = replace(self.awaited, **page_fields(view))
        address = query_string(view)
        changed = bool(self._written) and self._written[-1] != address  # what the browser sent may be older
        self._remember(address)
        if changed or normalized_query(st.query_params.to_dict()) != address:
            st.query_params.from_dict(view_params(view))


_current: ContextVar[Session | None] = ContextVar(KEY, default=None)  # a thread runs pages of one session


def get_session() -> Session:
    """Return this reader's session."""
    session = _current.get() or st.session_state.get(KEY)
    if session is None:
        session = st.session_state[KEY] = Session()
    if get_script_run_ctx(suppress_warning=True) is not None:
        _current.set(session)
    return session


def _language() -> str | None:
    session = _current.get()  # called at each string: a single lookup
    if session is None and get_script_run_ctx(suppress_warning=True) is not None:
        session = st.session_state.get(KEY)
    return None if session is None else session.view.lang


i18n.set_language_source(_language)

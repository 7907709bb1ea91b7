"""What one reader's session holds: one object, in one place.

    session = get_session()
    session.view.net                      # what is being looked at
    session.navigate(net="counter", step=None)  # the reader asked for something else
    session.fill_defaults(step=12)               # the page filled in what was not chosen
    session.apply_report(revision, step=13)      # the player in the browser moved by itself
    session.reject(_("..."))              # it cannot be shown: say so, and stay at the last good view
    session.mark_good()                        # it was shown: this is the last good view now

Whatever changes the view is mirrored in the address.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from models.core.undo_history import History
from models.edits.edit import Edits
from models.edits.edit_syntax import read_edits, write_edits
from viz import i18n
from viz.address import View, parse, query, write
from viz.view_options import in_another_text, read_look, write_look

KEY = "unrolled"
REMEMBERED = 50
"""Addresses of our own which are still known as such when the browser sends them late."""

LISTED = 12
"""Opened networks that one reader's list holds."""


@dataclass
class Session:
    """One reader's state.

    view: what is to be shown.
    good_view: the last view which could be shown.
    revision: raised whenever Python, not the player in the browser, changes what is to be shown; the
        player follows a revision newer than the last one it followed.
    notices: problems to tell the reader, one sentence each; they stand until the reader goes on.
    startup_file: the file named on the command line, if any and if it could be opened.
    opened_networks: the names of the networks of checkpoints that this reader opened, the last one first.
    rejected: the view that was asked for last and could not be shown, until another is asked for; what was
        typed can so be mended.
    edit_history: the edits as they are, were and would be again.
    drag: which drag of which slider changed the edits last; None where it was something else.
    attention_dragging: whether the last change of the attention was one of a slider's.
    slider_generation: how often the edits were changed by anything but a slider: each time, the sliders are new ones.
    attention_history: the changes of the attention as they are, were and would be again, each as the address has them.
    """

    view: View = field(default_factory=View)
    good_view: View = field(default_factory=View)
    revision: int = 0
    notices: list[str] = field(default_factory=list)
    startup_file: Path | None = None
    opened_networks: list[str] = field(default_factory=list)
    rejected: View | None = None
    edit_history: History[Edits] = field(default_factory=lambda: History(Edits()))
    drag: str | None = None
    attention_dragging: bool = False
    slider_generation: int = 0
    attention_history: History[str] = field(default_factory=lambda: History(""))
    _written: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _running: bool = False

    def navigate(self, **changes: Any) -> None:
        """Show something else, as the reader asked; `changes` are fields of `View`."""
        self._change(**changes)

    def set_text(self, text: str) -> None:
        """Show what the reader typed into the text box, which stays as it is."""
        self._change(text=text, step=None)

    def _change(self, **changes: Any) -> None:
        self.notices.clear()
        self.rejected = None
        self.revision += 1
        if "text" in changes and changes["text"] != self.view.text:
            changes = {"look": in_another_text(self.view.look)} | changes
        self._set_view(replace(self.view, **changes))

    @property
    def view_options(self) -> dict[str, str]:
        """What was chosen of the pictures, by name (``viz.view_options``)."""
        return read_look(self.view.look)

    def set_view_options(self, **choices: str | None) -> None:
        """Choose something of the pictures; None leaves it to the page again."""
        self.notices.clear()
        kept = {name: value for name, value in (self.view_options | choices).items() if value is not None}
        self._set_view(replace(self.view, look=write_look(kept)))

    def fill_defaults(self, **changes: Any) -> None:
        """Fill in what was not chosen, or what cannot be: same revision, nothing for the player to follow."""
        self._set_view(replace(self.view, **changes))

    def remember_network(self, name: str, instead: str | None = None) -> None:
        """Keep the name of an opened network at the head of this reader's list, in the place of another's."""
        self.opened_networks = [name, *(each for each in self.opened_networks if each not in (name, instead))][:LISTED]

    def set_edits(self, edits: Edits) -> None:
        """Show the network with these edits."""
        self._set_edit_history(self.edit_history_of(self.view.edits).then(edits))

    def drag_edits(self, edits: Edits, drag: str, *, rested: bool) -> None:
        """Show the network with one of many edits while a slider is dragged; undo goes back to before the first of them.

        Args:
            edits: all of them.
            drag: which drag it is; another one is another change.
            rested: whether the slider stands still; until then the address is not written.
        """
        now = self.edit_history_of(self.view.edits)
        self.edit_history = now.amend(edits) if self.drag == drag else now.then(edits)
        self.drag = drag
        self.notices.clear()
        self.view = replace(self.view, edits=write_edits(edits))
        if rested:
            self._set_view(self.view)

    def undo(self) -> None:
        """One change of the edits back."""
        self._set_edit_history(self.edit_history_of(self.view.edits).undo())

    def redo(self) -> None:
        """One undone change on."""
        self._set_edit_history(self.edit_history_of(self.view.edits).redo())

    def edit_history_of(self, edits: str) -> History[Edits]:
        """The changes up to ``edits``: another list than the last, as from a link, is one change more."""
        if write_edits(self.edit_history.now) != edits:
            self.edit_history = self.edit_history.then(read_edits(edits))
            self.drag = None
        return self.edit_history

    def set_attention_edits(self, changes: str, *, live: bool = False) -> None:
        """Show the output with these changes of the attention; ``live`` as of ``edit``."""
        now = self.attention_history_of(self.view.attend)
        self._set_attention_history(
            now.amend(changes) if live and self.attention_dragging else now.then(changes), live=live
        )

    def step_attention_history(self, *, undo: bool) -> None:
        """One change of the attention back, or one undone change on."""
        now = self.attention_history_of(self.view.attend)
        self._set_attention_history(now.undo() if undo else now.redo())

    def attention_history_of(self, changes: str) -> History[str]:
        """The changes of the attention up to ``changes``: others than the last, as from a link, begin anew."""
        if self.attention_history.now != changes:
            self.attention_history, self.attention_dragging = History(changes), False
        return self.attention_history

    def _set_attention_history(self, history: History[str], *, live: bool = False) -> None:
        self.attention_history, self.attention_dragging = history, live
        self.slider_generation += not live
        self._change(attend=history.now)

    def _set_edit_history(self, history: History[Edits]) -> None:
        self.edit_history, self.drag = history, None
        self.slider_generation += 1
        self._change(edits=write_edits(history.now))

    def apply_report(self, revision: int, **changes: Any) -> bool:
        """Take what the player reports; False and nothing changed if it speaks of an older revision."""
        if revision < self.revision:
            return False
        view = replace(self.view, **changes)
        if view != self.view:
            self.notices.clear()
            self._set_view(view)
        return True

    def mark_good(self) -> None:
        """The view could be shown: it is the one to return to."""
        self.good_view = self.view

    def reject(self, problem: str) -> None:
        """The view cannot be shown: say why, in one sentence, and return to the last good one."""
        self.revision += 1
        self.rejected = self.view
        self.add_notice(problem)
        self._set_view(replace(self.good_view, lang=self.view.lang))

    def add_notice(self, problem: str) -> None:
        """Tell the reader one sentence, once."""
        if problem not in self.notices:
            self.notices.append(problem)

    @contextmanager
    def page_run(self, opened: Path | None) -> Iterator[None]:
        """One run of the page: take the address if the reader changed it, and at the end write the view's."""
        self._begin(opened)
        self._running = True
        try:
            yield
        finally:
            self._running = False
            self._set_view(self.view)

    def _begin(self, opened: Path | None) -> None:
        pieces = st.query_params.to_dict()
        address = query_of(pieces)
        first = not self._written
        if first:
            self.startup_file = opened
        # An empty address says nothing: a change of page empties it. The browser sends the address as it was
        # when it asked for this run, so one of our own may come late; it is the reader's wish only when it
        # came by the browser's back and forward.
        if first or (pieces and (_came_back() or address not in self._written)):
            self._take(pieces, address)

    def _take(self, pieces: dict[str, str], address: str) -> None:
        wanted = pieces.get("lang", "")
        lang = wanted if wanted in i18n.LANGUAGES else self.view.lang or i18n.match_locale(st.context.locale)
        self.view = replace(self.view, lang=lang)  # the problems below are told in this language
        view, problems = parse(pieces, self.good_view)
        self.view = replace(view, lang=lang)
        self.rejected = None
        self.revision += 1
        self.notices[:] = problems
        self._remember(address)

    def _remember(self, address: str) -> None:
        if not self._written or self._written[-1] != address:
            self._written.append(address)

    def _set_view(self, view: View) -> None:
        self.view = view
        if self._running:  # the view may change again: one run is one entry in the browser's history
            return
        address = query(view)
        # What the browser sent may be older than what it was told since.
        changed = bool(self._written) and self._written[-1] != address
        self._remember(address)
        if changed or query_of(st.query_params.to_dict()) != address:
            st.query_params.from_dict(write(view))


def get_session() -> Session:
    """This reader's session."""
    held: Session | None = st.session_state.get(KEY)
    if held is None:
        held = st.session_state[KEY] = Session()
    return held


def query_of(pieces: dict[str, str]) -> str:
    """An address's own pieces, in the form and order of `query`."""
    view, problems = parse(pieces)
    # What cannot be read is never ours: it must not look like an address that we wrote.
    return query(view) if not problems else repr(sorted(pieces.items()))


def _came_back() -> bool:
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation


def _language() -> str | None:
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    held: Session | None = st.session_state.get(KEY)  # at each string: one look
    return None if held is None else held.view.lang


i18n.set_language_source(_language)

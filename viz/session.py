"""What one reader's session holds: one object, in one place.

    here = session()
    here.view.net                      # what is being looked at
    here.go(net="counter", step=None)  # the reader asked for something else
    here.settle(step=12)               # the page filled in what was not chosen
    here.heard(revision, step=13)      # the player in the browser moved by itself
    here.refuse(_("..."))              # it cannot be shown: say so, and stay at the last good view
    here.keep()                        # it was shown: this is the last good view now

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
    good: the last view which could be shown.
    revision: raised whenever Python, not the player in the browser, changes what is to be shown; the
        player follows a revision newer than the last one it followed.
    notices: problems to tell the reader, one sentence each; they stand until the reader goes on.
    opened: the file named on the command line, if any and if it could be opened.
    files: the names of the networks of checkpoints that this reader opened, the last one first.
    refused: the view that was asked for last and could not be shown, until another is asked for; what was
        typed can so be mended.
    history: the edits as they are, were and would be again.
    drag: which drag of which slider changed the edits last; None where it was something else.
    dragging: whether the last change of the attention was one of a slider's.
    turns: how often the edits were changed by anything but a slider: each time, the sliders are new ones.
    attended: the changes of the attention as they are, were and would be again, each as the address has them.
    """

    view: View = field(default_factory=View)
    good: View = field(default_factory=View)
    revision: int = 0
    notices: list[str] = field(default_factory=list)
    opened: Path | None = None
    files: list[str] = field(default_factory=list)
    refused: View | None = None
    history: History[Edits] = field(default_factory=lambda: History(Edits()))
    drag: str | None = None
    dragging: bool = False
    turns: int = 0
    attended: History[str] = field(default_factory=lambda: History(""))
    _written: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _running: bool = False

    def go(self, **changes: Any) -> None:
        """Show something else, as the reader asked; `changes` are fields of `View`."""
        self._ask(**changes)

    def type(self, text: str) -> None:
        """Show what the reader typed into the text box, which stays as it is."""
        self._ask(text=text, step=None)

    def _ask(self, **changes: Any) -> None:
        self.notices.clear()
        self.refused = None
        self.revision += 1
        if "text" in changes and changes["text"] != self.view.text:
            changes = {"look": in_another_text(self.view.look)} | changes
        self._look(replace(self.view, **changes))

    @property
    def look(self) -> dict[str, str]:
        """What was chosen of the pictures, by name (``viz.view_options``)."""
        return read_look(self.view.look)

    def choose(self, **choices: str | None) -> None:
        """Choose something of the pictures; None leaves it to the page again."""
        self.notices.clear()
        kept = {name: value for name, value in (self.look | choices).items() if value is not None}
        self._look(replace(self.view, look=write_look(kept)))

    def settle(self, **changes: Any) -> None:
        """Fill in what was not chosen, or what cannot be: same revision, nothing for the player to follow."""
        self._look(replace(self.view, **changes))

    def hold(self, name: str, instead: str | None = None) -> None:
        """Keep the name of an opened network at the head of this reader's list, in the place of another's."""
        self.files = [name, *(each for each in self.files if each not in (name, instead))][:LISTED]

    def edit(self, edits: Edits) -> None:
        """Show the network with these edits."""
        self._step(self.history_of(self.view.edits).then(edits))

    def turn(self, edits: Edits, drag: str, *, rested: bool) -> None:
        """Show the network with one of many edits while a slider is dragged; undo goes back to before the first of them.

        Args:
            edits: all of them.
            drag: which drag it is; another one is another change.
            rested: whether the slider stands still; until then the address is not written.
        """
        now = self.history_of(self.view.edits)
        self.history = now.amend(edits) if self.drag == drag else now.then(edits)
        self.drag = drag
        self.notices.clear()
        self.view = replace(self.view, edits=write_edits(edits))
        if rested:
            self._look(self.view)

    def undo(self) -> None:
        """One change of the edits back."""
        self._step(self.history_of(self.view.edits).undo())

    def redo(self) -> None:
        """One undone change on."""
        self._step(self.history_of(self.view.edits).redo())

    def history_of(self, edits: str) -> History[Edits]:
        """The changes up to ``edits``: another list than the last, as from a link, is one change more."""
        if write_edits(self.history.now) != edits:
            self.history = self.history.then(read_edits(edits))
            self.drag = None
        return self.history

    def attend(self, changes: str, *, live: bool = False) -> None:
        """Show the output with these changes of the attention; ``live`` as of ``edit``."""
        now = self.attended_to(self.view.attend)
        self._attend(now.amend(changes) if live and self.dragging else now.then(changes), live=live)

    def attend_again(self, *, undo: bool) -> None:
        """One change of the attention back, or one undone change on."""
        now = self.attended_to(self.view.attend)
        self._attend(now.undo() if undo else now.redo())

    def attended_to(self, changes: str) -> History[str]:
        """The changes of the attention up to ``changes``: others than the last, as from a link, begin anew."""
        if self.attended.now != changes:
            self.attended, self.dragging = History(changes), False
        return self.attended

    def _attend(self, history: History[str], *, live: bool = False) -> None:
        self.attended, self.dragging = history, live
        self.turns += not live
        self._ask(attend=history.now)

    def _step(self, history: History[Edits]) -> None:
        self.history, self.drag = history, None
        self.turns += 1
        self._ask(edits=write_edits(history.now))

    def heard(self, revision: int, **changes: Any) -> bool:
        """Take what the player reports; False and nothing changed if it speaks of an older revision."""
        if revision < self.revision:
            return False
        view = replace(self.view, **changes)
        if view != self.view:
            self.notices.clear()
            self._look(view)
        return True

    def keep(self) -> None:
        """The view could be shown: it is the one to return to."""
        self.good = self.view

    def refuse(self, problem: str) -> None:
        """The view cannot be shown: say why, in one sentence, and return to the last good one."""
        self.revision += 1
        self.refused = self.view
        self.notice(problem)
        self._look(replace(self.good, lang=self.view.lang))

    def notice(self, problem: str) -> None:
        """Tell the reader one sentence, once."""
        if problem not in self.notices:
            self.notices.append(problem)

    @contextmanager
    def run(self, opened: Path | None) -> Iterator[None]:
        """One run of the page: take the address if the reader changed it, and at the end write the view's."""
        self._begin(opened)
        self._running = True
        try:
            yield
        finally:
            self._running = False
            self._look(self.view)

    def _begin(self, opened: Path | None) -> None:
        pieces = st.query_params.to_dict()
        here = query_of(pieces)
        first = not self._written
        if first:
            self.opened = opened
        # An empty address says nothing: a change of page empties it. The browser sends the address as it was
        # when it asked for this run, so one of our own may come late; it is the reader's wish only when it
        # came by the browser's back and forward.
        if first or (pieces and (_came_back() or here not in self._written)):
            self._take(pieces, here)

    def _take(self, pieces: dict[str, str], here: str) -> None:
        wanted = pieces.get("lang", "")
        lang = wanted if wanted in i18n.LANGUAGES else self.view.lang or i18n.best(st.context.locale)
        self.view = replace(self.view, lang=lang)  # the problems below are told in this language
        view, problems = parse(pieces, self.good)
        self.view = replace(view, lang=lang)
        self.refused = None
        self.revision += 1
        self.notices[:] = problems
        self._remember(here)

    def _remember(self, address: str) -> None:
        if not self._written or self._written[-1] != address:
            self._written.append(address)

    def _look(self, view: View) -> None:
        self.view = view
        if self._running:  # the view may change again: one run is one entry in the browser's history
            return
        address = query(view)
        # What the browser sent may be older than what it was told since.
        changed = bool(self._written) and self._written[-1] != address
        self._remember(address)
        if changed or query_of(st.query_params.to_dict()) != address:
            st.query_params.from_dict(write(view))


def session() -> Session:
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


i18n.ask(_language)

"""The pages, called lenses: each is a folder of this package and an entry of `LENSES`.

The module `NAME_page.py` of a folder has a function `page()`, which shows the controls, calls `models`, and draws figures
and components.
"""

import sys
from dataclasses import dataclass
from importlib import import_module

import streamlit as st

from viz import runtime
from viz.i18n import N_, _


@dataclass(frozen=True)
class Lens:
    """A page: its folder in this package (and name in the address) and its title."""

    name: str
    title: str

    def show(self) -> None:
        """Show the page; its module is loaded when it is first opened."""
        module = f"{__name__}.{self.name}.{self.name}_page"
        is_first = module not in sys.modules
        loaded = import_module(module)  # waits while another reader's run loads it
        if is_first:
            runtime.tune_after_import()
        loaded.page()

    def page(self, form: type[st.Page] = st.Page) -> st.Page:
        """Return the page for the navigation, or for a link to it."""
        return form(self.show, title=_(self.title), url_path=self.name, default=self is LENSES[0])


LENSES = (
    Lens("step", N_("Step")),
    Lens("states", N_("States")),
    Lens("gradients", N_("Gradients")),
    Lens("edit", N_("Edit")),
    Lens("attention", N_("Attention")),
    Lens("train", N_("Train")),
    Lens("layer", N_("Layer")),
    Lens("language", N_("Language")),
    Lens("search", N_("Search")),
    Lens("checkpoint", N_("Checkpoint")),
    Lens("lessons", N_("Lessons")),
    Lens("room", N_("Room")),
)
"""All pages in the order of the navigation. The first one has the root address."""

LESSONS, ROOM = "lessons", "room"
"""The page of the lessons, which shows panels of the others, and that of a class, which shows a lesson's notes."""


def find_lens(name: str) -> Lens:
    """Return the lens with a name, such as "step"."""
    return next(lens for lens in LENSES if lens.name == name)

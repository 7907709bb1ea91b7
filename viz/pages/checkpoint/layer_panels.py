"""Which layer of the file is looked at: that of the other lenses, wherever it runs there."""

from collections.abc import Sequence

import streamlit as st

from models.checkpoints.health.findings import Finding
from viz.i18n import _
from viz.pages.checkpoint.checkpoint_cache import Looked, Run
from viz.pages.synced_widget import shown
from viz.session import Session


def looked_layer(here: Session, looked: Looked, run: Run | None, found: Sequence[Finding] = ()) -> str | None:
    """The layer by its name in the file; the first that ``found`` calls broken where none was chosen, None without any."""
    names, runs = list(looked.checkpoint.found), run.names if run else {}
    held = st.session_state.get(_key(looked))
    if held in names and held not in runs:  # no other lens can show it, so the view does not hold it
        return held
    shown = next((name for name, ran in runs.items() if ran == here.view.layer), here.view.layer)
    return shown if shown in names else next(iter([*_broken(found, names), *runs, *names]), None)


def _broken(found: Sequence[Finding], names: list[str]) -> list[str]:
    broken = (each for finding in found if finding.severity == "broken" for each in finding.evidence)
    return [place for place in (each.where.partition(": ")[0] for each in broken) if place in names]


def pick_layer(here: Session, looked: Looked, run: Run | None, layer: str) -> None:
    """The menu of layers."""
    names = list(looked.checkpoint.found)

    def chosen(name: str) -> None:
        st.session_state[_key(looked)] = name
        if run and name in run.names:
            here.go(layer=run.names[name], unit=None, quantity=None)

    label = _("The layer that is looked at below")
    shown(st.selectbox, label, names, key="checkpoint_layer", value=layer, changed=chosen, begins="index")


def unit_of(here: Session, layer: str, run: Run | None) -> int | None:
    """The unit that is looked at on the other lenses, where it is one of this layer's."""
    return here.view.unit if run and run.names.get(layer) == here.view.layer else None


def _key(looked: Looked) -> str:
    return f"checkpoint_layer_{looked.net}"

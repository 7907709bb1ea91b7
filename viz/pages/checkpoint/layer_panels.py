"""Which layer of the file is looked at: that of the other lenses, wherever it runs there."""

from collections.abc import Sequence

import streamlit as st

from models.checkpoints.health.findings import Finding
from viz.i18n import _
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection, Run
from viz.pages.synced_widget import synced_widget
from viz.session import Session


def looked_layer(
    session: Session, selection: CheckpointSelection, run: Run | None, found: Sequence[Finding] = ()
) -> str | None:
    """The layer by its name in the file; the first that ``found`` calls broken where none was chosen, None without any."""
    names, runs = list(selection.checkpoint.found), run.names if run else {}
    held = st.session_state.get(_key(selection))
    if held in names and held not in runs:  # no other lens can show it, so the view does not hold it
        return held
    shown = next((name for name, ran in runs.items() if ran == session.view.layer), session.view.layer)
    return shown if shown in names else next(iter([*_broken(found, names), *runs, *names]), None)


def _broken(found: Sequence[Finding], names: list[str]) -> list[str]:
    broken = (each for finding in found if finding.severity == "broken" for each in finding.evidence)
    return [place for place in (each.where.partition(": ")[0] for each in broken) if place in names]


def pick_layer(session: Session, selection: CheckpointSelection, run: Run | None, layer: str) -> None:
    """The menu of layers."""
    names = list(selection.checkpoint.found)

    def chosen(name: str) -> None:
        st.session_state[_key(selection)] = name
        if run and name in run.names:
            session.navigate(layer=run.names[name], unit=None, quantity=None)

    label = _("Layer shown below")
    synced_widget(st.selectbox, label, names, key="checkpoint_layer", value=layer, changed=chosen, begins="index")


def unit_of(session: Session, layer: str, run: Run | None) -> int | None:
    """The unit that is looked at on the other lenses, where it is one of this layer's."""
    return session.view.unit if run and run.names.get(layer) == session.view.layer else None


def _key(selection: CheckpointSelection) -> str:
    return f"checkpoint_layer_{selection.net}"

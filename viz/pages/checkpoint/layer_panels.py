"""The selected layer and unit of the Checkpoint page, shared with the other pages if the layer runs there."""

from collections.abc import Sequence

import streamlit as st

from models.checkpoints.health.findings import Finding
from viz.escape import widget_key
from viz.i18n import _
from viz.pages.checkpoint.checkpoint_cache import CheckpointRun, CheckpointSelection
from viz.pages.synced_widget import synced_widget
from viz.session import Session


def selected_layer(
    session: Session, selection: CheckpointSelection, run: CheckpointRun | None, found: Sequence[Finding] = ()
) -> str | None:
    """Return the selected layer by its name in the file, None if the file has no layers.

    The default is the first layer that ``found`` lists as broken, else the first that runs."""
    names, runs = list(selection.checkpoint.found), run.names if run else {}
    stored = st.session_state.get(_key(selection))
    if stored in names and stored not in runs:  # it does not run, so the view cannot name it
        return stored
    shown = next((name for name, ran in runs.items() if ran == session.view.layer), session.view.layer)
    running = [name for name in runs if name in names]
    return shown if shown in names else next(iter([*_broken(found, names), *running, *names]), None)


def _broken(found: Sequence[Finding], names: list[str]) -> list[str]:
    broken = (each for finding in found if finding.severity == "broken" for each in finding.evidence)
    return [place for place in (each.where.partition(": ")[0] for each in broken) if place in names]


def layer_menu(session: Session, selection: CheckpointSelection, run: CheckpointRun | None, layer: str) -> None:
    """Show the menu of layers."""
    names = list(selection.checkpoint.found)

    def chosen(name: str) -> None:
        st.session_state[_key(selection)] = name
        if run and name in run.names:
            session.navigate(layer=run.names[name], unit=None, quantity=None)

    label = _("Layer shown below")
    synced_widget(
        st.selectbox, label, names, key="checkpoint_layer", value=layer, changed=chosen, initial_argument="index"
    )


def selected_unit(session: Session, layer: str, run: CheckpointRun | None) -> int | None:
    """Return the view's unit if it is of this layer, else None."""
    return session.view.unit if run and run.names.get(layer) == session.view.layer else None


def _key(selection: CheckpointSelection) -> str:
    return f"checkpoint_layer_{widget_key(selection.net)}"

"""The sentences beside the numbers of an opened file: what of it is not run, and what is only assumed."""

from collections.abc import Collection

import streamlit as st

from models.checkpoints.building.build import FILE_GRAPH, FUNCTIONS, GRAPH, READOUT
from models.checkpoints.layers.stacks import ARROW, assumed_settings
from models.networks.network import Network
from viz.escape import escape_markdown
from viz.i18n import _, ngettext
from viz.pages import checkpoint_store
from viz.pages.checkpoint.setting_names import setting_names

MAX_NAMES = 8
"""Names that a sentence lists; of more, the tensors of one module become one name, ``attention.*``."""


def left_out_sentences(network: Network, above_settings: bool = False) -> tuple[str, str]:
    """Return a sentence on what is not run and one on what is assumed, in Markdown; each is empty where there is nothing.

    Args:
        network: an opened file's, or a bundled one.
        above_settings: whether the controls that confirm an assumption are below the sentence, on the Checkpoint page.
    """
    words = _settings(network)
    settings = [name for name in network.left_out if name in words]
    assumed = [name for name in network.left_out if name == READOUT or ARROW in name or name in settings]
    missing = [name for name in network.left_out if name not in (*assumed, GRAPH, FUNCTIONS)]
    unexplained = _unexplained(network)
    inside = [name for name in missing if name in unexplained]
    kept = [name for name in missing if name in getattr(network.module, "kept_states", ())]
    opened = checkpoint_store.find(network.name)
    unapplied = [name for name in missing if opened is not None and name in opened.checkpoint.unapplied]
    missing = [name for name in missing if name not in (*inside, *kept, *unapplied)]
    first = second = ""
    if unapplied:
        first = _(
            "The file states settings of its recurrent layers that are not applied here: {names}. The gates and states below "
            "are not this network's own."
        ).format(names=", ".join(map(escape_markdown, unapplied)))
    if inside:
        first += " " + _(
            "The recurrent layers contain tensors that are not used here: {names}. The gates and states below are not this "
            "network's own."
        ).format(names=_listed(inside))
    if missing:
        first += " " + _(
            "Not run from this file: {names}. The numbers below are not this network's own output."
        ).format(names=_listed(missing))
    if GRAPH in network.left_out:
        first += " " + _(
            "Only the chosen layers run, not the network as the file describes it, so its own output may differ."
        )
    if network.layout is not None and network.layout.fixed:
        first += " " + _("This network has other inputs too, which are 0 here: {names}.").format(
            names=", ".join(map(escape_markdown, network.layout.fixed))
        )
    states = [name for name in assumed if name.partition(ARROW)[0] in _tensors(network)]
    if states:
        second += " " + _(
            "Assumed, as the file does not show it: the initial states are these tensors: {names}."
        ).format(names=", ".join(map(escape_markdown, states)))
    if settings:
        second += " " + _("Assumed, as the file does not show it: {what}.").format(
            what=", ".join(words[name] for name in settings)
        )
    connections = [escape_markdown(name) for name in assumed if name not in (READOUT, *states, *settings)]
    if connections:
        second += " " + _("Assumed, as the file does not show it: nothing comes between the layers {names}.").format(
            names=", ".join(connections)
        )
    if READOUT in assumed:
        second += " " + (
            _("Assumed, as the file does not show it: the class scores are computed from the last hidden state.")
            if network.card.predicts == "class"
            else _(
                "Assumed, as the file does not show it: the output layer is applied to the output of every time step."
            )
        )
    if second:
        second += " " + (
            _("Confirm or correct it below.") if above_settings else _("Confirm or correct it on the Checkpoint page.")
        )
    if kept:
        second += " " + _(
            "The network's code keeps {names} for its next call. Here each run starts from the values in the file, as the "
            "first call does."
        ).format(names=_listed(kept))
    cells = list(getattr(network.module, "unrecorded_cells", ()))
    if cells:
        second += " " + ngettext(
            "{names} is computed by code of its own, so its gates are not shown.",
            "{names} are computed by code of their own, so their gates are not shown.",
            len(cells),
        ).format(names=_listed(cells))
    return first.strip(), second.strip()


def _listed(names: list[str]) -> str:
    """Return names of tensors, in Markdown; of many, one name for those of one module."""
    if len(names) > MAX_NAMES:
        names = list(dict.fromkeys(f"{name.rpartition('.')[0]}.*" if "." in name else name for name in names))
    return ", ".join([escape_markdown(name) for name in names[:MAX_NAMES]] + (["…"] if len(names) > MAX_NAMES else []))


def _tensors(network: Network) -> Collection[str]:
    """Return the names of an opened file's tensors that belong to no layer."""
    opened = checkpoint_store.find(network.name)
    return () if opened is None else opened.checkpoint.stored.keys()


def _settings(network: Network) -> dict[str, str]:
    """Return the settings of layers that an opened file does not show, by their names in ``left_out``, in Markdown."""
    opened = checkpoint_store.find(network.name)
    found = {} if opened is None else opened.checkpoint.found
    return {
        name: f"{setting_names().get(setting, setting)} ({escape_markdown(layer)})"
        for layer, each in found.items()
        for setting, name in zip(each.assumed, assumed_settings(found, [layer]), strict=True)
    }


def _unexplained(network: Network) -> set[str]:
    """Return the names of an opened file's tensors that are in its layers, but not in their equations."""
    opened = checkpoint_store.find(network.name)
    return set() if opened is None else {name for each in opened.checkpoint.found.values() for name in each.unexplained}


def between_layers_sentence(name: str) -> str:
    """Return the sentence on what a file of tensors alone cannot show; empty for a network that is not from such a file."""
    opened = checkpoint_store.find(name)
    if opened is None or opened.checkpoint.graph is not None or opened.setup.stack == FILE_GRAPH:
        return ""
    return _(
        "A file of tensors alone does not show what happens between its layers: with residual connections or scaling, for "
        "example, the network's own output differs."
    )


def show_left_out(network: Network, above_settings: bool = False) -> None:
    """Show the sentences at the top of the numbers that they are about; the arguments are ``left_out_sentences``'s."""
    missing, assumed = left_out_sentences(network, above_settings)
    if missing:
        st.warning(missing, icon=":material/report:")
    if assumed:
        st.info(assumed, icon=":material/help:")
    between = between_layers_sentence(network.name)
    if between:
        st.caption(between)


def left_out_caption(network: Network) -> None:
    """Show the sentences beside a prediction."""
    text = " ".join(filter(None, (*left_out_sentences(network), between_layers_sentence(network.name))))
    if text:
        st.caption(text)

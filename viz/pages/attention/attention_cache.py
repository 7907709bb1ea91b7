"""What the Attention lens computes, kept for all sessions and never written to."""

from collections.abc import Mapping

import streamlit as st

from models.architectures.translator import Translator
from models.core.attention import AttentionTrace
from models.decoding import BeamTree, Contributions, Decoding, Intervention, beam_search, contributions, decode
from models.decoding.intervention_syntax import read_interventions
from models.edits.edit import Edits
from models.networks.network import Network
from models.zoo.catalogue import network_names
from viz.pages import cache
from viz.payloads.attention_payload import attention_payload

OFFERED, WITHOUT = "dates-additive", "dates-fixed"
"""The network with attention that is offered where there is none, and the one to compare with that has none."""

KEPT = 48
"""Results that are kept for all sessions together."""

SOON = 300
"""Symbols of a text up to which the contributions are computed without being asked for."""


def writes(name: str | None) -> bool:
    """Whether there is a network of that name that answers with a sequence."""
    return cache.is_network(name) and cache.network(name or "").card.predicts == "sequence"


def attends(name: str | None) -> bool:
    """Whether such a network has an attention."""
    return writes(name) and getattr(cache.network(name or "").module, "attention", True) is not None


def is_recurrent(name: str) -> bool:
    """Whether a network that writes has a recurrent encoder and decoder."""
    return isinstance(cache.network(name).module, Translator)


def translators() -> list[str]:
    """The bundled networks that answer with a sequence."""
    return [name for name in network_names() if writes(name)]


def network(name: str, edits: Edits = cache.NO_EDITS) -> Network:
    """A network, its weights as ``edits`` say; what edits do beside that is not done here."""
    alone = cache.weight_edits(edits)
    return cache.edited_network(name, alone).network if alone.entries else cache.network(name)


def changes_of(text: str) -> tuple[Intervention, ...]:
    """The changes that an address names. Raises Problem: it names something else."""
    return read_interventions(text, cache.network)


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def decoded(name: str, text: str, changes: str = "", edits: Edits = cache.NO_EDITS) -> Decoding:
    """What a network writes for a text. Raises Problem: it cannot be read, or a change does not fit."""
    return decode(network(name, edits), text, changes_of(changes))


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def contributed(name: str, text: str, changes: str = "", edits: Edits = cache.NO_EDITS) -> Contributions:
    """What each symbol of the text contributed to that."""
    return contributions(network(name, edits), text, decoded(name, text, changes, edits))


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def payload(
    view_id: str, name: str, text: str, changes: str, edits: Edits, layer: str, head: int, with_contributions: bool
) -> bytes:
    """One head of that for the browser."""
    found = contributed(name, text, changes, edits) if with_contributions else None
    return attention_payload(view_id, network(name, edits), decoded(name, text, changes, edits), found, layer, head)


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def searched(name: str, text: str, width: int, changes: str = "", edits: Edits = cache.NO_EDITS) -> BeamTree:
    """The beam search of a network's answer."""
    return beam_search(network(name, edits), text, width, changes_of(changes))


@st.cache_resource(show_spinner=False, max_entries=KEPT, hash_funcs=cache.HASH_FUNCS)
def heads(
    name: str, text: str, changes: str = "", edits: Edits = cache.NO_EDITS
) -> Mapping[str, Mapping[str, AttentionTrace]]:
    """Every attention of a Transformer: what reads the source itself, what is written, and the one from the other."""
    of = decoded(name, text, changes, edits)
    found: dict[str, dict[str, AttentionTrace]] = {"source": {}, "written": {}, "cross": dict(of.attention)}
    for each, attention in of.trace.attention.items():
        if each not in of.attention:
            found["source" if each.startswith("encoder") else "written"][each] = attention
    return found

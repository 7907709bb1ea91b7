"""Cached computations of the Attention page, shared by all sessions and read-only."""

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

DEFAULT_NETWORK, FIXED_CONTEXT_NETWORK = "dates-additive", "dates-fixed"
"""The network that is suggested if the selected one has no attention, and the one without attention for comparison."""

MAX_CACHED = 48
"""Results of each function that are cached for all sessions together."""

MAX_IMMEDIATE_SYMBOLS = 300
"""Symbols of a text up to which contributions are computed without a request."""


def is_sequence_to_sequence(name: str | None) -> bool:
    """Return whether a network has that name and outputs a sequence."""
    return cache.is_network(name) and cache.network(name or "").card.predicts == "sequence"


def has_attention(name: str | None) -> bool:
    """Return whether it is such a network and has attention."""
    return is_sequence_to_sequence(name) and getattr(cache.network(name or "").module, "attention", True) is not None


def is_recurrent_translator(name: str) -> bool:
    """Return whether a sequence-to-sequence network has a recurrent encoder and decoder."""
    return isinstance(cache.network(name).module, Translator)


def translator_names() -> list[str]:
    """Return the names of the bundled sequence-to-sequence networks."""
    return [name for name in network_names() if is_sequence_to_sequence(name)]


def weight_edited_network(name: str, edits: Edits = cache.NO_EDITS) -> Network:
    """Return a network with the weight edits among ``edits`` applied; other edits are ignored."""
    weights_only = cache.weight_edits(edits)
    return cache.edited_network(name, weights_only).network if weights_only.entries else cache.network(name)


def parse_interventions(text: str) -> tuple[Intervention, ...]:
    """Parse the interventions in an address. Raises Problem if one is not valid."""
    return read_interventions(text, cache.network)


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def cached_decoding(name: str, text: str, changes: str = "", edits: Edits = cache.NO_EDITS) -> Decoding:
    """Return the greedy output for a text. Raises Problem if the text or an intervention is not valid."""
    return decode(weight_edited_network(name, edits), text, parse_interventions(changes))


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def cached_contributions(name: str, text: str, changes: str = "", edits: Edits = cache.NO_EDITS) -> Contributions:
    """Return the contribution of each symbol of the text to that output."""
    return contributions(weight_edited_network(name, edits), text, cached_decoding(name, text, changes, edits))


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def head_payload(
    view_id: str, name: str, text: str, changes: str, edits: Edits, layer: str, head: int, with_contributions: bool
) -> bytes:
    """Return the payload of one attention head of that output."""
    found = cached_contributions(name, text, changes, edits) if with_contributions else None
    return attention_payload(
        view_id, weight_edited_network(name, edits), cached_decoding(name, text, changes, edits), found, layer, head
    )


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def cached_beam_search(name: str, text: str, width: int, changes: str = "", edits: Edits = cache.NO_EDITS) -> BeamTree:
    """Return the tree of a beam search for the output."""
    return beam_search(weight_edited_network(name, edits), text, width, parse_interventions(changes))


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED, hash_funcs=cache.HASH_FUNCS)
def attention_by_source(
    name: str, text: str, changes: str = "", edits: Edits = cache.NO_EDITS
) -> Mapping[str, Mapping[str, AttentionTrace]]:
    """Return a Transformer's attention: encoder self-attention "source", decoder self-attention "written", and "cross"."""
    of = cached_decoding(name, text, changes, edits)
    found: dict[str, dict[str, AttentionTrace]] = {"source": {}, "written": {}, "cross": dict(of.attention)}
    for each, attention in of.trace.attention.items():
        if each not in of.attention:
            found["source" if each.startswith("encoder") else "written"][each] = attention
    return found

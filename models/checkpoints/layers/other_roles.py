"""Names of the tensors that belong to other layers, and of networks without an RNN, LSTM or GRU.

A shape alone does not make a layer of tensors whose names say what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

RECURRENT_NAME = re.compile(
    r"(^|[^a-z])rec(?!ep)|recurr|hid(?!den_?(2|to)_?(?!hid))|hh|h_?(2|to)_?h|hgates|state|(^|[^a-z])u([^a-z]|$)|"
    r"w_?h([^a-z]|$)|w_?h[a-z]([^a-z]|$)",
    re.IGNORECASE,
)
"""Usual names of recurrent matrices; a square matrix counts as one only if its name matches."""

OTHER_MODULE = re.compile(
    r"att(n|ention)|(^|[._/])att[._/]|qkv|in_proj|quer(y|ies)|receptance|proj|emb|wte|wpe|lookup|norm|conv|time_mix|"
    r"(^|[._/])(mlp|ffn?|feed_?forward|mixer|experts?|moe)([._/\d]|$)",
    re.IGNORECASE,
)
"""Names of attention, whose three projections have the shape of a GRU, of feed-forward blocks, embeddings, norms and
convolutions."""

OTHER_TENSOR = re.compile(
    r"(^|[._/])(key|value|fc\d*|c_fc|lin(ear)?\d*|dense\d*|out(put)?\d*|head|decoder|classifier|logits?|generator|"
    r"readout|ln(_?\w)?|time_decay)([._/:](weight|bias|kernel|w|b|vars/\d)(:0)?)?$",
    re.IGNORECASE,
)
"""Names of plain and output layers: of a tensor or of its own module."""

MULTIPLICATIVE = re.compile(
    r"(?P<cell>(.*[._/])?)w(eight)?_?((?P<input>m_?(x|ih)|[xi]m)|m_?hh?|hm)(?P<level>_l\d+(_reverse)?)?([._/:].*|$)",
    re.DOTALL,
)
"""A name of the two matrices that only a multiplicative LSTM has, of the input and of the hidden state: ``wmx``, ``w_mhh``,
``weight_mih_l0``, ``weight_xm``, ``weight_hm``. The path of its cell is the group ``cell``."""

FAMILIES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern, re.IGNORECASE))
    for family, pattern in (
        ("RWKV", r"time_(decay|first|mix)|receptance"),
        ("xLSTM", r"[ms]lstm"),
        ("multiplicative LSTM", f"^{MULTIPLICATIVE.pattern}"),
        ("SRU", r"(^|[._/])srus?([._/]|$)|rnn_lst\.\d"),
        ("QRNN", r"qrnn|(^|[._/])layers\.\d+\.linear\.weight_raw"),
        ("Mamba", r"A_log$|mixer\.(x_proj|dt_proj)|ssm"),
        ("ConvLSTM", r"conv_?(lstm|gru|rnn)|cell(_list)?\.\d+\.conv"),
        (
            "Transformer",
            r"self_attn|attn|attention|(^|[._/])(transformer|blocks?|layers?)[._/]\d+[._/].*(mlp|ffn|feed_forward)",
        ),
    )
)
"""Networks and layers that no RNN, LSTM or GRU computes, by patterns of their tensors' names."""


def has_other_role(name: str) -> bool:
    """Return whether a tensor's name is that of another layer's, and not of a recurrent matrix."""
    return bool(OTHER_MODULE.search(name) or OTHER_TENSOR.search(name)) and not RECURRENT_NAME.search(name)


def family_of(names: Iterable[str]) -> str | None:
    """Return the kind of network that the names of a file's tensors are known from, None if they are of no such kind."""
    listed = list(names)
    return next((family for family, pattern in FAMILIES if any(map(pattern.search, listed))), None)


def multiplicative_cells(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the cells that have both matrices that only a multiplicative LSTM has: their names by the cell's path."""
    matrices: dict[str, dict[str, bool]] = {}
    for name in names:
        if match := MULTIPLICATIVE.fullmatch(name):
            matrices.setdefault(match["cell"], {})[name] = match["input"] is not None
    return {cell: tuple(found) for cell, found in matrices.items() if len(set(found.values())) == 2}

"""The Attention lens without a server: which source tokens the decoder attends to, step by step."""

from dataclasses import replace
from functools import partial
from typing import Any

from models.architectures.translator import Translator
from models.core.messages import Problem
from models.decoding import Decoding, contributions, decode
from models.networks.network import Network
from viz.address import MAX_TEXT, View
from viz.components.attention_alignment import ATTENTION_ALIGNMENT, attention_alignment_data
from viz.components.attention_formulas import ATTENTION_FORMULAS, attention_formulas_data
from viz.components.decoder_view import DECODER_VIEW, decoder_view_data
from viz.components.token_contributions import TOKEN_CONTRIBUTIONS, token_contributions_data
from viz.escape import printable
from viz.i18n import _, language
from viz.panel_texts.attention_texts import (
    alignment_text,
    attention_formulas_text,
    contributions_text,
    decoder_text,
    explanation_note,
)
from viz.payloads.attention_payload import attention_payload
from viz.payloads.binary_payload import unpack
from viz.show.check_arguments import checked_index
from viz.show.shown_view import ShownPanel, ShownView, ViewContent
from viz.unknown_text import unknown_text

MAX_DIFFERENTIATED = 300
"""Source tokens up to which their contributions are computed, by one backward pass for each output token."""


def attention_view(network: Network, text: str, view_id: str, chosen: dict[str, Any], *, bundled: bool) -> ShownView:
    """Return the view of one attention head of a network that generates a sequence.

    Args:
        network: the network.
        text: its input.
        view_id: the browser's store.
        chosen: "layer", the module of the attention; "unit", the head of a Transformer; "step", of the output.
        bundled: whether the app has the network under its name.

    Raises:
        Problem: the network has no attention, or not this module, head or step.
    """
    if network.card.predicts != "sequence":
        raise Problem("{name} has no attention. Choose a network that generates a sequence.", name=network.titled_name)
    decoding = decode(network, text)
    if not decoding.attention:
        raise Problem("{name} has no attention. Choose a network that generates a sequence.", name=network.titled_name)
    names = list(decoding.attention)
    name = names[0] if chosen.get("layer") is None else chosen["layer"]
    if name not in names:
        raise Problem("There is no layer “{name}”. Choose one of these: {names}.", name=name, names=", ".join(names))
    heads, steps = decoding.attention[name].shape[1], len(decoding.symbols)
    head, step = (
        0 if chosen.get(what) is None else checked_index(what, chosen[what], 0, count)
        for what, count in (("unit", heads), ("step", steps))
    )
    is_short = len(decoding.source) <= MAX_DIFFERENTIATED
    found = contributions(network, text, decoding) if is_short else None
    address = None
    if bundled and len(text) <= MAX_TEXT:
        address = View(net=network.card.name, text=text)
        address = address if isinstance(network.module, Translator) else replace(address, layer=name, unit=head)
    payload = attention_payload(view_id, network, decoding, found, name, head)
    return decoding_view(network, text, decoding, view_id, payload, step=step, address=address)


def decoding_view(
    network: Network,
    text: str,
    decoding: Decoding,
    view_id: str,
    payload: bytes,
    *,
    step: int,
    address: View | None,
    note: str = "",
) -> ShownView:
    """Return the view of a decoded output.

    Args:
        network, text, decoding: the network, its input and its output.
        view_id: the browser's store.
        payload: of `attention_payload`.
        step: of the output, shown first.
        address: the view in the app; None where the app cannot open it by a link.
        note: a sentence on what was changed, or "".
    """
    with_contributions = "contribution_value" in unpack(payload)[0]["arrays"]
    return ShownView(
        view_id,
        "attention",
        {"step": step},
        (payload,),
        partial(_content, network, text, decoding, view_id, step, with_contributions, note),
        {"step": len(decoding.symbols), "unit": len(decoding.source)},
        address=address,
        link_fields=("step",),
    )


def _content(
    network: Network, text: str, decoding: Decoding, view_id: str, step: int, with_contributions: bool, note: str
) -> ViewContent:
    view = {"step": step, "source": None, "revision": 1}
    panels = [
        ShownPanel("decoder", decoder_text(), DECODER_VIEW, decoder_view_data(view_id, view=view)),
        ShownPanel(
            "attention_formulas",
            attention_formulas_text(),
            ATTENTION_FORMULAS,
            attention_formulas_data(view_id, cell="GRU"),
        ),
        ShownPanel("alignment", alignment_text(), ATTENTION_ALIGNMENT, attention_alignment_data(view_id)),
    ]
    if with_contributions:
        data = token_contributions_data(view_id)
        panels.append(
            ShownPanel(
                "token_contributions", contributions_text(), TOKEN_CONTRIBUTIONS, data, notes=(explanation_note(),)
            )
        )
    notes = note, unknown_text(decoding.unknown)
    name = network.card.title[language()]
    sentence = _("The network “{name}” generates {answer} for the input “{text}”.").format(
        name=name, answer=f"“{printable(decoding.answer) or '∅'}”", text=printable(text)
    )
    return ViewContent(f"{name} · {_('Attention')}", sentence, tuple(panels), notes=tuple(filter(None, notes)))

"""What is in the file: its layers, its other tensors, and what it says of itself."""

import streamlit as st

from models.checkpoints import Checkpoint
from models.checkpoints.contents import FoundLayer
from models.checkpoints.stacks import units_of
from viz.i18n import _, ngettext
from viz.pages.checkpoint_correct import assumed_names, correct
from viz.pages.checkpoint_sources import Looked
from viz.session import Session


def facts(looked: Looked) -> str:
    """The file in one line."""
    checkpoint = looked.checkpoint
    kinds = {layer.kind: sum(each.kind == layer.kind for each in checkpoint.found.values())
             for layer in checkpoint.found.values()}  # fmt: skip
    layers = [ngettext("{n} {kind} layer", "{n} {kind} layers", n).format(n=n, kind=kind) for kind, n in kinds.items()]
    return " · ".join(
        [
            checkpoint.format,
            bytes_of(looked.size),
            ", ".join(layers) or _("no recurrent layer"),
            _("{n} numbers").format(n=f"{numbers(checkpoint):,}"),
        ]
    )


def contents(here: Session, looked: Looked) -> None:
    """The layers, what the file leaves open of them, the other tensors, and what it says of itself."""
    checkpoint = looked.checkpoint
    if checkpoint.found:
        st.dataframe([_row(name, layer) for name, layer in checkpoint.found.items()], hide_index=True)
    else:
        st.markdown(_("No recurrent layer was found in this file, neither by name nor by shape."))
    if looked.opened is not None:
        correct(here, looked.opened)
    others, said = st.columns([3, 2], gap="medium")
    with others:
        count = len(checkpoint.stored)
        st.markdown("**" + ngettext("{n} other tensor", "{n} other tensors", count).format(n=f"{count:,}") + "**")
        if count:
            st.dataframe(
                [
                    {_("name"): name, _("size"): " × ".join(map(str, stored.shape)) or "1", _("type"): stored.dtype}
                    for name, stored in checkpoint.stored.items()
                ],
                hide_index=True,
                height=min(38 + 35 * count, 250),
            )
    with said:
        st.markdown("**" + _("What the file says of itself") + "**")
        if checkpoint.provenance:
            st.dataframe(
                [{_("name"): name, _("value"): value} for name, value in checkpoint.provenance.items()], hide_index=True
            )
        else:
            st.markdown(_("Nothing: neither who wrote it, nor when, nor with what."))


def numbers(checkpoint: Checkpoint) -> int:
    """How many numbers the file holds that can have been trained."""
    others = sum(stored.size for stored in checkpoint.stored.values() if stored.is_float)
    return others + sum(map(_numbers_of, checkpoint.found.values()))


def _numbers_of(layer: FoundLayer) -> int:
    held = sum(stored.size for stored in layer.parts.values())
    # a file with one bias for both: the other is zeros that it does not hold
    absent = len(layer.sources) < len(layer.parts) and "bias_hh" in layer.parts
    return held - (layer.parts["bias_hh"].size if absent else 0)


def _row(name: str, layer: FoundLayer) -> dict[str, str]:
    names = assumed_names()
    open_ = ", ".join(names.get(each, each) for each in layer.assumed)
    return {
        _("layer"): name,
        _("cell"): layer.kind,
        _("units"): f"{units_of(layer):,}",
        _("inputs"): f"{layer.parts['weight_ih'].shape[1]:,}",
        _("numbers"): f"{_numbers_of(layer):,}",
        _("type"): layer.parts["weight_hh"].dtype,
        _("how sure"): _("by name")
        if layer.certainty == 1
        else _("{share} by shape").format(share=f"{layer.certainty:.0%}"),
        _("assumed"): open_ or "–",
    }


def bytes_of(size: int) -> str:
    """A size as people write it: 1.2 MB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return ngettext("{n} byte", "{n} bytes", size).format(n=size)

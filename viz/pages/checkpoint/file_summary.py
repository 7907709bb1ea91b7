"""A file in one line, and how many numbers it holds."""

from models.checkpoints import Checkpoint
from models.checkpoints.parsing.contents import FoundLayer
from viz.i18n import _, ngettext
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection


def facts(selection: CheckpointSelection) -> str:
    """The file in one line."""
    checkpoint = selection.checkpoint
    kinds = {layer.kind: sum(each.kind == layer.kind for each in checkpoint.found.values())
             for layer in checkpoint.found.values()}  # fmt: skip
    layers = [ngettext("{n} {kind} layer", "{n} {kind} layers", n).format(n=n, kind=kind) for kind, n in kinds.items()]
    return " · ".join(
        [
            checkpoint.format,
            bytes_of(selection.size),
            ", ".join(layers) or _("no recurrent layer"),
            _("{n} parameters").format(n=f"{numbers(checkpoint):,}"),
        ]
    )


def numbers(checkpoint: Checkpoint) -> int:
    """How many numbers the file holds that can have been trained."""
    others = sum(stored.size for stored in checkpoint.stored.values() if stored.is_float)
    return others + sum(map(numbers_of, checkpoint.found.values()))


def numbers_of(layer: FoundLayer) -> int:
    """How many numbers the file holds of a layer."""
    return sum(stored.size for stored in layer.parts.values() if stored.in_file)


def bytes_of(size: int) -> str:
    """A size as people write it: 1.2 MB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return ngettext("{n} byte", "{n} bytes", size).format(n=size)

"""One-line summary of a file, and its number of parameters."""

from models.checkpoints import Checkpoint
from models.checkpoints.parsing.contents import FoundLayer
from viz.i18n import _, ngettext
from viz.pages.checkpoint.checkpoint_cache import CheckpointSelection


def file_summary(selection: CheckpointSelection) -> str:
    """Return a one-line summary: format, size, layers, parameters."""
    checkpoint = selection.checkpoint
    kinds = {layer.kind: sum(each.kind == layer.kind for each in checkpoint.found.values())
             for layer in checkpoint.found.values()}  # fmt: skip
    layers = [ngettext("{n} {kind} layer", "{n} {kind} layers", n).format(n=n, kind=kind) for kind, n in kinds.items()]
    return " · ".join(
        [
            (selection.opened or selection).checkpoint.format,  # an edited file keeps its own format
            format_bytes(selection.size),
            ", ".join(layers) or _("no recurrent layer"),
            _parameters(parameter_count(checkpoint)),
        ]
    )


def parameter_count(checkpoint: Checkpoint) -> int:
    """Return the number of parameters in the file."""
    others = sum(stored.size for stored in checkpoint.stored.values() if stored.is_float)
    return others + sum(map(layer_parameter_count, checkpoint.found.values()))


def layer_parameter_count(layer: FoundLayer) -> int:
    """Return the number of a layer's parameters in the file."""
    return sum(stored.size for stored in layer.parts.values() if stored.in_file)


def format_bytes(size: int) -> str:
    """Return a size with a unit, such as "1.2 MB"."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return ngettext("{n} byte", "{n} bytes", size).format(n=size)


def _parameters(count: int) -> str:
    return ngettext("{n} parameter", "{n} parameters", count).format(n=f"{count:,}")

"""Recurrent networks traced, differentiated and edited: the public API, usable from a notebook or a training script alone.

- Bundled networks: ``load_network``, ``network_names``, ``Network``; run on a text: ``run_network`` returns a ``ForwardRun``.
- Any module: ``capture`` fills a ``Trace`` of ``LayerTrace`` and ``AttentionTrace``; ``load_trace`` loads a saved one.
- Checkpoints: ``load_checkpoint`` returns a ``Checkpoint`` with ``LayerWeights`` for each layer.
- Gradients: ``gradient_map`` of all losses by all states; ``first_nonfinite`` finds the first NaN or infinity.
- Edits: ``read_edits`` and ``write_edits`` parse and format ``Edits``; ``EditedNetwork`` and ``run_edited`` run a network
  with them, ``edited_layers`` applies them to ``LayerWeights``; ``edit_effects``, ``state_difference`` and
  ``prediction_difference`` compare a run before with one after.
- Sequence generation: ``decode``.
- Notebooks: ``show`` draws a trace, a network or a run as the app does; it needs the packages of the app.
- Training: ``watch`` records a training loop in a run folder; ``open_run`` returns its ``TrainingRun``.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.capturing.capture import CaptureError, capture
    from models.capturing.recordable import CaptureWarning
    from models.checkpoints import Checkpoint, CheckpointError, load_checkpoint
    from models.core.archive import ArchiveError
    from models.core.attention import AttentionTrace
    from models.core.custom_cell import CellEquations
    from models.core.messages import Problem
    from models.core.trace import LayerTrace, Trace, load_trace
    from models.core.weights import LayerWeights
    from models.decoding import decode
    from models.decoding.run_network import run_network
    from models.edits.edit import Edits
    from models.edits.edit_effects import edit_effects, prediction_difference, state_difference
    from models.edits.edit_syntax import read_edits, write_edits
    from models.edits.edited_network import EditedNetwork, run_edited
    from models.edits.weight_edits import edited_layers
    from models.gradients.gradient_map import gradient_map
    from models.gradients.nonfinite import first_nonfinite
    from models.networks.forward_run import ForwardRun
    from models.networks.network import Network
    from models.runs.open_run import open_run
    from models.runs.watch import watch
    from models.zoo.catalogue import load_network, network_names
    from viz.show import show as show

__all__ = [
    "ArchiveError",
    "AttentionTrace",
    "CaptureError",
    "CaptureWarning",
    "CellEquations",
    "Checkpoint",
    "CheckpointError",
    "EditedNetwork",
    "Edits",
    "ForwardRun",
    "LayerTrace",
    "LayerWeights",
    "Network",
    "Problem",
    "Trace",
    "capture",
    "decode",
    "edit_effects",
    "edited_layers",
    "first_nonfinite",
    "gradient_map",
    "load_checkpoint",
    "load_network",
    "load_trace",
    "network_names",
    "open_run",
    "prediction_difference",
    "read_edits",
    "run_edited",
    "run_network",
    "state_difference",
    "watch",
    "write_edits",
]

_MODULES = {
    "ArchiveError": "core.archive",
    "AttentionTrace": "core.attention",
    "CaptureError": "capturing.capture",
    "CaptureWarning": "capturing.recordable",
    "CellEquations": "core.custom_cell",
    "Checkpoint": "checkpoints",
    "CheckpointError": "checkpoints",
    "EditedNetwork": "edits.edited_network",
    "Edits": "edits.edit",
    "ForwardRun": "networks.forward_run",
    "LayerTrace": "core.trace",
    "LayerWeights": "core.weights",
    "Network": "networks.network",
    "Problem": "core.messages",
    "Trace": "core.trace",
    "capture": "capturing.capture",
    "decode": "decoding",
    "edit_effects": "edits.edit_effects",
    "edited_layers": "edits.weight_edits",
    "first_nonfinite": "gradients.nonfinite",
    "gradient_map": "gradients.gradient_map",
    "load_checkpoint": "checkpoints",
    "load_network": "zoo.catalogue",
    "load_trace": "core.trace",
    "network_names": "zoo.catalogue",
    "open_run": "runs.open_run",
    "prediction_difference": "edits.edit_effects",
    "read_edits": "edits.edit_syntax",
    "run_edited": "edits.edited_network",
    "run_network": "decoding.run_network",
    "state_difference": "edits.edit_effects",
    "watch": "runs.watch",
    "write_edits": "edits.edit_syntax",
}
"""The module of each name. It is imported at the first use of the name, since all of them take a third of torch's time."""

_OTHER = "models" if __name__ == "unrolled" else "unrolled"
"""The name that these modules have in a checkout, or that they have when they are installed: the other of the two."""

if "_MODULES" in vars(sys.modules.get(_OTHER, sys)):
    raise ImportError(
        f"This process has imported Unrolled as {_OTHER!r} from {sys.modules[_OTHER].__file__}, and classes that are loaded "
        f"twice do not match. Import from {_OTHER!r}, or install the checkout itself with pip install -e."
    )

if not TYPE_CHECKING:  # or type checkers would accept every name

    def __getattr__(name: str) -> Any:
        """Return a public name, whose module is imported now."""
        if name == "show":  # not in __all__: it needs packages of the app
            from viz.show import show

            return show
        if name == "notebook_html":  # likewise
            from viz.show.notebook_html import notebook_html

            return notebook_html
        if name == "load_ipython_extension":  # likewise: what `%load_ext` calls
            from viz.show.line_magic import add_line_magic

            return add_line_magic
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value

    def __dir__() -> list[str]:
        """Return the public names, also those whose modules are not imported yet."""
        return sorted({*globals(), *__all__})

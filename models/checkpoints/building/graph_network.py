"""Build a ``Network`` from the graph that a file states: its module's outputs are the file's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from torch import nn

from models.checkpoints.building.build import MAX_LISTED_IDS
from models.checkpoints.building.card import TASKS, with_examples
from models.checkpoints.building.checkpoint_module import PredictionKind
from models.checkpoints.building.compatibility import compatible_parts
from models.checkpoints.building.graph_layout import LOGITS, PROBABILITIES, GraphLayout, find_layout
from models.checkpoints.building.output_meaning import OF_CLASSES, class_names
from models.checkpoints.building.vocabulary import is_character_level, unknown_symbol
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.graphs.graph_module import GraphModule
from models.checkpoints.parsing.errors import CheckpointError
from models.networks.network import DefaultView, ModelCard, Network, TokenKind

InputTokens = Literal["characters", "words", "numbers", "ids"]


def build_graph_network(
    checkpoint: CheckpointData,
    graph: GraphModule,
    name: str,
    *,
    vocabulary: tuple[str, ...] | None = None,
    kind: InputTokens | None = None,
    predicts: PredictionKind | None = None,
    classes: tuple[str, ...] | None = None,
) -> Network:
    """Build the network of a graph; ``layout`` is None where its steps cannot be shown, although its module runs.

    Args:
        checkpoint: the file.
        graph: what ``checkpoint.graph()`` built.
        name: the network's name.
        vocabulary: the input symbols in the order of their ids; None for the file's own, or the ids.
        kind: what one step is; None infers it from the vocabulary.
        predicts: what the outputs predict; None infers it from the last function and the number of outputs.
        classes: the names of the classes; None for their numbers.

    Raises:
        CheckpointError: a choice does not fit the graph.
    """
    layout = find_layout(graph)
    if layout is not None:
        vocabulary = _vocabulary(checkpoint, layout, vocabulary, kind)
    source = None if layout is None else layout.graph_inputs[layout.index]
    if layout is None or source is None or (source.kind == "ids" and vocabulary is None):
        return Network(
            name, graph, None, _card(checkpoint, graph, name, 0, None, "numbers", "nothing", None), graph.left_out
        )
    symbols = 0 if vocabulary is None else len(vocabulary)
    columns = 0 if vocabulary is not None else int(source.shape[-1] or 0)
    predicts = _predicts(layout, name, symbols, columns, predicts)
    layout = replace(
        layout,
        symbols=symbols if source.kind == "values" else 0,
        scored=predicts != "nothing",
        distribution=predicts in OF_CLASSES or (predicts == "next" and symbols > 0),
    )
    classes = class_names(checkpoint, layout.size, classes) if predicts in OF_CLASSES else None
    tokens: TokenKind = "numbers" if vocabulary is None else "words"
    if vocabulary is not None and not _are_ids(vocabulary) and kind != "words":
        tokens = "characters" if kind == "characters" or is_character_level(vocabulary) else "words"
    card = _card(checkpoint, graph, name, columns, vocabulary, tokens, predicts, classes)
    return with_examples(Network(name, graph, vocabulary, card, graph.left_out, layout))


def _vocabulary(
    checkpoint: CheckpointData, layout: GraphLayout, given: tuple[str, ...] | None, kind: InputTokens | None
) -> tuple[str, ...] | None:
    """Return the symbols; None for a network of numbers, or where the number of ids is not known."""
    source = layout.graph_inputs[layout.index]
    rows = source.vocabulary if source.kind == "ids" else source.shape[-1]
    if source.kind == "ids" and kind == "numbers":
        raise CheckpointError(
            "A network with numeric input has no embedding. Choose no embedding, or token ids as the input."
        )
    if kind == "numbers":
        return None
    if given is not None and kind != "ids":
        if rows and len(given) != rows:
            raise CheckpointError(
                "This vocabulary has {count} symbols, but {name} needs {rows}. Give exactly that many symbols.",
                count=f"{len(given):,}",
                name=source.name,
                rows=f"{rows:,}",
            )
        return given
    own = None if kind == "ids" or not rows else compatible_parts(checkpoint).vocabulary(rows)
    if own is not None or not rows or (source.kind == "values" and kind != "ids") or rows > MAX_LISTED_IDS:
        return own
    return tuple(map(str, range(rows)))


def _are_ids(vocabulary: tuple[str, ...]) -> bool:
    return vocabulary == tuple(map(str, range(len(vocabulary))))


def _predicts(
    layout: GraphLayout, name: str, symbols: int, columns: int, chosen: PredictionKind | None
) -> PredictionKind:
    """Return what the outputs predict.

    Raises:
        CheckpointError: they cannot predict what was ``chosen``.
    """
    fits = possible_predictions(layout, symbols, columns)
    if chosen is not None:
        if chosen not in fits:
            raise CheckpointError(
                "The outputs of {name} do not have that meaning: there are {count}, after {function}. Choose another one.",
                name=name,
                count=layout.size,
                function=layout.function or "–",
            )
        return chosen
    if "next" in fits:
        return "next"
    probabilities = layout.function in PROBABILITIES or layout.function == "log_softmax"
    if "class" in fits and (probabilities or (symbols > 0 and layout.size > 1 and layout.function is not None)):
        return "class"
    if "tag" in fits and probabilities and layout.size > 1:
        return "tag"
    return "values" if "values" in fits else "nothing"


def possible_predictions(layout: GraphLayout, symbols: int, columns: int) -> tuple[PredictionKind, ...]:
    """Return what the outputs of a graph may predict, by their form, number and last function.

    Args:
        layout: the graph's layout.
        symbols: V of the input, 0 for a network of numbers.
        columns: D, the values per step of a network of numbers, else 0.
    """
    if layout.form is None:
        return ("nothing",)
    whole = layout.form == "sequence"
    of_classes = layout.function in (None, *(("softmax", *LOGITS) if layout.size > 1 else ("sigmoid", "linear")))
    if symbols:
        of_next = layout.size == symbols and layout.function in ("softmax", *LOGITS)
    else:
        of_next = layout.size == columns and layout.function not in ("softmax", "log_softmax")
    fits: dict[PredictionKind, bool] = {
        "next": not whole and of_next,
        "class": whole and of_classes,
        "tag": not whole and of_classes,
        "values": not whole,
        "nothing": True,
    }
    return tuple(kind for kind, possible in fits.items() if possible)


def _kind(part: nn.Module) -> str:
    """Return ``"LSTM"``, ``"GRU"`` or ``"RNN"`` of a recurrent module or a Cell."""
    return next(kind for kind in ("LSTM", "GRU", "RNN") if kind in str(getattr(part, "mode", type(part).__name__)))


def _card(
    checkpoint: CheckpointData,
    graph: GraphModule,
    name: str,
    columns: int,
    vocabulary: tuple[str, ...] | None,
    kind: TokenKind,
    predicts: PredictionKind,
    classes: tuple[str, ...] | None,
) -> ModelCard:
    """Return the card, without examples and without a default view."""
    paths = dict.fromkeys(each.rpartition(".")[0] for each in graph.recurrent_layers)
    modules: dict[str, Any] = {path: graph.get_submodule(path) for path in paths}
    unused = tuple(name for name in graph.left_out if name not in graph.kept_states)
    architecture: dict[str, Any] = {
        "class": type(graph).__name__,
        "cell": ", ".join(dict.fromkeys(_kind(part) for part in modules.values())),
        "hidden": max((int(part.hidden_size) for part in modules.values()), default=0),
        "layers": sum(int(getattr(part, "num_layers", 1)) for part in modules.values()),
        "embedding": next((int(part.input_size) for part in modules.values()), 0),
    }
    return ModelCard(
        name=name,
        title={"en": name, "ko": name},
        task=TASKS["outputs" if predicts == "nothing" else predicts],
        kind=kind,
        scored="last" if predicts == "class" else "all",
        predicts=predicts,
        classes=None if classes is None else {"en": classes, "ko": classes},
        architecture=architecture,
        vocabulary=vocabulary,
        unknown=None if vocabulary is None else unknown_symbol(vocabulary),
        padding=None,
        particles=(),
        columns=columns,
        parameters=sum(values.numel() for values in graph.parameters()),
        data={"format": checkpoint.format, "unused": unused} | dict(checkpoint.provenance),
        training={},
        metrics={},
        examples=(),
        default=DefaultView("", "", 0, 0, "hidden", {}),
    )

"""Build a ``Network`` like the bundled ones from the tensors of a checkpoint.

Example:
    >>> compatible = compatible_parts(load_checkpoint("lm.pt"))
    >>> setup = default_setup(compatible)  # Setup(stack="rnn", embedding="embedding.weight", decoder="head.weight", ...)
    >>> network = build_network(compatible.checkpoint, setup, "lm.pt")
    >>> run_network(network, "abc").trace.layers["rnn.l0"].forget_gate
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from torch import nn

from models.checkpoints.building import torch_modules
from models.checkpoints.building.attention_readout import StepAttention, require_step_attention
from models.checkpoints.building.card import make_card, with_examples, with_used
from models.checkpoints.building.checkpoint_module import CheckpointModule, PredictionKind, Readout, unique_module_name
from models.checkpoints.building.compatibility import (
    TIED,
    CompatibleParts,
    DecoderMatrix,
    can_embed,
    can_score,
    compatible_parts,
)
from models.checkpoints.building.encoder_decoder import TargetSetup, build_encoder_decoder, find_target_setup
from models.checkpoints.building.output_meaning import OF_CLASSES, TAGGER_NAME, class_names, predictions_of_matrix
from models.checkpoints.building.vocabulary import is_character_level
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.layers.stacks import MAX_STACKS, Stack, assumed_settings, connections, encoder_or_decoder
from models.checkpoints.parsing.errors import CheckpointError
from models.networks.network import ModelCard, Network

__all__ = [
    "TIED",
    "CompatibleParts",
    "Setup",
    "TargetSetup",
    "build_network",
    "compatible_parts",
    "default_setup",
    "find_target_setup",
]

FILE_GRAPH = ""
"""The name of the stack in a ``Setup`` that runs the graph that the file states, with all its layers."""

READOUT, GRAPH = "readout", "graph"
"""Names in ``Network.left_out`` of what no tensor is called: the readout, and the order of operations that a file states."""
FUNCTIONS = "functions between layers"
"""The name in ``Network.left_out`` of what tensors alone never show: residual connections, scaling, activations."""

STEPWISE: tuple[PredictionKind, ...] = ("next", "values")
"""What scores predict that are computed at every time step. Of a network of numbers a file's tensors do not show it."""

MAX_DECODERS = 64
"""The maximum number of decoders of a stack among which the likeliest is searched."""

MAX_LISTED_IDS = 400_000
"""The maximum number of rows of an embedding whose ids are listed as symbols."""


@dataclass(frozen=True)
class Setup:
    """The roles of a checkpoint's tensors when it is run.

    Attributes:
        stack: the name of the recurrent layers, one of ``CompatibleParts.stacks``; ``FILE_GRAPH`` for the file's own graph,
            of which only ``vocabulary``, ``kind``, ``predicts`` and ``classes`` are open.
        embedding: the name of the embedding matrix, or None.
        decoder: the name of the output matrix, which maps the last layer's output to scores; ``"tied"`` for the embedding
            matrix, or None.
        vocabulary: the symbols in the order of their ids, or None if they are unknown.
        kind: what one time step is: a character or word of the vocabulary, a row of numbers, or an id if symbols are embedded
            but unknown.
        predicts: what the scores predict; None infers it (``predictions_of_matrix``).
        classes: the names of the classes in the order of their scores, or None if they are unknown.
        target: the decoder side of an encoder-decoder, which starts from the stack's last state; then ``decoder`` scores its
            output.
        readout: what the scores of a class are computed from, as in ``CheckpointModule``; ``"attention"`` only where the
            file's tensors define one.
        assumed: which of ``"stack"`` (that its modules run directly one after the other), ``"initial_states"`` (that tensors
            named and sized like the modules' initial states are these) and ``"readout"`` nobody confirmed.
    """

    stack: str
    embedding: str | None = None
    decoder: str | None = None
    vocabulary: tuple[str, ...] | None = None
    kind: Literal["characters", "words", "numbers", "ids"] = "numbers"
    predicts: PredictionKind | None = None
    classes: tuple[str, ...] | None = None
    target: TargetSetup | None = None
    readout: Readout = "last"
    assumed: tuple[str, ...] = ("stack", "initial_states", "readout")


def default_setup(
    compatible: CompatibleParts,
    stack: str | None = None,
    vocabulary: tuple[str, ...] | None = None,
    target_vocabulary: tuple[str, ...] | None = None,
) -> Setup:
    """Return the likeliest way to run a checkpoint.

    Args:
        compatible: the checkpoint's tensors by possible role.
        stack: the chosen layers; None for the stack with most known parts.
        vocabulary: the input symbols; None for the file's own.
        target_vocabulary: the output symbols of an encoder-decoder; None for the file's own.

    Raises:
        CheckpointError: the file contains no recurrent layers that can run.
    """
    if stack is not None:
        return _with_target(
            compatible, _default_setup_of_stack(compatible, compatible.stack(stack), vocabulary), target_vocabulary
        )
    if not compatible.stacks:
        raise CheckpointError(
            "This file contains no recurrent layers that can be run. Its tensors can still be inspected."
        )
    setups = [
        _default_setup_of_stack(compatible, each, vocabulary) for each in list(compatible.stacks.values())[:MAX_STACKS]
    ]

    def known(setup: Setup) -> tuple[bool, ...]:
        has_decoder = setup.decoder is not None
        rows = _embedding_rows(compatible, compatible.stack(setup.stack), setup)
        predicts_next = has_decoder and rows == compatible.decoder(*_decoder_arguments(setup)).rows
        return setup.embedding is not None, predicts_next, has_decoder

    with_targets = [_with_target(compatible, setup, target_vocabulary) for setup in setups]
    return next((setup for setup in with_targets if setup.target), max(setups, key=known))


def _with_target(compatible: CompatibleParts, setup: Setup, vocabulary: tuple[str, ...] | None) -> Setup:
    """Return the setup with the decoder side of an encoder-decoder, if the file has one for its stack."""
    if setup.kind == "numbers" or (vocabulary is None and encoder_or_decoder(setup.stack) != "encoder"):
        return setup
    target = find_target_setup(compatible, setup.stack, vocabulary)
    if target is None:
        return setup
    names = [each for each in compatible.decoders(target.stack, target.embedding) if each != TIED]
    name = next(each for each in names if compatible.decoder(target.stack, each).rows == len(target.vocabulary))
    return replace(setup, decoder=name, predicts=None, target=target)


def _decoder_arguments(setup: Setup) -> tuple[str, str, str | None]:
    return setup.stack, str(setup.decoder), setup.embedding


def _default_setup_of_stack(compatible: CompatibleParts, stack: Stack, vocabulary: tuple[str, ...] | None) -> Setup:
    shapes = {name: stored.shape for name, stored in compatible.checkpoint.stored.items()}
    embedding = next(
        (name for name in compatible.embeddings(stack.name) if _is_likely_embedding(compatible, name, vocabulary)), None
    )
    symbols = shapes[embedding][0] if embedding else stack.input_size
    if vocabulary is None:
        vocabulary = compatible.vocabulary(symbols)
    elif len(vocabulary) != symbols and embedding and len(vocabulary) == stack.input_size:
        embedding = None  # one-hot
    if vocabulary is not None:
        kind: Literal["characters", "words", "numbers", "ids"] = (
            "characters" if is_character_level(vocabulary) else "words"
        )
    else:
        kind = "ids" if embedding else "numbers"
    likely = compatible.decoders(stack.name, embedding)[:MAX_DECODERS]
    decoder = next((name for name in likely if _is_likely_decoder(compatible, stack, name, embedding, symbols)), None)
    predicts = compatible.checkpoint.predicts
    if decoder is None or (predicts == "next" and compatible.decoder(stack.name, decoder, embedding).rows != symbols):
        predicts = None
    return Setup(stack.name, embedding, decoder, vocabulary, kind, cast(PredictionKind | None, predicts))


def _is_likely_embedding(compatible: CompatibleParts, name: str, vocabulary: tuple[str, ...] | None) -> bool:
    """Return whether the graph, the name or the number of known symbols says so: a width that fits does not."""
    rows = compatible.checkpoint.stored[name].shape[0]
    symbols = compatible.vocabulary(rows) if vocabulary is None else vocabulary
    stated = compatible.checkpoint.matrix_uses is not None or can_embed(name)
    return not can_score(name) and (stated or (symbols is not None and len(symbols) == rows))


def _is_likely_decoder(
    compatible: CompatibleParts, stack: Stack, name: str, embedding: str | None, symbols: int
) -> bool:
    matrix = compatible.decoder(stack.name, name, embedding)
    if name == TIED:
        return matrix.bias is not None
    if can_embed(name):
        return False
    if matrix.rows == symbols:
        return True
    others = {
        compatible.checkpoint.stored[other].shape[0] for other in compatible.named_embeddings if other != embedding
    }
    answers = (
        encoder_or_decoder(stack.name) == "encoder" and matrix.rows in others
    )  # of the decoder that reads this stack's states
    inner = compatible.is_input_size(matrix.rows) and not TAGGER_NAME.search(name)
    return can_score(name) and not answers and not inner


def build_network(checkpoint: CheckpointData, setup: Setup, name: str) -> Network:
    """Build the network of a checkpoint, in evaluation mode.

    Args:
        checkpoint: the file.
        setup: which of its tensors play which role.
        name: the network's name, such as the file's name.

    Raises:
        CheckpointError: the parts of ``setup`` do not match each other; one sentence says which.
    """
    compatible = compatible_parts(checkpoint)
    if setup.target is not None:
        return _build_encoder_decoder(compatible, setup, setup.target, name)
    stack = compatible.stack(setup.stack)
    matrix = None if setup.decoder is None else compatible.decoder(stack.name, setup.decoder, setup.embedding)
    rows = _embedding_rows(compatible, stack, setup)
    vocabulary = _vocabulary(setup, rows, stack)
    predicts = predictions_of_matrix(matrix, rows or stack.input_size, setup.predicts, setup.kind == "numbers")
    classes = None
    if predicts in OF_CLASSES and matrix is not None:
        classes = class_names(checkpoint, matrix.rows, setup.classes)
    if setup.readout not in get_args(Readout):
        raise CheckpointError(
            "Unknown readout “{readout}”. Choose one of these: {names}.",
            readout=setup.readout,
            names=", ".join(get_args(Readout)),
        )
    attention = None
    if predicts == "class" and setup.readout == "attention":
        attention = require_step_attention(checkpoint.stored, stack.name, stack.output_size)
    module = _build_module(
        checkpoint, stack, setup, matrix, 0 if vocabulary is None else len(vocabulary), predicts, attention
    )
    card = make_card(
        checkpoint, stack, setup.embedding, matrix, vocabulary, setup.kind, predicts, classes, module, name
    )
    begin = torch_modules.add_initial_states(checkpoint, stack, module)
    card = with_used(card, (*begin, *(attention.tensors if attention else ())))
    assumed = tuple(begin.values()) if "initial_states" in setup.assumed else ()
    left_out = _left_out(checkpoint, stack, stack.layers, setup, card) + assumed
    return with_examples(Network(name, module, vocabulary, card, left_out))


def _build_encoder_decoder(compatible: CompatibleParts, setup: Setup, target: TargetSetup, name: str) -> Network:
    """Build the network of an encoder-decoder."""
    checkpoint, stack = compatible.checkpoint, compatible.stack(setup.stack)
    vocabulary = _vocabulary(setup, _embedding_rows(compatible, stack, setup), stack)
    if vocabulary is None or setup.decoder is None:
        raise CheckpointError("Generating an answer needs an input vocabulary and an output layer. Choose both.")
    module = build_encoder_decoder(checkpoint, compatible, stack.name, setup.embedding, setup.decoder, target)
    matrix = compatible.decoder(target.stack, setup.decoder, target.embedding)
    card = make_card(checkpoint, stack, setup.embedding, matrix, vocabulary, setup.kind, "sequence", None, module, name)
    writing = compatible.stack(target.stack).layers
    card = replace(
        with_used(card, (*writing, str(target.embedding))),
        target_vocabulary=target.symbols,
        architecture=card.architecture | {"longest": target.longest},
    )
    left_out = _left_out(checkpoint, stack, (*stack.layers, *writing), setup, card)
    return with_examples(Network(name, module, vocabulary, card, left_out))


def _left_out(
    checkpoint: CheckpointData, stack: Stack, layers: Iterable[str], setup: Setup, card: ModelCard
) -> tuple[str, ...]:
    """Return the names of what in the file is not run, or is only assumed, as in ``Network.left_out``."""
    names = [*checkpoint.unapplied, *card.data["unused"]]
    names += assumed_settings(checkpoint.found, layers)
    if "stack" in setup.assumed:
        names += connections(stack)
    inferred_tags = card.predicts == "tag" and setup.predicts is None
    numbers_by_step = card.predicts in STEPWISE and card.vocabulary is None
    if "readout" in setup.assumed and (card.predicts == "class" or inferred_tags or numbers_by_step):
        names.append(READOUT)
    names.append(FUNCTIONS if checkpoint.graph is None else GRAPH)
    return tuple(names)


def _embedding_rows(compatible: CompatibleParts, stack: Stack, setup: Setup) -> int:
    """Return V of the embedding, or 0 without one."""
    if setup.embedding is None:
        return 0
    if setup.embedding not in compatible.embeddings(stack.name):
        raise CheckpointError(
            "{name} does not fit the input of {stack}. Choose an embedding with {width} dimensions.",
            name=setup.embedding, stack=stack.name, width=stack.input_size,
        )  # fmt: skip
    return compatible.checkpoint.stored[setup.embedding].shape[0]


def _vocabulary(setup: Setup, rows: int, stack: Stack) -> tuple[str, ...] | None:
    """Return the symbols, or None for a network of numbers."""
    if setup.vocabulary is not None and setup.kind in ("characters", "words"):
        if len(setup.vocabulary) != (rows or stack.input_size):
            raise CheckpointError(
                "This vocabulary has {count} symbols, but {name} needs {rows}. Give exactly that many symbols.",
                count=f"{len(setup.vocabulary):,}",
                name=setup.embedding or stack.name,
                rows=f"{rows or stack.input_size:,}",
            )
        return setup.vocabulary
    if setup.kind == "numbers":
        if rows:
            raise CheckpointError(
                "A network with numeric input has no embedding. Choose no embedding, or token ids as the input."
            )
        return None
    if setup.kind != "ids":
        raise (
            CheckpointError(
                "A network with characters as its input needs a vocabulary. Give one, or choose token ids as the input."
            )
            if setup.kind == "characters"
            else CheckpointError(
                "A network with words as its input needs a vocabulary. Give one, or choose token ids as the input."
            )
        )
    if (rows or stack.input_size) > MAX_LISTED_IDS:
        raise CheckpointError(
            "{name} has {rows} symbols, but at most {most} can be listed.",
            name=setup.embedding or stack.name, rows=f"{rows or stack.input_size:,}", most=f"{MAX_LISTED_IDS:,}",
        )  # fmt: skip
    return tuple(map(str, range(rows or stack.input_size)))


def _build_module(
    checkpoint: CheckpointData,
    stack: Stack,
    setup: Setup,
    matrix: DecoderMatrix | None,
    symbols: int,
    predicts: PredictionKind,
    attention: StepAttention | None,
) -> CheckpointModule:
    """Build the module, in evaluation mode; its submodules have the file's names where Python allows them."""
    taken: set[str] = set()
    parts: dict[str, nn.Module] = {}
    names = [unique_module_name(part.path, taken) for part in stack.modules]
    embedding = (
        None if setup.embedding is None else unique_module_name(torch_modules.module_name(setup.embedding), taken)
    )
    tied = setup.decoder == TIED
    decoder = None
    if matrix is not None:
        decoder = unique_module_name("decoder" if tied else torch_modules.module_name(matrix.name), taken)
    recurrent = [torch_modules.build_recurrent(checkpoint, part) for part in stack.modules]
    dtype = next(recurrent[0].parameters()).dtype
    if embedding is not None:
        parts[embedding] = torch_modules.build_embedding(checkpoint, str(setup.embedding), dtype)
    parts |= {name: part.to(dtype) for name, part in zip(names, recurrent, strict=True)}
    if decoder is not None and matrix is not None:
        parts[decoder] = torch_modules.build_decoder(checkpoint, matrix, tied, dtype)
    scoring = {
        unique_module_name(torch_modules.module_name(each.name), taken): torch_modules.build_decoder(
            checkpoint, each, False, dtype
        )
        for each in (attention.matrices if attention else ())
    }
    return CheckpointModule(
        parts | scoring,
        embedding,
        0 if embedding else symbols,
        tuple(names),
        decoder,
        predicts,
        setup.readout,
        tuple(scoring),
    ).eval()

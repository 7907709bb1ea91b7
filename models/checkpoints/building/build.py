"""Run an opened checkpoint: from its tensors to a ``Network`` like the bundled ones.

Example:
    >>> able = fit(load_checkpoint("lm.pt"))
    >>> setup = usual(able)  # Setup(stack="rnn", embedding="embedding.weight", decoder="head.weight", ...)
    >>> network = network_of(able.checkpoint, setup, "lm.pt")
    >>> read(network, "abc").trace.layers["rnn.l0"].forget_gate
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from models.checkpoints.building import torch_modules
from models.checkpoints.building.card import make_card, with_examples
from models.checkpoints.building.checkpoint_module import CheckpointModule, PredictionKind, unique_module_name
from models.checkpoints.building.compatibility import (
    TIED,
    CompatibleParts,
    DecoderMatrix,
    can_embed,
    can_score,
    compatible_parts,
)
from models.checkpoints.building.encoder_decoder import TargetSetup, build_encoder_decoder, find_target_setup
from models.checkpoints.building.vocabulary import is_character_level
from models.checkpoints.checkpoint import Checkpoint
from models.checkpoints.layers.stacks import MAX_STACKS, Stack, encoder_or_decoder
from models.checkpoints.parsing.contents import CheckpointError
from models.networks.network import Network

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

MAX_DECODERS = 64
"""Decoders of a stack among which the likeliest is looked for."""

MAX_LISTED_IDS = 400_000
"""Rows of an embedding whose ids can be symbols."""


@dataclass(frozen=True)
class Setup:
    """How a checkpoint is to be run.

    Attributes:
        stack: the name of the recurrent layers, one of ``Fit.stacks``.
        embedding: the name of the matrix that turns symbols into vectors, or None.
        decoder: the name of the matrix that scores the last layer's output, ``"tied"`` for the embedding's own, or None.
        vocabulary: the symbols in the order of their ids; None where they are not known.
        kind: what a step is: one of the characters or words of the vocabulary, a row of numbers, or an id where symbols are
            embedded but not known.
        predicts: what the scores are of; None for what their number says: the next symbol where there are as many as
            symbols, the next value likewise, else the classes of the whole sequence, or (one score of numbers) a value.
        classes: the names of the classes, in the order of their scores; None where they are not known.
        answers: what writes an answer from the stack's last state, in an encoder-decoder; then ``decoder`` scores that.
    """

    stack: str
    embedding: str | None = None
    decoder: str | None = None
    vocabulary: tuple[str, ...] | None = None
    kind: Literal["characters", "words", "numbers", "ids"] = "numbers"
    predicts: PredictionKind | None = None
    classes: tuple[str, ...] | None = None
    target: TargetSetup | None = None


def default_setup(
    able: CompatibleParts,
    stack: str | None = None,
    vocabulary: tuple[str, ...] | None = None,
    written: tuple[str, ...] | None = None,
) -> Setup:
    """The likeliest way to run a checkpoint.

    Args:
        able: what its tensors allow.
        stack: which layers, where the reader has chosen; None for those that most is known of.
        vocabulary: where the reader has given one; None for the file's own.
        written: the symbols that an encoder-decoder answers in, likewise.

    Raises:
        CheckpointError: there is nothing to run.
    """
    if stack is not None:
        return _with_target(able, _default_setup_of_stack(able, able.stack(stack), vocabulary), written)
    if not able.stacks:
        raise CheckpointError(
            "This file contains no recurrent layers that can be run. Its tensors can still be inspected."
        )
    setups = [_default_setup_of_stack(able, each, vocabulary) for each in list(able.stacks.values())[:MAX_STACKS]]

    def known(setup: Setup) -> tuple[bool, ...]:
        embedding, scored = setup.embedding, setup.decoder is not None
        said = (
            scored
            and _embedding_rows(able, able.stack(setup.stack), setup) == able.decoder(*_decoder_place(setup)).rows
        )
        return embedding is not None, said, scored

    answering = [_with_target(able, setup, written) for setup in setups]
    return next((setup for setup in answering if setup.target), max(setups, key=known))


def _with_target(able: CompatibleParts, setup: Setup, written: tuple[str, ...] | None) -> Setup:
    """The setup with what writes an answer from its last state, where the file tells what that is."""
    if setup.kind == "numbers" or (written is None and encoder_or_decoder(setup.stack) != "encoder"):
        return setup
    answers = find_target_setup(able, setup.stack, written)
    if answers is None:
        return setup
    names = [each for each in able.decoders(answers.stack, answers.embedding) if each != TIED]
    name = next(each for each in names if able.decoder(answers.stack, each).rows == len(answers.vocabulary))
    return replace(setup, decoder=name, target=answers)


def _decoder_place(setup: Setup) -> tuple[str, str, str | None]:
    return setup.stack, str(setup.decoder), setup.embedding


def _default_setup_of_stack(able: CompatibleParts, stack: Stack, vocabulary: tuple[str, ...] | None) -> Setup:
    shapes = {name: stored.shape for name, stored in able.checkpoint.stored.items()}
    embedding = next((name for name in able.embeddings(stack.name) if _is_likely_embedding(name)), None)
    symbols = shapes[embedding][0] if embedding else stack.input_size
    if vocabulary is None:
        vocabulary = able.vocabulary(symbols)
    elif len(vocabulary) != symbols and embedding and len(vocabulary) == stack.input_size:
        embedding = None  # one-hot
    if vocabulary is not None:
        kind: Literal["characters", "words", "numbers", "ids"] = (
            "characters" if is_character_level(vocabulary) else "words"
        )
    else:
        kind = "ids" if embedding else "numbers"
    likely = able.decoders(stack.name, embedding)[:MAX_DECODERS]
    decoder = next((name for name in likely if _is_likely_decoder(able, stack, name, embedding, symbols)), None)
    return Setup(stack.name, embedding, decoder, vocabulary, kind)


def _is_likely_embedding(name: str) -> bool:
    return not can_score(name)


def _is_likely_decoder(able: CompatibleParts, stack: Stack, name: str, embedding: str | None, symbols: int) -> bool:
    matrix = able.decoder(stack.name, name, embedding)
    if name == TIED:
        return matrix.bias is not None
    if can_embed(name):
        return False
    if matrix.rows == symbols:
        return True
    others = {able.checkpoint.stored[other].shape[0] for other in able.named_embeddings if other != embedding}
    answers = (
        encoder_or_decoder(stack.name) == "encoder" and matrix.rows in others
    )  # of the decoder that reads this stack's states
    return can_score(name) and not answers and not able.is_input_size(matrix.rows)


def build_network(checkpoint: Checkpoint, setup: Setup, name: str) -> Network:
    """A checkpoint as a network that every lens can run.

    Args:
        checkpoint: the file.
        setup: which of its tensors, and what they read.
        name: what the network is called: the file's name.

    Raises:
        CheckpointError: the parts of ``setup`` do not fit each other; one sentence says which.
    """
    able = compatible_parts(checkpoint)
    if setup.target is not None:
        return _build_encoder_decoder(able, setup, setup.target, name)
    stack = able.stack(setup.stack)
    matrix = None if setup.decoder is None else able.decoder(stack.name, setup.decoder, setup.embedding)
    rows = _embedding_rows(able, stack, setup)
    vocabulary = _vocabulary(setup, rows, stack)
    predicts = setup.predicts or _predicts(matrix, rows or stack.input_size, setup)
    classes = None
    if predicts == "class" and matrix is not None:
        count = max(2, matrix.rows)
        classes = setup.classes or tuple(map(str, range(count)))
        if len(classes) != count:
            raise CheckpointError(
                "There are {given} class names, but {count} classes. Give one name per class.",
                given=len(classes),
                count=count,
            )
    module = _build_module(checkpoint, stack, setup, matrix, 0 if vocabulary is None else len(vocabulary), predicts)
    card = make_card(
        checkpoint, stack, setup.embedding, matrix, vocabulary, setup.kind, predicts, classes, module, name
    )
    return with_examples(Network(name, module, vocabulary, card))


def _build_encoder_decoder(able: CompatibleParts, setup: Setup, answers: TargetSetup, name: str) -> Network:
    """The network of an encoder-decoder."""
    checkpoint, stack = able.checkpoint, able.stack(setup.stack)
    vocabulary = _vocabulary(setup, _embedding_rows(able, stack, setup), stack)
    if vocabulary is None or setup.decoder is None:
        raise CheckpointError("Generating an answer needs an input vocabulary and an output layer. Choose both.")
    module = build_encoder_decoder(checkpoint, able, stack.name, setup.embedding, setup.decoder, answers)
    matrix = able.decoder(answers.stack, setup.decoder, answers.embedding)
    card = make_card(checkpoint, stack, setup.embedding, matrix, vocabulary, setup.kind, "sequence", None, module, name)
    written = {*able.stack(answers.stack).layers, answers.embedding}
    card = replace(
        card,
        target_vocabulary=answers.symbols,
        architecture=card.architecture | {"longest": answers.longest},
        data=card.data | {"unused": tuple(each for each in card.data["unused"] if each not in written)},
    )
    return with_examples(Network(name, module, vocabulary, card))


def _embedding_rows(able: CompatibleParts, stack: Stack, setup: Setup) -> int:
    """V of the embedding; 0 without one."""
    if setup.embedding is None:
        return 0
    if setup.embedding not in able.embeddings(stack.name):
        raise CheckpointError(
            "{name} does not fit the input of {stack}. Choose an embedding with {width} dimensions.",
            name=setup.embedding, stack=stack.name, width=stack.input_size,
        )  # fmt: skip
    return able.checkpoint.stored[setup.embedding].shape[0]


def _vocabulary(setup: Setup, rows: int, stack: Stack) -> tuple[str, ...] | None:
    """The symbols, or None for a network of numbers."""
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
        raise CheckpointError(
            "A network with {kind} as its input needs a vocabulary. Give one, or choose token ids as the input.",
            kind=setup.kind,
        )
    if (rows or stack.input_size) > MAX_LISTED_IDS:
        raise CheckpointError(
            "{name} has {rows} symbols, but at most {most} can be listed.",
            name=setup.embedding or stack.name, rows=f"{rows or stack.input_size:,}", most=f"{MAX_LISTED_IDS:,}",
        )  # fmt: skip
    return tuple(map(str, range(rows or stack.input_size)))


def _predicts(matrix: DecoderMatrix | None, inputs: int, setup: Setup) -> PredictionKind:
    if matrix is None:
        return "nothing"
    if matrix.rows == inputs:
        return "next"
    return "values" if matrix.rows == 1 and setup.kind == "numbers" else "class"


def _build_module(
    checkpoint: Checkpoint,
    stack: Stack,
    setup: Setup,
    matrix: DecoderMatrix | None,
    symbols: int,
    predicts: PredictionKind,
) -> nn.Module:
    """The module, in evaluation mode; its parts are called as in the file where Python allows it."""
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
    return CheckpointModule(parts, embedding, 0 if embedding else symbols, tuple(names), decoder, predicts).eval()

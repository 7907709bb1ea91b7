"""An opened encoder-decoder without attention: the decoder starts from the encoder's last state.

Sources: Sutskever, Vinyals and Le 2014; Cho et al. 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from models.architectures.translator import END, START, Translator
from models.checkpoints.building.compatibility import TIED, CompatibleParts, can_score
from models.checkpoints.building.torch_modules import build_decoder, build_embedding, build_recurrent
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.layers.stacks import MAX_STACKS, Stack
from models.checkpoints.parsing.errors import CheckpointError

START_SYMBOLS = ("<s>", "<start>", "<sos>", "<SOS>", "<bos>", "<BOS>", "<go>", "[START]", "[CLS]", "SOS", "⊢", "\t")
END_SYMBOLS = ("</s>", "<end>", "<eos>", "<EOS>", "[END]", "[SEP]", "EOS", "⊣", "\n")
"""Usual names of the symbols that start and end a target sequence."""

MAX_TARGET_STEPS = 100
"""The maximum number of steps of a target sequence."""


@dataclass(frozen=True)
class TargetSetup:
    """The target side of an encoder-decoder; the stack of the ``Setup`` is the encoder, its decoder matrix scores the target.

    Attributes:
        stack: the name of the decoder's recurrent layers.
        embedding: the name of the target embedding, or None if target symbols are one-hot encoded.
        vocabulary: the target symbols, in the order of their ids in the file.
        start: the symbol that is the input of the first step.
        end: the symbol that ends a target sequence.
        longest: the maximum number of steps of a target sequence.
    """

    stack: str
    embedding: str | None
    vocabulary: tuple[str, ...]
    start: str
    end: str
    longest: int = MAX_TARGET_STEPS

    @property
    def order(self) -> list[int]:
        """The file's ids, in the order of ``symbols``."""
        first = [self.vocabulary.index(self.start), self.vocabulary.index(self.end)]
        return first + [each for each in range(len(self.vocabulary)) if each not in first]

    @property
    def symbols(self) -> tuple[str, ...]:
        """The vocabulary with the start and end symbols first."""
        return tuple(self.vocabulary[each] for each in self.order)


def find_target_setup(
    compatible: CompatibleParts, stack: str, vocabulary: tuple[str, ...] | None = None
) -> TargetSetup | None:
    """Return the likeliest target side for the encoder ``stack``; None if nothing matches, or its symbols are unknown.

    Args:
        compatible: the checkpoint's tensors by possible role.
        stack: the name of the encoder's layers.
        vocabulary: the target symbols; None for the file's own.
    """
    encoder = compatible.stack(stack)
    for name, decoder in list(compatible.stacks.items())[:MAX_STACKS]:
        if not _can_initialize(encoder, decoder) or encoder.modules[0] == decoder.modules[0]:
            continue
        named = [each for each in compatible.embeddings(name) if not can_score(each)]
        for embedding in (*named[:1], None):
            found = _target_setup(compatible, decoder, embedding, vocabulary)
            if found is not None:
                return found
    return None


def _target_setup(
    compatible: CompatibleParts, decoder: Stack, embedding: str | None, vocabulary: tuple[str, ...] | None
) -> TargetSetup | None:
    """Return the target side if symbols, embedding rows and scores are equally many and start and end symbols are known."""
    size = decoder.input_size if embedding is None else compatible.checkpoint.stored[embedding].shape[0]
    listed = vocabulary or compatible.vocabulary(size)
    if listed is None or len(listed) != size:
        return None
    heads = [name for name in compatible.decoders(decoder.name, embedding) if name != TIED]
    if size not in {compatible.decoder(decoder.name, head).rows for head in heads}:
        return None
    start = next((each for each in START_SYMBOLS if each in listed), None)
    end = next((each for each in END_SYMBOLS if each in listed), None)
    return None if start is None or end is None else TargetSetup(decoder.name, embedding, listed, start, end)


def _can_initialize(encoder: Stack, decoder: Stack) -> bool:
    """Return whether the last state of ``encoder`` has the shape of the initial state of ``decoder``."""
    if len(encoder.modules) != 1 or len(decoder.modules) != 1:
        return False
    first, second = encoder.modules[0], decoder.modules[0]
    same_kind = first.kind == second.kind and len(second.levels[0]) == 1
    return same_kind and first.output_size == second.hidden_size and len(second.levels) in (1, len(first.levels))


class OneHot(nn.Module):
    """A one-hot encoding of ids, instead of an embedding."""

    def __init__(self, symbols: int, dtype: torch.dtype) -> None:
        """Create an encoding of V = ``symbols``."""
        super().__init__()
        self.symbols, self.dtype = symbols, dtype

    def forward(self, ids: Tensor) -> Tensor:
        """Return the one-hot vectors (..., V) of ``ids`` (...)."""
        return one_hot(ids, self.symbols).to(self.dtype)


class EncoderDecoder(Translator):
    """An encoder-decoder without attention: ``decoder`` starts from the last state of ``encoder``.

    Submodules are named as in ``Translator``, whatever their names in the file. The last hidden state (and cell state, of an
    LSTM) of each encoder level initializes the decoder level of the same index; both directions of a bidirectional encoder
    are concatenated.
    """

    def __init__(
        self,
        embedding: nn.Module,
        encoder: nn.RNNBase,
        target_embedding: nn.Module,
        decoder: nn.RNNBase,
        head: nn.Module,
        longest: int,
    ) -> None:
        """Create the network of its submodules."""
        nn.Module.__init__(self)
        self.embedding, self.encoder = embedding, encoder  # type: ignore[assignment]
        self.target_embedding, self.decoder, self.head = target_embedding, decoder, head  # type: ignore[assignment]
        self.attention, self.longest = None, longest

    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the encoder's outputs (B, Ts, P), its last states concatenated (B, N), and no mask."""
        memory, final = self.encoder(self.embedding(ids))
        states = final if isinstance(final, tuple) else (final,)
        directions = 2 if self.encoder.bidirectional else 1
        rows = []
        for state in states:  # (levels * directions, B, units)
            levels = state.unflatten(0, (-1, directions))[-self.decoder.num_layers :]
            rows.append(levels.permute(2, 0, 1, 3).flatten(1))
        return memory, torch.cat(rows, dim=-1), None

    def initial_state(self, summary: Tensor) -> Tensor:
        """Return the decoder's initial state: (levels, B, H), and of an LSTM its initial cell state beside it."""
        kinds = 2 if self.decoder.mode == "LSTM" else 1
        states = summary.unflatten(1, (kinds, self.decoder.num_layers, -1)).permute(1, 2, 0, 3).contiguous()
        return (states[0], states[1]) if kinds == 2 else states[0]  # type: ignore[return-value]

    def output_logits(self, context: Tensor, states: Tensor) -> Tensor:
        """Return logits (B, Tt, V') of the next symbol; the context is not used."""
        return self.head(states)


def build_encoder_decoder(
    checkpoint: CheckpointData,
    compatible: CompatibleParts,
    stack: str,
    embedding: str | None,
    head: str,
    target: TargetSetup,
) -> EncoderDecoder:
    """Build the module of an encoder-decoder, in evaluation mode; target ids are in the order of ``target.symbols``.

    Args:
        checkpoint: the file.
        compatible: the checkpoint's tensors by possible role.
        stack: the name of the encoder's layers.
        embedding: the name of the source embedding, or None for one-hot encoded symbols.
        head: the name of the matrix that scores the decoder's output.
        target: the decoder side.

    Raises:
        CheckpointError: the parts do not match each other; one sentence says which.
    """
    encoder_stack, decoder_stack = compatible.stack(stack), compatible.stack(target.stack)
    if not _can_initialize(encoder_stack, decoder_stack):
        raise CheckpointError(
            ("{writes} cannot be initialized with the last state of {reads}. Choose layers with the same cell type "
    "and hidden size."),
            writes=decoder_stack.name, reads=encoder_stack.name,
        )  # fmt: skip
    matrix = compatible.decoder(target.stack, head, target.embedding)
    rows = compatible.checkpoint.stored[target.embedding].shape[0] if target.embedding else decoder_stack.input_size
    if not matrix.rows == rows == len(target.vocabulary):
        raise CheckpointError(
            ("The output vocabulary has {count} symbols, but {embedding} takes {rows} as input and {head} has "
    "{scored} outputs. Choose them so that the three numbers are equal."),
            count=len(target.vocabulary), embedding=target.embedding or decoder_stack.name, rows=rows,
            head=head, scored=matrix.rows,
        )  # fmt: skip
    encoder = build_recurrent(checkpoint, encoder_stack.modules[0])
    decoder = build_recurrent(checkpoint, decoder_stack.modules[0])
    dtype = next(encoder.parameters()).dtype
    output_layer = build_decoder(checkpoint, matrix, False, dtype)
    order = torch.tensor(target.order)
    with torch.no_grad():
        for name, values in list(output_layer.named_parameters()):
            setattr(output_layer, name, nn.Parameter(values[order]))
    target_embedding: nn.Module = OneHot(rows, dtype)
    if target.embedding is not None:
        own = build_embedding(checkpoint, target.embedding, dtype)
        target_embedding = nn.Embedding.from_pretrained(own.weight.detach()[order], freeze=False)
    elif target.order[:2] != [START, END]:
        with torch.no_grad():  # the columns of the input matrix are in the file's order of ids
            decoder.weight_ih_l0 = nn.Parameter(decoder.get_parameter("weight_ih_l0")[:, order])
    source_embedding: nn.Module = OneHot(encoder_stack.input_size, dtype)
    if embedding is not None:
        source_embedding = build_embedding(checkpoint, embedding, dtype)
    return EncoderDecoder(
        source_embedding, encoder, target_embedding, decoder.to(dtype), output_layer, target.longest
    ).eval()

"""An opened encoder-decoder without attention: one stack reads, another begins from its last state and writes.

Sources: Sutskever, Vinyals and Le 2014; Cho et al. 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from models.architectures.translator import END, START, Translator
from models.checkpoints.building.compatibility import TIED, CompatibleParts, can_score
from models.checkpoints.building.torch_modules import build_decoder as decoder_of
from models.checkpoints.building.torch_modules import build_embedding as embedding_of
from models.checkpoints.building.torch_modules import build_recurrent
from models.checkpoints.checkpoint import Checkpoint
from models.checkpoints.layers.stacks import MAX_STACKS, Stack
from models.checkpoints.parsing.contents import CheckpointError

START_SYMBOLS = ("<s>", "<start>", "<sos>", "<SOS>", "<bos>", "<BOS>", "<go>", "[START]", "[CLS]", "SOS", "⊢", "\t")
END_SYMBOLS = ("</s>", "<end>", "<eos>", "<EOS>", "[END]", "[SEP]", "EOS", "⊣", "\n")
"""What the symbols that begin and end an answer are usually called."""

MAX_TARGET_STEPS = 100
"""Steps of an answer at most."""


@dataclass(frozen=True)
class TargetSetup:
    """What writes the answer, beside a ``Setup`` whose stack reads; the setup's decoder scores what is written.

    Attributes:
        stack: the recurrent layers that write.
        embedding: the matrix that turns what was written into vectors; None where symbols come in one-hot.
        vocabulary: the symbols of the answer, in the order of their ids in the file.
        start: the symbol that the first step reads. end: the one that ends an answer.
        longest: steps of an answer at most.
    """

    stack: str
    embedding: str | None
    vocabulary: tuple[str, ...]
    start: str
    end: str
    longest: int = MAX_TARGET_STEPS

    @property
    def order(self) -> list[int]:
        """The ids in the file in the order of ``symbols``."""
        first = [self.vocabulary.index(self.start), self.vocabulary.index(self.end)]
        return first + [each for each in range(len(self.vocabulary)) if each not in first]

    @property
    def symbols(self) -> tuple[str, ...]:
        """The vocabulary with the symbols that begin and end an answer first."""
        return tuple(self.vocabulary[each] for each in self.order)


def find_target_setup(
    able: CompatibleParts, stack: str, vocabulary: tuple[str, ...] | None = None
) -> TargetSetup | None:
    """What may write an answer from the last state of ``stack``; None where nothing fits, or its symbols are not known.

    Args:
        able: what the file's tensors allow.
        stack: the layers that read.
        vocabulary: the symbols of the answer; None for the file's own.
    """
    reads = able.stack(stack)
    for name, writes in list(able.stacks.items())[:MAX_STACKS]:
        if not _can_initialize(reads, writes) or reads.modules[0] == writes.modules[0]:
            continue
        named = [each for each in able.embeddings(name) if not can_score(each)]
        for embedding in (*named[:1], None):
            found = _target_setup(able, writes, embedding, vocabulary)
            if found is not None:
                return found
    return None


def _target_setup(
    able: CompatibleParts, writes: Stack, embedding: str | None, vocabulary: tuple[str, ...] | None
) -> TargetSetup | None:
    """What writes, if there are as many symbols as vectors and as scores, and it is known which begin and end an answer."""
    size = writes.input_size if embedding is None else able.checkpoint.stored[embedding].shape[0]
    listed = vocabulary or able.vocabulary(size)
    if listed is None or len(listed) != size:
        return None
    heads = [name for name in able.decoders(writes.name, embedding) if name != TIED]
    if size not in {able.decoder(writes.name, head).rows for head in heads}:
        return None
    start = next((each for each in START_SYMBOLS if each in listed), None)
    end = next((each for each in END_SYMBOLS if each in listed), None)
    return None if start is None or end is None else TargetSetup(writes.name, embedding, listed, start, end)


def _can_initialize(reads: Stack, writes: Stack) -> bool:
    """Whether ``writes`` can begin from the last state of ``reads``."""
    if len(reads.modules) != 1 or len(writes.modules) != 1:
        return False
    first, second = reads.modules[0], writes.modules[0]
    alike = first.kind == second.kind and len(second.levels[0]) == 1
    return alike and first.output_size == second.hidden_size and len(second.levels) in (1, len(first.levels))


class OneHot(nn.Module):
    """Ids as one-hot vectors of ``symbols`` numbers."""

    def __init__(self, symbols: int, dtype: torch.dtype) -> None:
        """Of ``symbols`` symbols."""
        super().__init__()
        self.symbols, self.dtype = symbols, dtype

    def forward(self, ids: Tensor) -> Tensor:
        """(...) to (..., V)."""
        return one_hot(ids, self.symbols).to(self.dtype)


class EncoderDecoder(Translator):
    """``encoder`` reads, ``decoder`` begins from its last state and writes; there is no attention.

    The parts are called as in ``Translator``, whatever they are called in the file. A state of several levels, or of an
    LSTM's two kinds, is handed from level to level; of an encoder that reads both ways, both directions side by side.
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
        """Put the parts together."""
        nn.Module.__init__(self)
        self.embedding, self.encoder = embedding, encoder  # type: ignore[assignment]
        self.target_embedding, self.decoder, self.head = target_embedding, decoder, head  # type: ignore[assignment]
        self.attention, self.longest = None, longest

    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """What is read: the memory (B, Ts, P), the last states side by side (B, N), and no mask."""
        memory, ends = self.encoder(self.embedding(ids))
        states = ends if isinstance(ends, tuple) else (ends,)
        ways = 2 if self.encoder.bidirectional else 1
        rows = []
        for state in states:  # (levels * ways, B, units)
            levels = state.unflatten(0, (-1, ways))[-self.decoder.num_layers :]
            rows.append(levels.permute(2, 0, 1, 3).flatten(1))
        return memory, torch.cat(rows, dim=-1), None

    def begin(self, summary: Tensor) -> Tensor:
        """The decoder's state before its first step: (levels, B, H), and of an LSTM its cells beside it."""
        kinds = 2 if self.decoder.mode == "LSTM" else 1
        states = summary.unflatten(1, (kinds, self.decoder.num_layers, -1)).permute(1, 2, 0, 3).contiguous()
        return (states[0], states[1]) if kinds == 2 else states[0]  # type: ignore[return-value]

    def speak(self, context: Tensor, states: Tensor) -> Tensor:
        """Logits (B, Tt, V') of the next symbol; the context says nothing more here."""
        return self.head(states)


def build_encoder_decoder(
    checkpoint: Checkpoint, able: CompatibleParts, stack: str, embedding: str | None, head: str, answers: TargetSetup
) -> EncoderDecoder:
    """The module of an encoder-decoder, in evaluation mode; answers' ids are in the order of ``answers.symbols``.

    Raises:
        CheckpointError: its parts do not fit each other; one sentence says which.
    """
    reads, writes = able.stack(stack), able.stack(answers.stack)
    if not _can_initialize(reads, writes):
        raise CheckpointError(
            ("{writes} cannot be initialized with the last state of {reads}. Choose layers with the same cell type "
    "and hidden size."),
            writes=writes.name, reads=reads.name,
        )  # fmt: skip
    matrix = able.decoder(answers.stack, head, answers.embedding)
    rows = able.checkpoint.stored[answers.embedding].shape[0] if answers.embedding else writes.input_size
    if not matrix.rows == rows == len(answers.vocabulary):
        raise CheckpointError(
            ("The output vocabulary has {count} symbols, but {embedding} takes {rows} as input and {head} has "
    "{scored} outputs. Choose them so that the three numbers are equal."),
            count=len(answers.vocabulary), embedding=answers.embedding or writes.name, rows=rows,
            head=head, scored=matrix.rows,
        )  # fmt: skip
    encoder, decoder = build_recurrent(checkpoint, reads.modules[0]), build_recurrent(checkpoint, writes.modules[0])
    dtype = next(encoder.parameters()).dtype
    last = decoder_of(checkpoint, matrix, False, dtype)
    order = torch.tensor(answers.order)
    with torch.no_grad():
        for name, values in list(last.named_parameters()):
            setattr(last, name, nn.Parameter(values[order]))
    target: nn.Module = OneHot(rows, dtype)
    if answers.embedding is not None:
        own = embedding_of(checkpoint, answers.embedding, dtype)
        target = nn.Embedding.from_pretrained(own.weight.detach()[order], freeze=False)
    elif answers.order[:2] != [START, END]:
        with torch.no_grad():  # what reads a one-hot vector has its columns in the file's order
            decoder.weight_ih_l0 = nn.Parameter(decoder.get_parameter("weight_ih_l0")[:, order])
    source: nn.Module = OneHot(reads.input_size, dtype)
    if embedding is not None:
        source = embedding_of(checkpoint, embedding, dtype)
    return EncoderDecoder(source, encoder, target, decoder.to(dtype), last, answers.longest).eval()

"""Find the possible roles of a checkpoint's tensors: stacks that can run, embeddings of the input, decoders of the output.

Only names and shapes are used; no tensor is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.layers.stacks import ARROW, Stack, encoder_or_decoder, find_stacks, make_stack
from models.checkpoints.parsing.contents import MatrixUse, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError

STORED_PARTS = "_compatible_parts"

TIED = "tied"
"""Used as a decoder's name: the transposed embedding matrix (weight tying)."""

EMBEDDING_NAME = re.compile(r"emb|wte|lookup", re.IGNORECASE)
POSSIBLE_EMBEDDING_NAME = re.compile(r"(^|[._/])(token|char|word)s?([._/]|$)|encoder\.weight$", re.IGNORECASE)
DECODER_NAME = re.compile(
    r"(^|[._/])(fc|out|output|head|decoder|linear|lin|dense|classifier|cls|logits?|generator|proj|projection|h2o|readout|"
    r"hidden2\w+|to_\w+|lm_head|predict\w*|regressor|softmax)\d*(_?[a-z0-9]*)?([._/:]|$)|matmul|gemm",
    re.IGNORECASE,
)
OTHER_NAME = re.compile(r"att(n|ention)|query|key|norm|conv|crf|transition", re.IGNORECASE)
LAYER_MATRIX_NAME = re.compile(r"(^|[._/])w(eight)?_(ih|hh|hr)(_l\d+|$)")
"""Names of a recurrent layer's matrices, also of one that cannot be run."""

MAX_UNNAMED_BIASES = 1000
"""The maximum number of vectors among which a bias is searched by size if no name matches."""

BIAS_NAMES = (
    (r"weight$", "bias"), (r"/vars/0$", "/vars/1"), (r"kernel(:0)?$", r"bias\1"), (r"_w$", "_b"), (r"_W$", "_b"),
    (r"\.w$", ".b"), (r"(^|[._/])W(.*)$", r"\1b\2"), (r"(^|[._/])w(.*)$", r"\1b\2"),
)  # fmt: skip


@dataclass(frozen=True)
class DecoderMatrix:
    """A decoder's matrix and bias in the file.

    Attributes:
        name: the name of the matrix.
        bias: the name of the bias, or None.
        transposed: whether the matrix is stored as (P, V), as in Keras, instead of (V, P).
        rows: V, the number of scores.
    """

    name: str
    bias: str | None
    transposed: bool
    rows: int


@dataclass(frozen=True, eq=False)
class CompatibleParts:
    """The possible roles of a checkpoint's tensors.

    Attributes:
        checkpoint: the file.
        stacks: recurrent layers that can run one after the other, by name.
    """

    checkpoint: CheckpointData
    stacks: Mapping[str, Stack]

    def stack(self, name: str) -> Stack:
        """Return a stack by name, also of modules in another order whose names are joined by ``" → "``.

        Raises:
            CheckpointError: there is no stack of that name, or the sizes of its modules do not match.
        """
        if name in self.stacks:
            return self.stacks[name]
        names = name.split(ARROW.strip())
        modules = [module for each in names for module in self.stacks.get(each.strip(), Stack("", ())).modules]
        if len(modules) < len(names):
            raise CheckpointError(
                "Unknown layer stack “{name}”. Choose one of these: {names}.",
                name=name,
                names=", ".join(self.stacks) or "…",
            )
        for below, above in pairwise(modules):
            if below.output_size != above.input_size:
                raise CheckpointError(
                    ("{above} takes inputs of size {inputs}, but {below} has outputs of size {width}. Choose layers whose "
    "sizes match."),
                    above=above.path, inputs=above.input_size, below=below.path, width=below.output_size,
                )  # fmt: skip
        return make_stack(modules)

    def embeddings(self, stack: str) -> tuple[str, ...]:
        """Return the names of the matrices (V, D) that may embed the input of ``stack``, the likeliest first."""
        chosen = self.stack(stack)
        names = [
            name
            for name, stored in self._matrices.items()
            if stored.shape[1] == chosen.input_size and stored.shape[0] > 1 and self._can_embed(name)
        ]
        return tuple(sorted(names, key=lambda name: -_name_likeness(name, chosen, can_embed, can_score)))

    def decoders(self, stack: str, embedding: str | None = None) -> tuple[str, ...]:
        """Return the names of the matrices (V, P) that may score the output of ``stack``, the likeliest first.

        ``"tied"`` is among them if ``embedding`` is as wide as the stack's output.
        """
        chosen = self.stack(stack)
        known = {name: self._decoder(name, chosen.output_size) for name in self._matrices if name != embedding}
        symbols = self._matrices[embedding].shape[0] if embedding in self._matrices else 0
        names = [name for name, matrix in known.items() if matrix is not None]

        def rank(name: str) -> tuple:
            matrix = known[name]
            assert matrix is not None
            return (matrix.rows != symbols, -_name_likeness(name, chosen, can_score, can_embed), matrix.bias is None)

        names.sort(key=rank)
        if symbols and self._matrices[str(embedding)].shape[1] == chosen.output_size:
            names.append(TIED)
        return tuple(names)

    def decoder(self, stack: str, name: str, embedding: str | None = None) -> DecoderMatrix:
        """Return the matrix and bias of a decoder.

        Raises:
            CheckpointError: there is no such matrix, or its size does not match.
        """
        width = self.stack(stack).output_size
        if name == TIED:
            rows, columns = self._matrices[embedding].shape if embedding in self._matrices else (0, 0)
            if columns != width:
                raise CheckpointError(
                    "A weight-tied output layer needs an embedding with {width} dimensions. Choose another embedding or "
                    "output layer.",
                    width=width,
                )
            return DecoderMatrix(str(embedding), self._bias(str(embedding), rows), False, rows)
        matrix = self._decoder(name, width) if name in self._matrices else None
        if matrix is None:
            raise CheckpointError(
                "{name} does not fit the output of {stack}. Choose an output layer with input size {width}.",
                name=name, stack=stack, width=width,
            )  # fmt: skip
        return matrix

    def vocabulary(self, size: int) -> tuple[str, ...] | None:
        """Return the ``size`` symbols that the file itself lists, or None.

        A Keras configuration omits the symbols that StringLookup and TextVectorization add at the beginning.
        """
        listed = list(self.checkpoint.vocabularies.values())
        if self._is_keras:
            listed += [(*before, *each) for before in (("[UNK]",), ("", "[UNK]")) for each in listed]
        return next((each for each in listed if len(each) == size and len(set(each)) == size), None)

    def is_input_size(self, rows: int) -> bool:
        """Return whether another matrix takes ``rows`` values as input: what outputs them is then not the last layer."""
        return rows in self._input_sizes

    def _can_embed(self, name: str) -> bool:
        """Return whether a matrix may be an embedding: as the file's graph uses it, else by its name."""
        uses = self.checkpoint.matrix_uses
        return (
            not OTHER_NAME.search(name) if uses is None else any(use.role == "embedding" for use in uses.get(name, ()))
        )

    @cached_property
    def named_embeddings(self) -> tuple[str, ...]:
        """The names of the matrices that are named like embeddings."""
        return tuple(name for name in self._matrices if can_embed(name))

    @cached_property
    def _matrices(self) -> dict[str, StoredTensor]:
        tensors = self.checkpoint.stored.items()
        return {
            name: stored
            for name, stored in tensors
            if len(stored.shape) == 2 and stored.is_float and stored.size and not LAYER_MATRIX_NAME.search(name)
        }

    @cached_property
    def _input_sizes(self) -> set[int]:
        """The input sizes of all matrices that are not square."""
        if self.checkpoint.matrix_uses is not None:
            return {
                stored.shape[0 if use.transposed else 1]
                for name, stored in self._matrices.items()
                for use in self.checkpoint.matrix_uses.get(name, ())
                if use.role == "dense" and stored.shape[0] != stored.shape[1]
            }
        return {
            each.shape[0 if self._is_keras or "MatMul" in name else 1]
            for name, each in self._matrices.items()
            if each.shape[0] != each.shape[1]
        }

    @cached_property
    def _vectors(self) -> dict[str, StoredTensor]:
        tensors = self.checkpoint.stored.items()
        return {name: stored for name, stored in tensors if len(stored.shape) == 1 and stored.is_float}

    @property
    def _is_keras(self) -> bool:
        return self.checkpoint.format.startswith("Keras")

    def _decoder(self, name: str, width: int) -> DecoderMatrix | None:
        if self.checkpoint.matrix_uses is not None:
            return self._used_decoder(name, width, self.checkpoint.matrix_uses.get(name, ()))
        if OTHER_NAME.search(name):
            return None
        rows, columns = self._matrices[name].shape
        upright = columns == width and not self._is_keras
        turns = self.checkpoint.format.startswith(("Keras", "ONNX", "npz")) or "kernel" in name
        transposed = turns and rows == width and (not upright or "MatMul" in name)
        if not (upright or transposed):
            return None
        scores = columns if transposed else rows
        return DecoderMatrix(name, self._bias(name, scores), transposed, scores)

    def _used_decoder(self, name: str, width: int, uses: Iterable[MatrixUse]) -> DecoderMatrix | None:
        """Return a decoder as the file's graph uses it, where its input has this width."""
        for use in uses:
            inputs, outputs = self._matrices[name].shape[:: 1 if use.transposed else -1]
            if use.role == "dense" and inputs == width:
                return DecoderMatrix(name, use.bias, use.transposed, outputs)
        return None

    def _bias(self, name: str, size: int) -> str | None:
        if self.checkpoint.matrix_uses is not None:
            return next((use.bias for use in self.checkpoint.matrix_uses.get(name, ()) if use.bias), None)
        if (name, size) not in self._biases:
            self._biases[name, size] = find_bias(name, size, self._vectors)
        return self._biases[name, size]

    @cached_property
    def _biases(self) -> dict[tuple[str, int], str | None]:
        return {}


@lru_cache(maxsize=1 << 15)
def can_embed(name: str) -> bool:
    """Return whether a tensor is named like an embedding."""
    return bool(EMBEDDING_NAME.search(name)) or (
        bool(POSSIBLE_EMBEDDING_NAME.search(name)) and not DECODER_NAME.search(name)
    )


@lru_cache(maxsize=1 << 15)
def can_score(name: str) -> bool:
    """Return whether a tensor is named like a decoder."""
    return bool(DECODER_NAME.search(name)) and not EMBEDDING_NAME.search(name)


def _name_likeness(name: str, stack: Stack, wanted: Callable[[str], bool], other: Callable[[str], bool]) -> float:
    """Return how well a name matches the ``wanted`` role in this stack, rather than the ``other`` role or stack."""
    role, own = encoder_or_decoder(stack.name), encoder_or_decoder(name)
    return 2.0 * wanted(name) - other(name) + (0.5 if role and role == own else -0.5 if role and own else 0.0)


def find_bias(name: str, size: int, vectors: Mapping[str, StoredTensor]) -> str | None:
    """Return the name of a matrix's bias among ``vectors``: by name, else the only one of its size in the same module."""
    for pattern, replacement in BIAS_NAMES:
        other = re.sub(pattern, replacement, name)
        if other != name and other in vectors and vectors[other].shape == (size,):
            return other
    if len(vectors) > MAX_UNNAMED_BIASES:
        return None
    same_size = [other for other, stored in vectors.items() if stored.shape == (size,)]
    if "onnx::" in name and len(same_size) == 1:
        return same_size[0]
    module = re.match(r".*[._/]", name)
    named = [other for other in same_size if module and other.startswith(module[0])]
    return named[0] if len(named) == 1 else None


def compatible_parts(checkpoint: CheckpointData) -> CompatibleParts:
    """Return the possible roles of the tensors of ``checkpoint``; computed once and cached on the checkpoint.

    Example:
        >>> compatible = compatible_parts(load_checkpoint("model.pt"))
        >>> list(compatible.stacks), compatible.embeddings("rnn"), compatible.decoders("rnn")
        (['rnn'], ('embedding.weight',), ('head.weight',))
    """
    stored = vars(checkpoint)  # where ``cached_property`` would store it
    parts: CompatibleParts | None = stored.get(STORED_PARTS)
    if parts is None:
        parts = stored[STORED_PARTS] = CompatibleParts(checkpoint, find_stacks(checkpoint.found))
    return parts

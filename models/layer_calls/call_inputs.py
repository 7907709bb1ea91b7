"""The input of a call: numbers or text as a padded batch (B, T, D)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem
from models.core.parse_numbers import parse_number, shorten
from models.layer_calls.call_options import CallOptions

NOTES_NUMBERS = """0.1, 4.2, 1.5, 1.1, 2.8
1.0, 3.1, 2.5, 0.7, 1.1
0.3, 2.1, 1.5, 2.1, 0.1
2.2, 1.4, 0.5, 0.9, 1.1"""
"""The 4 x 5 numbers of the study notes: four time steps of five values."""

MAX_SEQUENCES, MAX_STEPS, MAX_VALUES = 8, 60, 64
"""The largest B, T and D."""

MAX_CHARACTERS = 20_000
"""Characters of numbers or text that are parsed."""

FILTERED = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~\t\n]""")
"""What Keras's ``Tokenizer`` replaces by a space."""


@dataclass(frozen=True, eq=False)
class CallInput:
    """The input of a call.

    Attributes:
        sequences: before padding: (T, D) float32 each, or of a text (T) int64 ids.
        spans: of each sequence in the batch, its first position and the one after its last; the others are padding.
        length: T, of the batch.
        words: of a text, the vocabulary: the word of id k is ``words[k - 1]``; id 0 is padding.
        kept: of a text, the words of each sequence that have an id, in order.
        dropped: of a text, its words without an id below ``num_words``.
    """

    sequences: tuple[np.ndarray, ...]
    spans: tuple[tuple[int, int], ...]
    length: int
    words: tuple[str, ...] = ()
    kept: tuple[tuple[str, ...], ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def is_padded(self) -> bool:
        """Whether a position of the batch is padding."""
        return any(span != (0, self.length) for span in self.spans)

    @property
    def is_changed(self) -> bool:
        """Whether ``pad_sequences`` changes anything: it pads or cuts a sequence."""
        return any(len(each) != self.length for each in self.sequences)

    @property
    def rows(self) -> int:
        """V, the rows that an embedding of the text needs: one for each id, 0 included."""
        return len(self.words) + 1

    def batch(self, call: CallOptions) -> np.ndarray:
        """Return the sequences cut and padded with 0: (B, T, D) float32, or (B, T) ids."""
        first = self.sequences[0]
        found = np.zeros((len(self.sequences), self.length, *first.shape[1:]), first.dtype)
        for row, (sequence, (start, stop)) in enumerate(zip(self.sequences, self.spans, strict=True)):
            count = stop - start
            found[row, start:stop] = sequence[-count:] if call.truncating == "pre" else sequence[:count]
        return found

    def labels(self, row: int, call: CallOptions) -> list[str]:
        """Return a label of each position of a sequence of the batch: its word, or its time step from 1; "" for padding."""
        start, stop = self.spans[row]
        names = list(self.kept[row]) if self.kept else [str(step + 1) for step in range(len(self.sequences[row]))]
        names = names[len(names) - (stop - start) :] if call.truncating == "pre" else names[: stop - start]
        return [""] * start + names + [""] * (self.length - stop)


def read_input(call: CallOptions, example: str = "") -> CallInput:
    """Return the input of a call.

    Args:
        call: its ``data`` are parsed as ``source`` says.
        example: the text to use if the call's source is text and its data are "".

    Raises:
        Problem: the data are not such numbers or a text, or too long.
    """
    text = call.data or (NOTES_NUMBERS if call.source == "numbers" else example)
    if len(text) > MAX_CHARACTERS:
        raise Problem("The input has {count:,} characters. Use at most {most:,}.", count=len(text), most=MAX_CHARACTERS)
    if call.source == "numbers":
        return _padded(call, _number_sequences(text))
    return _text_input(call, text)


def _padded(call: CallOptions, sequences: list[np.ndarray], **text: tuple) -> CallInput:
    if len(sequences) > MAX_SEQUENCES:
        raise Problem("There are {count} sequences. Use at most {most}.", count=len(sequences), most=MAX_SEQUENCES)
    longest = max(map(len, sequences))
    length = call.maxlen or longest
    if longest > MAX_STEPS and not call.maxlen:
        raise Problem(
            "A sequence has {count} time steps. Use at most {most}, or cut them with maxlen.",
            count=longest,
            most=MAX_STEPS,
        )
    spans = []
    for sequence in sequences:
        count = min(len(sequence), length)
        spans.append((length - count, length) if call.padding == "pre" else (0, count))
    return CallInput(tuple(sequences), tuple(spans), length, **text)


def _number_sequences(text: str) -> list[np.ndarray]:
    """Parse numbers: one time step a line (or separated by ;), sequences separated by an empty line."""
    if "[" in text:  # a list of lists, as Python prints it
        text = re.sub(r"\]\s*,?\s*", "\n", text).replace("[", " ")
    blocks = [block for block in re.split(r"\n[ \t]*\n", text.replace("\r", "").strip()) if block.strip()]
    if not blocks:
        raise Problem("There are no numbers. Write one time step per line, with commas between the values.")
    sequences: list[list[list[float]]] = []
    for block in blocks:
        lines = [line.strip() for line in re.split(r"[;\n]", block)]
        rows = [re.split(r"[,\s]+", line.rstrip(",").strip()) for line in lines if line.strip(" ,")]
        sequences.append([[parse_number(value) for value in row] for row in rows])
    size, step = len(sequences[0][0]), 0
    for number, sequence in enumerate(sequences, start=1):
        for step, row in enumerate(sequence, start=1):
            if len(row) != size:
                raise Problem(
                    (
                        "The number of values is {count} at time step {step} of sequence {number}, but {size} at the first. "
                        "Write as many values at each time step."
                    ),
                    step=step,
                    number=number,
                    count=len(row),
                    size=size,
                )
    if size > MAX_VALUES:
        raise Problem("A time step has {count} values. Use at most {most}.", count=size, most=MAX_VALUES)
    return [np.array(sequence, np.float32) for sequence in sequences]


def tokenizer_words(text: str) -> list[str]:
    """Return the words of a text as Keras's ``Tokenizer`` splits it: in lower case, without punctuation."""
    return FILTERED.sub(" ", text.lower()).split()


def word_ids(texts: list[list[str]]) -> dict[str, int]:
    """Return the id of each word, from 1: the most frequent word first, of equally frequent ones the one that came first."""
    counts = Counter(word for words in texts for word in words)
    return {word: index for index, (word, _count) in enumerate(counts.most_common(), start=1)}


def _text_input(call: CallOptions, text: str) -> CallInput:
    """Return a text with one sequence a line as ids."""
    lines = [words for words in map(tokenizer_words, text.splitlines()) if words]
    if not lines:
        raise Problem("The text has no words. Write a sentence per line.")
    ids = word_ids(lines)
    words = tuple(ids)[: max(call.num_words - 1, 0)] if call.num_words else tuple(ids)
    kept = [tuple(word for word in line if ids[word] <= len(words)) for line in lines]
    dropped = tuple(dict.fromkeys(word for line in lines for word in line if ids[word] > len(words)))
    if not all(kept):
        raise Problem(
            "No word of “{text}” has an id below num_words = {count}. Raise num_words.",
            text=shorten(" ".join(lines[[not each for each in kept].index(True)])),
            count=call.num_words,
        )
    sequences = [np.array([ids[word] for word in each], np.int64) for each in kept]
    return _padded(call, sequences, words=words, kept=tuple(kept), dropped=dropped)

"""What the scores of an opened network mean: a next symbol or value, a class of the sequence or of each step, or values."""

from __future__ import annotations

import re

from models.checkpoints.building.checkpoint_module import PredictionKind
from models.checkpoints.building.compatibility import DecoderMatrix
from models.checkpoints.checkpoint_data import CheckpointData
from models.checkpoints.parsing.errors import CheckpointError

OF_CLASSES: tuple[PredictionKind, ...] = ("class", "tag")
"""What scores of classes predict: the class of the whole sequence, or of each time step."""

TAGGER_NAME = re.compile(r"(?<![a-z])tag(s|ger)?(?![a-z])", re.IGNORECASE)
"""The name of the output layer of a tagger, such as ``hidden2tag``: it scores a class at each time step."""

CLASS_LIST_NAME = re.compile(r"tag|label|class|categor|intent|slot|entit", re.IGNORECASE)
"""The name of a list of classes, such as ``tag_to_ix`` and ``id2label``."""


def predictions_of_matrix(
    matrix: DecoderMatrix | None, inputs: int, chosen: PredictionKind | None, numeric: bool
) -> PredictionKind:
    """Return what the scores of an output layer predict.

    Unless it is chosen, a layer named as a tagger's scores a class at each step; as many scores as inputs are those of the
    next one; others are those of classes of the whole sequence, or a value for a single score of a network of numbers.

    Args:
        matrix: the output layer, or None.
        inputs: the number of input symbols, or of values per step.
        chosen: what was chosen, or None.
        numeric: whether the input is numbers.

    Raises:
        CheckpointError: they cannot predict what was chosen.
    """
    if matrix is None:
        if chosen not in (None, "nothing"):
            raise CheckpointError("A network without an output layer predicts nothing. Choose an output layer.")
        return "nothing"
    if chosen == "next" and matrix.rows != inputs:
        raise CheckpointError(
            "{name} has {rows} outputs, but the next input is one of {inputs}. Choose another meaning of the outputs.",
            name=matrix.name,
            rows=f"{matrix.rows:,}",
            inputs=f"{inputs:,}",
        )
    if chosen is not None:
        return chosen
    if TAGGER_NAME.search(matrix.name):
        return "tag"
    if matrix.rows == inputs:
        return "next"
    return "values" if matrix.rows == 1 and numeric else "class"


def class_names(checkpoint: CheckpointData, outputs: int, given: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names of the classes that ``outputs`` scores belong to; a single score is that of the second of two.

    They are those ``given``, else those that the file lists under the name of tags, labels or classes, else numbers.

    Raises:
        CheckpointError: there are more or fewer names than classes.
    """
    count = max(2, outputs)
    classes = given or listed_classes(checkpoint, count) or tuple(map(str, range(count)))
    if len(classes) != count:
        raise CheckpointError(
            "There are {given} class names, but {count} classes. Give one name per class.",
            given=len(classes),
            count=count,
        )
    return classes


def listed_classes(checkpoint: CheckpointData, count: int) -> tuple[str, ...] | None:
    """Return the names of ``count`` classes that the file lists, or None."""
    lists = checkpoint.vocabularies.items()
    return next((names for path, names in lists if len(names) == count and CLASS_LIST_NAME.search(path)), None)

"""The bundled networks: a card (NAME.json), weights (NAME.safetensors) and the script that trained them for each.

A network is added by a file that trains it and one line in ``NETWORKS``; ``python -m models.zoo.train NAME`` runs it.
"""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from models.architectures.classifier import Classifier
from models.architectures.language_model import LanguageModel
from models.architectures.number_model import NumberModel
from models.architectures.transformer import TransformerTranslator
from models.architectures.translator import Translator

FOLDER = Path(__file__).parent

NETWORKS: dict[str, str] = {
    "python-lm": "models.zoo.python_source",
    "recall-lstm": "models.zoo.recall",
    "recall-gru": "models.zoo.recall",
    "recall-rnn": "models.zoo.recall",
    "counter": "models.zoo.counting",
    "wave": "models.zoo.wave",
    "sentiment": "models.zoo.sentiment",
    "dates-fixed": "models.zoo.dates",
    "dates-dot": "models.zoo.dates",
    "dates-general": "models.zoo.dates",
    "dates-additive": "models.zoo.dates",
    "dates-transformer": "models.zoo.dates",
}
"""Name -> the module that trains it, which has ``RECIPES[name]`` (see ``models.zoo.recipe``)."""

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "LanguageModel": LanguageModel,
    "NumberModel": NumberModel,
    "Classifier": Classifier,
    "Translator": Translator,
    "TransformerTranslator": TransformerTranslator,
}
"""The classes a card may name in ``architecture["class"]``."""

"""The bundled networks: for each a card (NAME.json), weights (NAME.safetensors) and the script that trained it.

To add a network, write a module that trains it and add a line to ``NETWORKS``; ``python -m models.zoo.train NAME`` runs it.
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
"""By name: the module that trains the network, which defines ``RECIPES[name]`` (see ``models.zoo.recipe``)."""

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "LanguageModel": LanguageModel,
    "NumberModel": NumberModel,
    "Classifier": Classifier,
    "Translator": Translator,
    "TransformerTranslator": TransformerTranslator,
}
"""The classes a card may name in ``architecture["class"]``."""

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
    "python-lm": f"{__name__}.python_source",
    "recall-lstm": f"{__name__}.recall",
    "recall-gru": f"{__name__}.recall",
    "recall-rnn": f"{__name__}.recall",
    "counter": f"{__name__}.counting",
    "wave": f"{__name__}.wave",
    "sentiment": f"{__name__}.sentiment",
    "dates-fixed": f"{__name__}.dates",
    "dates-dot": f"{__name__}.dates",
    "dates-general": f"{__name__}.dates",
    "dates-additive": f"{__name__}.dates",
    "dates-transformer": f"{__name__}.dates",
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

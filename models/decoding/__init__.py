"""Networks that generate a sequence: greedy decoding with interventions, beam search, and contributions of the source."""

from models.decoding.attention_interventions import (
    AttentionTemperature,
    BorrowScores,
    ForceAttention,
    ForceToken,
    Intervention,
    MaskSource,
)
from models.decoding.attention_statistics import coverage, entropy
from models.decoding.beam_search import BeamNode, BeamTree, beam_search
from models.decoding.contributions import Contributions, contributions
from models.decoding.decode import Decoding, decode

__all__ = [
    "AttentionTemperature",
    "BeamNode",
    "BeamTree",
    "BorrowScores",
    "Contributions",
    "Decoding",
    "ForceAttention",
    "ForceToken",
    "Intervention",
    "MaskSource",
    "beam_search",
    "contributions",
    "coverage",
    "decode",
    "entropy",
]

"""Networks that write a sequence: their answer, with interventions; beam search; what each source symbol contributed."""

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
    "ForceAttention",
    "BeamTree",
    "Intervention",
    "Contributions",
    "Decoding",
    "MaskSource",
    "BeamNode",
    "BorrowScores",
    "AttentionTemperature",
    "ForceToken",
    "beam_search",
    "contributions",
    "coverage",
    "decode",
    "entropy",
]

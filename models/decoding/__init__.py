"""Networks that write a sequence: their answer, with interventions; beam search; what each source symbol contributed."""

from models.decoding.attention_interventions import Attend, Change, Hide, Scores, Temperature, Write
from models.decoding.attention_statistics import coverage, entropy
from models.decoding.beam_search import BeamTree, Node, beam
from models.decoding.contributions import Contributions, contributions
from models.decoding.decode import Decoding, decode

__all__ = [
    "Attend",
    "BeamTree",
    "Change",
    "Contributions",
    "Decoding",
    "Hide",
    "Node",
    "Scores",
    "Temperature",
    "Write",
    "beam",
    "contributions",
    "coverage",
    "decode",
    "entropy",
]

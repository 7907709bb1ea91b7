"""Networks that write a sequence: their answer, with interventions; beam search; what each source symbol contributed."""

from models.decoding.beam import BeamTree, Node, beam
from models.decoding.changes import Attend, Change, Hide, Scores, Temperature, Write
from models.decoding.contributions import Contributions, contributions
from models.decoding.decode import Decoding, decode
from models.decoding.measures import coverage, entropy

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

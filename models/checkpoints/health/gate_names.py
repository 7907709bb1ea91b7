"""The names of gates in the sentences of findings."""

from models.core.messages import Sentence

GATE_NAMES = {
    "input_gate": Sentence("input gate"),
    "forget_gate": Sentence("forget gate"),
    "output_gate": Sentence("output gate"),
    "reset_gate": Sentence("reset gate"),
    "update_gate": Sentence("update gate"),
}

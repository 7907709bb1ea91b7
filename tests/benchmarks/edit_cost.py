"""What an edit costs: ``python -m tests.benchmarks.edit_cost``.

From a list of edits to the edited network's reading, on one thread, for the LSTM of 384 units over 200 symbols:
medians in ms, in shuffled turns, beside the reading of the network as it is.
"""

from __future__ import annotations

import random
import statistics
import time

import torch

from models import load_network, run_network
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork, run_edited
from models.gradients.losses import Loss

EDITS = {
    "nothing": "",
    "one weight": "rnn.l0.weight_hh[forget_gate.3,5]=1",
    "a unit's weights": "rnn.l0.reads[3]=0;rnn.l0.writes[3]=0",
    "spectral radius": "rnn.l0.weight_hh.radius=1.1",
    "rounded to 4 bits": "rnn.l0.weight_hh.bits=4",
    "a token": "token[3]=x",
    "a gate, 7 steps": "rnn.l0.forget_gate[3]@2-8=1",
    "a gate, all steps": "rnn.l0.forget_gate[3]=1",
    "a unit at its mean": "rnn.l0.ablate[3]=mean",
    "a state from another text": "rnn.l0.cell@50<3:def f(x):",
}


def main(turns: int = 25) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    network = load_network("python-lm")
    text = (network.card.default.text * 20)[:200]
    lists = {name: read_edits(edits) for name, edits in EDITS.items()}
    timed = {name: lambda edits=edits: run_edited(network, text, edits) for name, edits in lists.items()}
    timed["(read as it is)"] = lambda: run_network(network, text)
    timed["(|dL/dW|)"] = lambda: EditedNetwork(network, lists["one weight"]).sensitivity(text, Loss("every"))
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(turns + 2):
        for name in random.sample(list(timed), len(timed)):
            start = time.perf_counter()
            timed[name]()
            if turn >= 2:
                taken[name].append(1e3 * (time.perf_counter() - start))
    print("ms over 200 symbols, LSTM of 384 units; bar: an edit of weights well under 50")
    for name, times in taken.items():
        print(f"{name:32} {statistics.median(times):7.1f}   fastest {min(times):7.1f}")


if __name__ == "__main__":
    main()

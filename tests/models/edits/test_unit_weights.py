"""The weights of one unit, as lists."""

import numpy as np
import pytest
import torch
from torch import nn

from models import Problem, load_network
from models.edits.edit import Edits, Place, WeightChange
from models.edits.unit_weights import weights_of_unit
from models.edits.weight_edits import apply_weight_edits, parameters_of

KINDS = [nn.RNN, nn.LSTM, nn.GRU]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["reads", "writes"])
def test_the_lists_hold_exactly_what_zeroing_the_unit_sets_to_0(kind, way):
    torch.manual_seed(0)
    module = nn.ModuleDict({"rnn": kind(3, 4, num_layers=2, batch_first=True), "head": nn.Linear(4, 5)})
    known = parameters_of(module)
    for layer in known.cells:
        found = weights_of_unit(known, layer, 2, way)
        zeroed = apply_weight_edits(known, [WeightChange(Place(f"{layer}.{way}", row=2), "=", 0)])
        lost = {name: (values != known.arrays[name]).sum().item() for name, values in zeroed.items()}
        listed: dict[str, int] = {}
        for link in found:
            listed[link.name] = listed.get(link.name, 0) + 1
            # the place that a click picks is the weight that the list shows
            place = Place(link.name, link.gate, link.row, link.column if known.arrays[link.name].dim() > 1 else None)
            [changed] = apply_weight_edits(known, Edits().add(WeightChange(place, "+=", 1.0)).weights).values()
            [at] = torch.nonzero(changed != known.arrays[link.name]).tolist()
            assert float(known.arrays[link.name][tuple(at)]) == link.value
        assert listed == lost
        sizes = [abs(link.value) for link in found]
        assert sizes == sorted(sizes, reverse=True)


def test_the_counters_counting_unit_holds_on_to_itself():
    known = parameters_of(load_network("counter").module)
    written = weights_of_unit(known, "rnn.l0", 0, "writes")
    own = next(each for each in written if (each.name, each.gate, each.row) == ("rnn.l0.weight_hh", "forget_gate", 0))
    assert own.value == np.float32(known.arrays["rnn.l0.weight_hh"][2, 0])
    assert {link.name for link in written} == {"rnn.l0.weight_hh", "head.weight"}


def test_there_is_no_such_unit():
    with pytest.raises(Problem, match=r"rnn\.l0 has no unit 2"):
        weights_of_unit(parameters_of(load_network("counter").module), "rnn.l0", 2, "reads")

"""Hundreds of costly edits are refused in one sentence before any work is done; a usual number of them is made."""

import numpy as np
import pytest

from models import EditedNetwork, load_network, read_edits
from models.core.messages import Problem
from models.edits.costly_edits import MAX_PATCH_TEXTS, MAX_RADII, MAX_ROUNDINGS

RADIUS = "rnn.l0.weight_hh[candidate].radius=1.{}"
NOISE = "rnn.l0.weight_hh.noise=0.001/{}"
BITS = "rnn.l0.weight_hh[candidate].bits=24"
PATCH = "rnn.l0.hidden[0]@1<0:" + "a{}"


def edited(pieces):
    return EditedNetwork(load_network("counter"), read_edits(";".join(pieces)))


@pytest.mark.parametrize(
    ("form", "most", "said"),
    [
        (RADIUS, MAX_RADII, "spectral radius"),
        (NOISE, MAX_ROUNDINGS, "noise or round"),
        (BITS, MAX_ROUNDINGS, "noise or round"),
        (PATCH, MAX_PATCH_TEXTS, "other texts"),
    ],
)
def test_as_many_costly_edits_as_allowed_are_made_and_one_more_is_refused(form, most, said):
    pieces = [form.format("b" * index if form == PATCH else index) for index in range(most + 1)]
    assert np.isfinite(edited(pieces[:-1]).read("aabb").trace.layers["rnn.l0"].hidden).all()
    with pytest.raises(Problem, match=f"{most + 1} .*at most {most} can be"):
        edited(pieces).read("aabb")
    with pytest.raises(Problem, match=said):
        edited(pieces * 9).read("aabb")
    off = edited([*pieces[:-1], "!" + pieces[-1]])  # one that is switched off costs nothing
    assert off.read("aabb").outputs is not None

"""What becomes of the units that track something."""

import numpy as np
import pytest

from models import load_network, read_edits, run_edited, run_network
from models.edits.edited_network import EditedNetwork
from models.edits.tracked_effects import MIN_TRACKED_CHANGE, tracked_effect
from models.states.text_properties import text_properties
from models.states.tracked_units import tracked_units


@pytest.fixture(scope="module")
def known():
    network = load_network("python-lm")
    text = network.card.default.text
    before = run_network(network, text)
    rankings = {layer: tracked_units(network, text, layer) for layer in before.trace.layers}
    return network, text, before, rankings


def indenting(rankings):
    return next(match for match in rankings["rnn.l0"].tracked if match.name == "indentation")


@pytest.mark.slow
def test_a_unit_that_is_cut_off_no_longer_tracks(known):
    network, text, before, rankings = known
    unit = indenting(rankings).unit
    after = run_edited(network, text, read_edits(f"rnn.l0.reads[{unit}]=0"))
    found = tracked_effect(before, after, {"rnn.l0": rankings["rnn.l0"]})
    assert found is not None and found.effect.unit == unit and found.match.name == "indentation" and found.lost
    cells = [each.trace.layers["rnn.l0"].cell[0, :, unit] for each in (before, after)]
    assert (found.effect.before, found.effect.after) == tuple(cell[found.effect.step] for cell in cells)
    wanted = np.corrcoef(cells[0], text_properties(network.tokens(text))["indentation"])[0, 1]
    assert found.correlation == pytest.approx((wanted, 0.0), abs=1e-6)  # the cell does not change: nothing correlates
    assert not cells[1].any()


@pytest.mark.slow
def test_what_hardly_changes_is_no_news(known):
    network, text, before, rankings = known
    assert tracked_effect(before, before, rankings) is None
    after = run_edited(network, text, read_edits("rnn.l0.weight_hh[forget_gate.0,0]+=0.001"))
    assert tracked_effect(before, after, rankings) is None


@pytest.mark.slow
def test_the_most_changed_one_is_told(known):
    network, text, before, rankings = known
    after = run_edited(network, text, read_edits("rnn.l0.forget_gate@20-=0"))
    found = tracked_effect(before, after, rankings)
    assert found is not None and found.effect.share >= MIN_TRACKED_CHANGE
    for layer, ranking in rankings.items():
        old, new = (each.trace.layers[layer].cell[0] for each in (before, after))
        span = 2 * max(np.abs(old).max(), np.abs(new).max())
        for match in ranking.tracked:
            assert np.abs(new - old)[:, match.unit].max() / span <= found.effect.share + 1e-6


@pytest.mark.slow
def test_of_an_edited_text_no_correlation_is_told(known):
    network, text, before, rankings = known
    edited = EditedNetwork(network, read_edits("token[20]+=(;rnn.l0.forget_gate@20-=0"))
    found = tracked_effect(before, edited.read(text), rankings, edited.sequence(text).origin)
    assert found is not None and found.correlation is None and not found.lost

"""A file of a part-of-speech tagger under the lenses: classes of each step, never a next token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from models import load_checkpoint
from models.decoding.run_network import run_network
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from tests.models.checkpoints.test_taggers import LISTS, TAGS, TEXT, Tagger
from tests.support.lens_page import run, start, text_of, widget_at
from tests.support.plain_page import plain_page
from viz.components.array_loader import ARRAY_LOADER, loaded_array
from viz.components.edited_prediction import EDITED_PREDICTION, edited_prediction_data
from viz.components.player import PLAYER, player_data
from viz.components.prediction import PREDICTION, prediction_data
from viz.components.trace_loader import TRACE_LOADER
from viz.pages.states.states_cache import state_values
from viz.payloads.binary_payload import unpack
from viz.payloads.edited_payload import edited_payload
from viz.payloads.layer_payload import layer_payload

LAYER = "lstm.l0"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tagger") / "tagger.pt"
    torch.save({"state_dict": Tagger().state_dict(), **LISTS}, path)
    return path


@pytest.fixture(scope="module")
def runs(file):
    """The run of the network, of the edited network, and the step that each edited step was."""
    net = load_checkpoint(file).network(predicts="tag")
    edited = EditedNetwork(net, read_edits(f"token[2]+=ate;{LAYER}.forget_gate=0"))
    return run_network(net, TEXT), edited.read(TEXT), edited.sequence(TEXT).origin


def test_the_classes_of_each_step_are_sent(runs):
    before, after, origin = runs
    header, arrays = unpack(layer_payload("tags", before, LAYER, None))
    probability = before.prediction.probability
    assert header["predicts"] == "tags" and header["options"]["classes"]["en"] == list(TAGS) and header["top"] == 3
    np.testing.assert_array_equal(arrays["top_probability"], -np.sort(-probability, axis=1))
    assert "next_token" not in arrays and header["vocabulary"] is None
    header, arrays = unpack(edited_payload("tags", before, after, LAYER, "hidden", "id", origin))
    assert header["predicts"] == "tags"
    for step, was in enumerate(origin):
        expected = np.nan if was is None else probability[was].max()
        assert arrays["next_before"][step] == pytest.approx(expected, nan_ok=True)
        chosen = -1 if was is None else int(probability[was].argmax())
        assert arrays["next_token"][step] == chosen
        wanted = np.nan if was is None else after.prediction.probability[step, chosen]
        assert arrays["next_after"][step] == pytest.approx(wanted, nan_ok=True)


@pytest.mark.browser
def test_the_classes_of_the_current_step_are_drawn(browser, runs):
    before, after, origin = runs
    array = loaded_array(state_values(before, LAYER, "hidden"))
    with plain_page(browser, [
        (ARRAY_LOADER, array.payload),
        (TRACE_LOADER, layer_payload("tags", before, LAYER, None)),
        (PLAYER, player_data("tags", view={"step": 2, "unit": 0, "quantity": "hidden", "revision": 1})),
        (PREDICTION, prediction_data("tags")),
        (TRACE_LOADER, edited_payload("changed", before, after, LAYER, "hidden", array.id, origin)),
        (EDITED_PREDICTION, edited_prediction_data("changed")),
    ]) as page:  # fmt: skip
        now, best = page.locator(".unrolled-prediction"), int(before.prediction.best[2])
        expect(now.locator(".unrolled-heading")).to_have_text("Class at time step 3, “read”")
        expect(now.locator(".unrolled-true b")).to_have_text(TAGS[best])
        expect(now.locator(".unrolled-true span")).to_have_text(f"{before.prediction.probability[2, best]:.1%}")
        for place, tag in enumerate(TAGS):
            item = page.locator(f'.unrolled-mirror [data-quantity="probability"][data-token="{tag}"]')
            expect(item).to_have_attribute("data-value", str(float(before.prediction.probability[2, place])))
        changed = page.locator(".unrolled-edited-prediction")
        expect(
            changed.get_by_text("Probability of the class predicted before the edits, per time step")
        ).to_be_visible()
        shown = changed.locator('[data-quantity="probability_after"][data-token="DET"]')
        expect(shown).to_have_text(f"{after.prediction.probability[0, 0]:.3f}")


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "edit", "checkpoint"])
def test_every_lens_shows_a_tagger(file, lens):
    address = {"edits": f"{LAYER}.forget_gate=0"} if lens == "edit" else {}
    page = start(lens, opened=file, layer=LAYER, **address)
    assert not page.error
    if lens == "step":
        assert "Where is the network least certain?" in text_of(page)
        assert "the output layer is applied to the output of every time step" in text_of(page)
    if lens == "edit":
        assert "Probability of the class" in text_of(page)
        page.toggle(key="edit_gradients").set_value(True)
        assert "L = −ln p(“" in text_of(run(page))
    if lens == "checkpoint":
        box = next(each for each in page.selectbox if each.label.startswith("Meaning of the 3 outputs"))
        assert box.value == "tag" and "class of each time step" in box.options
        box.select("class")
        assert run(page).session_state["unrolled"].view.net


@pytest.mark.slow
def test_the_gradients_are_those_of_the_correct_classes(file):
    page = start("gradients", opened=file, layer=LAYER, panel="-")
    widget_at(page.segmented_control, "gradients_asked").set_value("every")
    page = run(page)
    assert "L = sum over all time steps of −ln p(predicted class)" in text_of(page)
    box = page.text_input(key="gradients_classes")
    box.set_value("DET, NN, V, X, NN")
    assert "Unknown class “X”. Choose among these: DET, NN, V." in text_of(run(page))
    page.text_input(key="gradients_classes").set_value("DET, NN")
    page = run(page)
    assert "There are 2 correct classes, but" in text_of(page)
    count = len(load_checkpoint(file).network().encode(page.session_state["unrolled"].view.text)[0])
    page.text_input(key="gradients_classes").set_value(", ".join(["DET"] * count))
    assert "L = sum over all time steps of −ln p(correct class)" in text_of(run(page))

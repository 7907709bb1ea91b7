"""The Edit lens without a browser: what it offers, computes and says."""

import json
import re
from base64 import b64decode
from copy import deepcopy

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from models import EditedNetwork, capture, load_network, read_edits, run_edited, run_network
from models.edits.matrix_csv import write_csv
from models.edits.weight_edits import parameters_of
from models.gradients.losses import Loss
from tests.support.lens_page import mounted_components, plain_text, run, sent_payload, start, text_of, widget_at
from viz.escape import widget_key
from viz.pages.edit.weight_selection import axis_names
from viz.payloads.binary_payload import unpack

BROKEN = "rnn.l0.writes[0]=0"
HANGUL = re.compile("[가-힣]")
PAGES = ("edit", "step", "states", "gradients")


def edits_of(page: AppTest) -> str:
    return page.session_state["unrolled"].view.edits


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    return run(page)


def exact(page: AppTest):
    """The box with the exact value of the entry that is picked."""
    return next(each for each in page.text_input if each.key.startswith("exact_"))


def predicted(page: AppTest, step: int) -> dict[str, tuple[float, float]]:
    """Return the probabilities that the page sends for a step, before and after the edit, by symbol."""
    header, arrays = sent_payload(page, "edit_changed")
    rows = zip(*(arrays[f"pair_{name}"][step].tolist() for name in ("token", "before", "after")), strict=True)
    return {header["vocabulary"][int(token)]: (old, new) for token, old, new in rows if token >= 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("edits", [BROKEN, "rnn.l0.forget_gate[0]@3-5=1", "token[3]=b"])
def test_every_lens_shows_the_edited_network_and_says_so(name, edits):
    page = start(name, net="counter", edits=edits)
    assert "This is an edited network: 1 edit." in text_of(page)
    network = load_network("counter")
    after = run_edited(network, network.card.default.text, read_edits(edits))
    if name in ("step", "states", "edit"):
        assert np.array_equal(sent_payload(page)[1]["hidden"], after.trace.layers["rnn.l0"].hidden[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_switched_off_edits_change_nothing(name):
    page = start(name, net="counter", edits="!" + BROKEN)
    assert "1 edit, switched off." in text_of(page)
    network = load_network("counter")
    if name in ("step", "states", "edit"):
        plain = run_network(network, network.card.default.text)
        assert np.array_equal(sent_payload(page)[1]["hidden"], plain.trace.layers["rnn.l0"].hidden[0])


@pytest.mark.slow
def test_the_experiment_breaks_the_counter_and_undo_mends_it():
    page = press(start("edit", net="python-lm"), "experiment_0")
    view = page.session_state["unrolled"].view
    assert (view.net, view.edits, view.step) == ("counter", BROKEN, 9)
    network, text = load_network("counter"), load_network("counter").card.default.text
    after = run_edited(network, text, read_edits(BROKEN))
    before = run_network(network, text)
    for index, token in enumerate(network.vocabulary or ()):
        values = [float(each.prediction.probability[9, index]) for each in (before, after)]
        assert predicted(page, 9)[token] == pytest.approx(values, abs=1e-6)
    assert "Prediction after time step 10 (“b”): “b” → “.”." in text_of(page)
    press(page, "undo")
    assert edits_of(page) == "" and "edited network" not in text_of(page)
    plain = run_network(network, text).trace.layers["rnn.l0"].hidden[0]
    assert np.array_equal(sent_payload(page)[1]["hidden"], plain)
    press(page, "redo")
    assert edits_of(page) == BROKEN


@pytest.mark.slow
def test_edits_are_switched_removed_and_cleared():
    page = start("edit", net="counter", edits=f"{BROKEN};rnn.l0.forget_bias=1")
    widget_at(page.toggle, "on_0").set_value(False)
    run(page)
    assert edits_of(page) == f"!{BROKEN};rnn.l0.forget_bias=1"
    turns = page.session_state["unrolled"].slider_generation
    press(page, f"out_edit_{turns}_1")
    assert edits_of(page) == f"!{BROKEN}"
    press(page, "edits_on")
    assert edits_of(page) == BROKEN
    press(page, "edits_clear")
    assert edits_of(page) == ""
    press(page, "undo")
    assert edits_of(page) == BROKEN


@pytest.mark.slow
def test_an_exact_value_is_typed():
    page = start("edit", net="counter")
    box = exact(page)
    box.set_value("0.25")
    run(page)
    assert edits_of(page) == "rnn.l0.weight_hh[forget_gate.0,0]=0.25"
    exact(page).set_value("0.5")
    run(page)
    assert edits_of(page) == "rnn.l0.weight_hh[forget_gate.0,0]=0.5"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "fill", "wanted"),
    [
        ("part", {}, "rnn.l0.weight_hh[forget_gate.0]=0"),
        ("unit", {}, BROKEN),
        ("hold", {"hold_value": "1"}, "rnn.l0.input_gate[0]@16-17=1"),
        ("start", {"start_value": "2"}, "rnn.l0.c0[0]=2"),
        ("token", {"token_text": "b"}, "token[16]=b"),
        ("patch", {}, "rnn.l0.hidden@16<16:.aaaaaaaabbbbbbbb."),
    ],
)
def test_every_kind_of_edit_is_added_by_menu(kind, fill, wanted):
    page = start("edit", net="counter")
    page.selectbox(key="edit_kind").set_value(kind)
    run(page)
    for key, value in fill.items():
        page.text_input(key=key).set_value(value)
    run(page)
    if kind == "start":
        page.selectbox(key="start_" + widget_key("rnn.l0")).set_value("cell")
        run(page)
    press(page, f"add_{kind}")
    assert edits_of(page) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"edits": "nonsense"}, "“nonsense” is not a valid edit"),
        ({"edits": "rnn.l0.ablate[9]=zero"}, "rnn.l0 has no unit 9. Choose one from 0 to 1."),
        ({"edits": "rnn.l0.hidden[0]@99=1"}, "Time step 100 does not exist. The sequence ends at time step 6."),
    ],
)
@pytest.mark.parametrize("name", PAGES)
def test_edits_of_a_link_that_do_not_fit_are_dropped_with_a_sentence(name, address, said):
    page = start(name, net="counter", text=".aabb.", **address)
    assert edits_of(page) == ""
    assert page.session_state["unrolled"].view.text == ".aabb."
    [warning] = page.warning
    assert said in warning.value.replace("\\", "")


@pytest.mark.slow
def test_a_value_that_is_no_number_gets_one_sentence():
    page = start("edit", net="counter", edits=BROKEN)
    exact(page).set_value("a lot")
    run(page)
    [warning] = page.warning
    assert "“a lot” is not a finite number" in warning.value
    assert edits_of(page) == BROKEN


@pytest.mark.slow
def test_a_clamp_outside_the_sequence_and_a_radius_of_zero_get_one_sentence():
    page = start("edit", net="counter", edits="rnn.l0.weight_hh=0")
    page.selectbox(key="edit_kind").set_value("hold")
    run(page)
    page.number_input(key="hold_to").set_value(40)
    run(page)
    press(page, "add_hold")
    assert [each.value for each in page.warning] == ["Time step 40 does not exist. The sequence ends at time step 18."]
    page.selectbox(key="edit_kind").set_value("part")
    run(page)
    page.selectbox(key="part_what").set_value("block")
    page.selectbox(key="part_how").set_value("radius")
    run(page)
    press(page, "add_part")
    [warning] = page.warning
    assert "The spectral radius of rnn.l0.weight" in warning.value
    assert edits_of(page) == "rnn.l0.weight_hh=0"


@pytest.mark.slow
def test_edits_that_another_text_has_no_room_for_are_switched_off_and_kept():
    held = "rnn.l0.forget_gate[0]@9-12=1"
    page = start("edit", net="counter", edits=f"{BROKEN};{held}")
    [text] = [each for each in page.text_area if each.value == ".aaaaaaaabbbbbbbb."]
    text.set_value(".aabb.")
    run(page)
    assert page.session_state["unrolled"].view.text == ".aabb."
    assert [each.value for each in page.warning] == ["Time step 10 does not exist. The sequence ends at time step 6."]
    assert edits_of(page) == f"{BROKEN};!{held}"
    assert "This is an edited network: 1 edit. 1 more is switched off." in text_of(page)
    after = run_edited(load_network("counter"), ".aabb.", read_edits(BROKEN))
    assert np.array_equal(sent_payload(page)[1]["hidden"], after.trace.layers["rnn.l0"].hidden[0])
    [text] = [each for each in page.text_area if each.value == ".aabb."]
    text.set_value(".aaaaaaaabbbbbbbb.")
    run(page)
    press(page, "undo")
    assert edits_of(page) == f"{BROKEN};{held}"


@pytest.mark.slow
def test_another_network_begins_without_edits():
    page = start("edit", net="counter", edits=BROKEN)
    widget_at(page.selectbox, "choose_net").set_value("wave")
    run(page)
    assert edits_of(page) == ""


def test_it_speaks_korean():
    page = start("edit", net="counter", edits=BROKEN, lang="ko")
    said = text_of(page)
    assert "편집한 신경망" in said and HANGUL.search(said)
    assert "edited" not in said


@pytest.mark.slow
def test_held_values_leave_the_exact_gradient_norms():
    page = start("gradients", net="counter", edits="rnn.l0.forget_gate[0]@3-5=1")
    assert "Some values are fixed: no gradient flows through them" in text_of(page)


def test_the_downloaded_weights_are_those_of_the_edited_module():
    from safetensors.torch import load

    edited = EditedNetwork(load_network("counter"), read_edits(BROKEN))
    state = edited.network.module.state_dict()
    assert all((state[name] == values).all() for name, values in load(edited.save()).items())


@pytest.mark.slow
@pytest.mark.parametrize("edits", [BROKEN, "rnn.l0.forget_gate[0]@3-5=1", "token[3]+=b"])
def test_the_gradients_are_taken_when_asked_for(edits):
    page = start("edit", net="counter", edits=edits)
    page.toggle(key="edit_gradients").set_value(True)
    run(page)
    assert any("partial L" in each.value for each in page.latex)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1,2\n3,4\n", "The values have shape 2 × 2, but rnn.l0.weight_hh has shape 8 × 2."),
        (b"1,2\n3\n", "The number of values is 1 in row 2 of the CSV, but 2 in the first row."),
        (b"1,2\n3,x\n", "“x” is not a finite number"),
        (b"", "The values have shape 0, but rnn.l0.weight_hh has shape 8 × 2."),
        (b"\xff\xfe\x00", "is not a finite number"),
    ],
)
def test_a_csv_that_does_not_fit_gets_one_sentence(content, said):
    page = start("edit", net="counter")
    page.selectbox(key="edit_kind").set_value("csv")
    run(page)
    page.file_uploader(key="csv_file").upload("matrix.csv", content)
    run(page)
    press(page, "add_csv")
    [warning] = page.warning
    assert said in warning.value.replace("\\", "")
    assert edits_of(page) == ""


@pytest.mark.slow
def test_a_csv_that_fits_is_the_matrix_that_runs():
    values = np.linspace(-1, 1, 16, dtype=np.float32).reshape(8, 2)
    page = start("edit", net="counter")
    page.selectbox(key="edit_kind").set_value("csv")
    run(page)
    page.file_uploader(key="csv_file").upload("matrix.csv", write_csv(values).encode())
    run(page)
    press(page, "add_csv")
    network = load_network("counter")
    module = deepcopy(network.module)
    with torch.no_grad():
        module.rnn.weight_hh_l0.copy_(torch.from_numpy(values))
        with capture(module) as trace:
            module(network.encode(network.card.default.text))
    assert np.array_equal(sent_payload(page)[1]["hidden"], trace.layers["rnn.l0"].hidden[0])


@pytest.mark.slow
def test_the_table_holds_the_exact_values():
    page = start("edit", net="counter", state={"edit_table": True})
    [table] = page.data_editor
    weights = load_network("counter").module.rnn.weight_hh_l0.detach().numpy()[2:4]
    assert np.array_equal(table.value[["0", "1"]].to_numpy().astype(np.float32), weights)
    assert "too many for a table" not in text_of(page)


def test_the_units_weights_are_listed_and_picked():
    page = start("edit", net="counter")
    [listed] = [json.loads(each.json) for each in mounted_components(page)["unit_weight_list"]]
    reads, writes = (each["rows"] for each in listed["lists"])
    network = load_network("counter")
    row = network.vocabulary.index("b")
    [score] = [row for row in writes if row["label"] == "→ score of “b”"]
    assert score["at"] == ["head.weight", None, row, 0]
    assert np.float32(score["value"]) == network.module.head.weight.detach().numpy()[row, 0]
    assert reads[0]["label"] == "input gate ← “.”" and abs(reads[0]["value"]) >= abs(reads[1]["value"])


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["next", "every", "unit"])
def test_the_matrix_is_tinted_by_the_chosen_loss(asked):
    page = start("edit", net="counter", unit="1", step="9", look=f"color:sensitivity;loss:{asked}")
    [matrix] = [json.loads(each.json) for each in mounted_components(page)["weight_matrix"]]
    shown = np.frombuffer(b64decode(matrix["colour_values"]), "<f4").reshape(2, 2)
    loss = Loss(asked, step=9 if asked != "every" else 0, unit=1 if asked == "unit" else 0)
    edited = EditedNetwork(load_network("counter"), read_edits(""))
    text = edited.base.card.default.text
    wanted = edited.sensitivity(text, loss, "rnn.l0" if asked == "unit" else None)["rnn.l0.weight_hh"][2:4]
    assert np.array_equal(shown, wanted) and wanted.any()


def test_a_link_carries_no_more_than_a_browser_does():
    page = start("edit", net="counter", edits="!" + ";!".join([BROKEN] * 500))
    [warning] = page.warning
    assert "at most 8,000 are allowed" in warning.value.replace("\\", "") and edits_of(page) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("recall-lstm", "rnn.l0.forget_gate@12=0"),
        ("python-lm", "rnn.l0.forget_gate=0"),
        ("sentiment", "rnn.l0.hidden=0"),
    ],
)
def test_both_gradients_are_those_of_one_loss_and_it_is_named(name, edits):
    network = load_network(name)
    text = network.card.default.text
    last = len(run_network(network, text).labels) - 1
    page = start("edit", net=name, edits=edits, step=str(last), look="color:sensitivity")
    page.toggle(key="edit_gradients").set_value(True)
    run(page)
    layer = page.session_state["unrolled"].view.layer
    plain = run_network(network, text).prediction
    if name == "recall-lstm":
        target = network.vocabulary.index("Moscow")
    else:
        target = plain.best if name == "sentiment" else int(plain.probability[last].argmax())
    asked = Loss("next" if name == "python-lm" else "answer", last, target)
    wanted = [EditedNetwork(network, read_edits(each)).differentiate(text, asked) for each in ("", edits)]
    ends = [np.linalg.norm(each.trace.layers[layer].gradients.hidden[0, -1]) for each in wanted]
    [told] = [each.value for each in page.latex if "partial L" in each.value]
    assert rf"{ends[0]:.4g} \;\to\; {ends[1]:.4g}" in told
    named = (plain.classes["en"] if name == "sentiment" else plain.vocabulary)[target]
    captions = [text for text in map(plain_text, (each.value for each in page.caption)) if text.startswith("L = ")]
    assert captions and f"−ln p(“{named}”)" in captions[-1]


@pytest.mark.slow
def test_an_edit_sends_what_it_changes():
    """Of python-lm, with 590,000 weights in a matrix: a few kilobytes of the matrix, and the part of the run in sight."""
    page = start("edit", net="python-lm", edits="rnn.l0.weight_hh[forget_gate.0,0]=0.25", panel="matrix")
    found = mounted_components(page)
    [matrix], loaders = found["weight_matrix"], {proto.bytes[:32].decode(): proto for proto in found["array_loader"]}
    data = json.loads(matrix.json)
    loader = loaders.pop(data["base"])
    assert len(matrix.json) < 25_000
    assert (data["changed"], np.frombuffer(b64decode(data["values"]), "<f4").tolist()) == ([0], [0.25])
    before = np.frombuffer(loader.bytes[32:], "<f4").copy()
    before[0] = 0.25
    network = EditedNetwork(load_network("python-lm"), read_edits(edits_of(page)))
    assert np.array_equal(before.reshape(384, 384), network.weights()["rnn.l0.weight_hh"][384:768])
    trace = [proto.bytes for proto in found["trace_loader"] if unpack(proto.bytes)[0]["view_id"] == "edit"]
    near = [proto.bytes for proto in found["trace_loader"] if unpack(proto.bytes)[0].get("of")]
    assert len(near) == 1 and sum(map(len, trace)) < 500_000
    [changed] = [unpack(proto.bytes) for proto in found["trace_loader"] if b'"edit_changed"' in proto.bytes]
    assert set(loaders) == {changed[0]["options"]["compared"]["array"]}  # what was before the edit, once
    assert [name.partition(":")[0] for name in changed[1] if ":" in name] == ["after"]
    first = [proto.bytes for proto in found["array_loader"]]
    page.session_state["unrolled"].set_edits(read_edits("rnn.l0.weight_hh[forget_gate.0,0]=0.5"))
    again = mounted_components(run(page))["array_loader"]
    assert [proto.bytes for proto in again] == first  # equal messages are sent as their hashes


def test_rows_of_the_output_layer_are_named_by_the_classes():
    network = load_network("sentiment")
    parameters, run_ = parameters_of(network.module), run_network(network, network.card.default.text)
    [name] = [each for each in parameters.arrays if each.endswith("weight") and len(parameters.arrays[each]) == 2]
    assert axis_names(parameters, name, run_)[0] == list(network.card.classes["en"])

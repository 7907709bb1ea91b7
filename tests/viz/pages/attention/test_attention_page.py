"""The Attention lens without a browser: what it offers, computes and says."""

import json
from itertools import zip_longest

import numpy as np
import pytest

from models import load_network, read_edits, run_edited
from models.decoding import AttentionTemperature, BorrowScores, ForceAttention, ForceToken, MaskSource, decode
from tests.support.attention_app import (
    TEXT,
    mirrored_outputs,
    mounted_components,
    press_button,
    run,
    sent_payload,
    start,
    text_of,
    view_of,
)
from tests.support.lens_page import widget_at
from viz.escape import widget_key

RECURRENT = ("dates-dot", "dates-general", "dates-additive")
ATTENDING = (*RECURRENT, "dates-transformer")

TRANSLATORS = ("dates-fixed", "dates-dot", "dates-transformer")


# -- the networks ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("net", ["python-lm", "counter", "sentiment", "wave", "dates-fixed"])
def test_a_network_without_attention_is_told_in_one_sentence_and_another_is_one_click_away(net):
    page = start(net=net)
    [said] = [each.value for each in page.info if "no attention" in each.value]
    assert said.startswith(load_network(net).card.title["en"]) and said.count(".") == 1
    assert not {"decoder_view", "attention_alignment", "token_contributions"} & mounted_components(page).keys()
    text = view_of(page).text
    press_button(page, "attention_offer")
    assert view_of(page).net == "dates-additive"
    assert (view_of(page).text == text) == (net == "dates-fixed")
    assert {"decoder_view", "attention_alignment", "token_contributions", "attention_formulas"} <= mounted_components(
        page
    ).keys()


@pytest.mark.slow
def test_nothing_chosen_opens_a_network_with_attention():
    page = start()
    assert view_of(page).net == "dates-additive" and "decoder_view" in mounted_components(page)


@pytest.mark.slow
@pytest.mark.parametrize("net", ATTENDING)
def test_what_is_drawn_is_what_the_network_wrote(net):
    page = start(net=net, text=TEXT, step="3")
    decoding = decode(load_network(net), TEXT)
    header, arrays = sent_payload(page)
    name = header["layer"]
    attention = decoding.attention[name]
    head = view_of(page).unit if net == "dates-transformer" else 0
    np.testing.assert_allclose(arrays["attention_weight"], attention.weights[0, head], atol=1e-6)
    assert header["tokens"] == list(decoding.target) and header["options"]["source"] == list(TEXT.replace(" ", "␣"))
    assert view_of(page).step == 3
    data = json.loads(mounted_components(page)["decoder_view"][0].json)
    assert data["view"]["step"] == 3 and data["view"]["source"] is None
    assert decoding.answer in text_of(page)


@pytest.mark.slow
def test_another_network_that_writes_keeps_the_text_and_the_step():
    page = start(net="dates-dot", text=TEXT, step="4", attend="hide[2]")
    widget_at(page.selectbox, "attention_net").set_value("dates-general")
    run(page)
    view = view_of(page)
    assert (view.net, view.text, view.step, view.attend) == ("dates-general", TEXT, 4, "")
    widget_at(page.selectbox, "attention_net").set_value("counter")
    run(page)
    assert view_of(page).net == "counter" and view_of(page).text != TEXT


@pytest.mark.slow
def test_edited_weights_are_attended_with():
    edits = "head.weight[2]=0;head.bias[2]=-50"  # it cannot write a hyphen any more
    network = load_network("dates-dot")
    page = start(net="dates-dot", text=TEXT, edits=edits)
    header, _arrays = sent_payload(page)
    assert "-" not in header["tokens"]
    after = run_edited(network, TEXT, read_edits(edits))
    assert header["tokens"] == list(after.decoder_input[1:]) + header["tokens"][-1:]


# -- the view ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_step_of_the_encoder_is_none_of_the_output():
    page = start(net="dates-dot", text=TEXT, layer="encoder.l0", step="9")
    assert (view_of(page).layer, view_of(page).step) == ("decoder.l0", 0)


@pytest.mark.slow
def test_the_address_names_a_head_and_a_symbol():
    page = start(
        net="dates-transformer", text=TEXT, layer="decoder.layers.0.multihead_attn", unit="2", step="1", source="5"
    )
    header, _arrays = sent_payload(page)
    assert (header["layer"], header["options"]["head"]) == ("decoder.layers.0.multihead_attn", 2)
    assert json.loads(mounted_components(page)["decoder_view"][0].json)["view"]["source"] == 5
    widget_at(page.button_group, "attention_head").set_value(0)
    run(page)
    assert sent_payload(page)[0]["options"]["head"] == 0 and view_of(page).unit == 0
    widget_at(page.button_group, "attention_layer").set_value(1)
    run(page)
    assert sent_payload(page)[0]["layer"] == view_of(page).layer == "decoder.layers.1.multihead_attn"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"attend": "nonsense"}, "“nonsense” is not a valid attention change"),
        ({"attend": "attend[99]@3"}, "Input token 100 does not exist. Choose one from 1 to 16."),
        ({"attend": "scores=dates-fixed"}, "cannot use the attention scores of"),
        ({"attend": "write@2=x"}, "cannot output “x”"),
        ({"attend": "temperature=-1"}, "The temperature must be a finite number greater than 0"),
        ({"step": "99"}, "The link's value 99 for “step” is out of range. Use 0 to 10."),
        ({"source": "-3"}, "“source” cannot be “-3”"),
    ],
)
def test_what_a_link_asks_for_in_vain_is_one_sentence(address, said):
    page = start(net="dates-dot", text=TEXT, **address)
    [warning] = page.warning
    assert said in warning.value.replace("\\", "")
    view = view_of(page)
    assert (view.text, view.attend, view.source) == (TEXT, "", None)
    assert sent_payload(page)[0]["tokens"] == list(decode(load_network("dates-dot"), TEXT).target)


@pytest.mark.slow
@pytest.mark.parametrize("net", TRANSLATORS)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The input text is empty"),
        ("x" * 2001, "2,001 time steps"),
        ("ๆๆๆ", "contains none of the tokens of this text"),
    ],
)
def test_a_text_that_cannot_be_read_is_one_sentence_and_the_last_good_view_stays(net, text, said):
    page = start(net=net, text=TEXT)
    page.text_area[0].set_value(text)
    run(page)
    [warning] = page.warning
    assert said in warning.value.replace("\\", "")
    assert view_of(page).text == TEXT and page.text_area[0].value == text


@pytest.mark.slow
@pytest.mark.parametrize("net", TRANSLATORS)
def test_a_link_with_such_a_text_opens_the_networks_own(net):
    page = start(net=net, text="ๆ")
    assert len(page.warning) == 1
    assert (view_of(page).net, view_of(page).text) == (net, "the fourth of August, 2024")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "cell"), [("dates-fixed", "GRU"), ("dates-transformer", "none (attention instead of recurrence)")]
)
def test_the_card_says_which_cell_it_has(net, cell):
    facts = start(net=net, state={"network_card": True}).dataframe[0].value
    assert facts.loc[facts["property"] == "cell type", "value"].item().startswith(cell)


@pytest.mark.slow
def test_it_opens_with_an_example_in_the_readers_language():
    assert view_of(start(net="dates-dot", lang="ko")).text == "우리는 2024년 8월 4일 일요일에 만나요"
    assert view_of(start(net="dates-dot", lang="en")).text == "the fourth of August, 2024"


@pytest.mark.slow
@pytest.mark.parametrize("net", TRANSLATORS[1:])
def test_two_thousand_characters_are_answered_and_contributions_wait_to_be_asked_for(net):
    page = start(net=net, text="the " * 500)
    assert not page.warning and "token_contributions" not in mounted_components(page)
    assert "probability of the whole output" in text_of(page)
    assert page.button(key="ask_contributions")
    assert "contribution_gradient" not in sent_payload(page)[1]


@pytest.mark.slow
def test_a_date_in_neither_language_is_answered_with_its_uncertainty():
    text = "le 4 août de l'an 2024"
    page = start(net="dates-dot", text=text)
    decoding = decode(load_network("dates-dot"), text)
    said = text_of(page)
    chance = np.exp(decoding.log_probability)
    assert decoding.answer in said and (f"{chance:.1%}" in said or ">99.9%" in said or "<0.1%" in said)
    assert "û" in said  # not in its vocabulary


@pytest.mark.slow
def test_what_is_no_date_is_said_to_be_none():
    page = start(net="dates-dot", text=TEXT, attend="write@5=9")
    assert "-9" in decode(load_network("dates-dot"), TEXT, (ForceToken(5, "9"),)).answer
    assert "The output is not a valid ISO 8601 date or interval" in text_of(page)
    assert "not a valid ISO 8601" not in text_of(start(net="dates-dot", text=TEXT))


# -- changes -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("net", ATTENDING)
def test_forced_attention_changes_the_output_and_undo_restores_it(net):
    network = load_network(net)
    page = start(net=net, text=TEXT, step="6", source="10")  # the month's last digit, made to read the day's
    before = decode(network, TEXT)
    press_button(page, "attention_force")
    after = decode(network, TEXT, (ForceAttention(10, 6),))
    assert view_of(page).attend == "attend[10]@6"
    header, arrays = sent_payload(page)
    assert header["tokens"] == list(after.target)
    assert arrays["attention_weight"][6].tolist() == [float(place == 10) for place in range(len(TEXT))]
    rows = mirrored_outputs(page, "changed_output")
    assert rows == {"before": "".join(before.target), "after": "".join(after.target)}
    if net != "dates-transformer":
        others = [step for step, pair in enumerate(zip_longest(before.target, after.target), 1) if len(set(pair)) > 1]
        one = f"Only the output token at step {others[0]} changes; other probabilities may change too."
        said = one if len(others) == 1 else f"From step {others[0]} on, {len(others)} output tokens change."
        assert after.answer != before.answer and said in text_of(page)
    press_button(page, "attention_undo")
    assert view_of(page).attend == "" and sent_payload(page)[0]["tokens"] == list(before.target)
    assert mirrored_outputs(page, "changed_output") == {}
    press_button(page, "attention_redo")
    assert sent_payload(page)[0]["tokens"] == list(after.target)


@pytest.mark.slow
def test_every_change_is_made_by_the_controls_and_taken_back_by_its_own():
    network = load_network("dates-dot")
    page = start(net="dates-dot", text=TEXT, step="6", source="3")
    press_button(page, "attention_hide")
    widget_at(page.selectbox, "attention_scores").set_value("dates-general")
    run(page)
    next(each for each in page.button_group if each.key.startswith("attention_said")).set_value("5")
    run(page)
    assert view_of(page).attend == "hide[3];scores=dates-general;write@6=5"
    expected = decode(network, TEXT, (MaskSource(3), BorrowScores(load_network("dates-general")), ForceToken(6, "5")))
    header, arrays = sent_payload(page)
    assert header["tokens"] == list(expected.target) and header["options"]["scores_from"] == "dates-general"
    np.testing.assert_allclose(arrays["attention_weight"], expected.attention["attention"].weights[0, 0], atol=1e-6)
    turns = page.session_state["unrolled"].slider_generation
    press_button(page, f"attention_out_{turns}_{widget_key('hide[3]')}")
    assert view_of(page).attend == "scores=dates-general;write@6=5"
    widget_at(page.selectbox, "attention_scores").set_value("")
    run(page)
    assert view_of(page).attend == "write@6=5"
    for _ in range(5):
        press_button(page, "attention_undo")
    assert view_of(page).attend == "" and page.button(key="attention_undo").disabled


@pytest.mark.slow
def test_one_head_alone_is_forced():
    page = start(
        net="dates-transformer", text=TEXT, layer="decoder.layers.1.multihead_attn", unit="3", step="2", source="0"
    )
    page.radio(key="attention_in").set_value("layer 2, head 4 only")
    run(page)
    press_button(page, "attention_force")
    assert view_of(page).attend == "attend[0]@2/1.3"
    attention = decode(load_network("dates-transformer"), TEXT, (ForceAttention(0, 2, 1, 3),)).attention
    weights = attention["decoder.layers.1.multihead_attn"].weights[0]
    assert weights[3, 2, 0] == 1 and weights[2, 2, 0] < 1
    np.testing.assert_allclose(sent_payload(page)[1]["attention_weight"], weights[3], atol=1e-6)


@pytest.mark.slow
def test_a_link_carries_a_temperature():
    page = start(net="dates-dot", text=TEXT, attend="temperature=8")
    expected = decode(load_network("dates-dot"), TEXT, (AttentionTemperature(8.0),))
    np.testing.assert_allclose(
        sent_payload(page)[1]["attention_score"], expected.attention["attention"].scores[0, 0], atol=1e-5
    )
    assert "temperature 8" in [each.label for each in page.button]

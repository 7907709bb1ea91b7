"""The Step lens without a browser: what the page chooses, sends and says."""

import json
import math
import re

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from models import load_network
from models.core.trace import load_trace
from tests.support import lens_page, oracle
from tests.support.browser import ROOT
from tests.support.lens_page import plain_text, run, widget_at
from viz.payloads.binary_payload import unpack

NETWORKS = ("python-lm", "recall-lstm", "recall-gru", "recall-rnn", "counter", "wave", "sentiment")
HANGUL = re.compile("[가-힣]")


@pytest.fixture(autouse=True)
def no_file_named(monkeypatch):
    monkeypatch.setattr("sys.argv", ["app.py"])


def start(card: bool = False, **address: str) -> AppTest:
    """Open the page, with the network's card open or not."""
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    if card:
        page.session_state["network_card"] = True
    page.query_params.update({"panel": "*"} | address)
    return run(page)


def address(page: AppTest) -> dict[str, str]:
    return {name: value[-1] if isinstance(value, list) else value for name, value in page.query_params.items()}


def warnings(page: AppTest) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", warning.value) for warning in page.warning]


def captions(page: AppTest) -> list[str]:
    return [plain_text(each.value) for each in page.caption]


def view(page: AppTest):
    return page.session_state["unrolled"].view


def components(page: AppTest) -> dict[str, list]:
    found: dict[str, list] = {}
    for element in page.main:
        if element.type == "bidi_component":
            found.setdefault(element.proto.component_name.removeprefix("unrolled_"), []).append(element.proto)
    return found


def sent(page: AppTest):
    """Return the header and arrays of the current layer that the page sends to the browser."""
    return unpack(components(page)["trace_loader"][0].bytes)


def type_(page: AppTest, text: str) -> AppTest:
    page.text_area[0].set_value(text)
    return run(page)


def choose(page: AppTest, what: str, value: object) -> AppTest:
    widget_at(page.selectbox, f"choose_{what}").set_value(value)
    return run(page)


def hidden(name: str, text: str, layer: str) -> np.ndarray:
    """A layer's hidden states (T, H), a step at a time."""
    net = load_network(name)
    return oracle.network(net.module, net.encode(text))[layer]["hidden"].numpy()


@pytest.mark.slow
def test_nothing_chosen_opens_the_first_network_at_its_interesting_step():
    page = start()
    begins = load_network("python-lm").card.default
    chosen = view(page)
    assert (chosen.net, chosen.text, chosen.layer) == ("python-lm", begins.text, begins.layer)
    assert (chosen.unit, chosen.step, chosen.quantity) == (begins.unit, begins.step, begins.quantity)
    assert not warnings(page) and page.info[0].value == begins.why["en"].replace(" -", " −")
    header, arrays = sent(page)
    assert header["layer"] == begins.layer and arrays["hidden"].shape == (len(begins.text), 384)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lang"), [*((each, "en") for each in NETWORKS), ("counter", "ko"), ("sentiment", "ko")]
)
def test_every_network_shows_its_own_numbers(name, lang):
    page = choose(start(lang=lang), "net", name)
    card = load_network(name).card
    last = widget_at(page.selectbox, "choose_layer").options[-1]
    choose(page, "layer", last)
    header, arrays = sent(page)
    assert (header["layer"], header["kind"]) == (last, card.architecture["cell"])
    np.testing.assert_allclose(arrays["hidden"], hidden(name, card.default.text, last), rtol=0, atol=1e-5)
    assert address(page)["net"] == name and not warnings(page)
    assert card.task[lang] in page.text_area[0].label
    assert {"player", "cell_diagram", "equations", "gate_sum", "prediction"} <= components(page).keys()
    assert len(components(page)["heatmap"]) == 2


@pytest.mark.slow
def test_another_text_is_read_from_its_end():
    page = type_(start(step="3"), "while True:\n    pass")
    header, _arrays = sent(page)
    assert header["tokens"][10:13] == [":", "⏎", "␣"] and view(page).step == 19
    np.testing.assert_allclose(
        sent(page)[1]["hidden"], hidden("python-lm", "while True:\n    pass", "rnn.l0"), rtol=0, atol=1e-5
    )


@pytest.mark.slow
def test_an_example_becomes_the_text():
    page = start()
    text = load_network("python-lm").card.examples[2].text
    widget_at(page.selectbox, "choose_example").set_value(text)
    run(page)
    assert page.text_area[0].value == text == address(page)["text"]


@pytest.mark.slow
def test_another_layer_keeps_text_and_step_but_opens_its_own_unit():
    page = choose(start(net="sentiment", layer="rnn.l0", step="3", unit="5"), "layer", "rnn.l0_reverse")
    begins = load_network("sentiment").card.default
    unit = begins.unit if begins.layer == "rnn.l0_reverse" else 0
    assert (view(page).layer, view(page).step, view(page).unit) == ("rnn.l0_reverse", 3, unit)
    assert sent(page)[0]["layer"] == "rnn.l0_reverse"


@pytest.mark.slow
def test_another_network_starts_at_its_own_view():
    page = choose(start(step="11", unit="99", layer="rnn.l0"), "net", "recall-gru")
    begins = load_network("recall-gru").card.default
    assert (view(page).layer, view(page).unit, view(page).step) == (begins.layer, begins.unit, begins.step)
    assert page.text_area[0].value == begins.text


@pytest.mark.slow
def test_unknown_characters_are_shown_as_themselves_in_brackets():
    page = type_(start(), "x = '한글'")
    assert any("[한], [글]" in text.replace("\\", "") for text in captions(page))
    assert sent(page)[0]["tokens"][5:7] == ["[한]", "[글]"] and not warnings(page)


@pytest.mark.slow
def test_own_text_without_a_word_that_a_network_knows_does_not_prevent_its_choice():
    page = choose(start(net="sentiment", text="휴대폰이 또 고장 났어", lang="ko"), "net", "recall-gru")
    assert address(page)["net"] == "recall-gru" and not warnings(page)
    assert address(page)["text"] == load_network("recall-gru").card.default.text


def test_unknown_words_are_marked_and_own_text_stays_between_networks_that_read_words():
    text = "My pangolin came back from Rome ."
    page = type_(start(net="recall-lstm"), text)
    for net in ("recall-gru", "sentiment", "recall-rnn"):
        page = choose(page, "net", net)
        assert (view(page).net, view(page).text) == (net, text)
        assert "[pangolin]" in sent(page)[0]["tokens"] and "�" not in sent(page)[0]["tokens"]
        assert (
            len([each for each in warnings(page) if "[pangolin]" in each]) == 2
        )  # below the text, beside the prediction
    page = choose(page, "net", "python-lm")
    assert view(page).text == load_network("python-lm").card.default.text


@pytest.mark.slow
@pytest.mark.parametrize(("language", "letters"), [("en", "[a-zA-Z]"), ("ko", "[가-힣]")])
def test_examples_in_the_readers_language_come_first(language, letters):
    options = widget_at(start(net="sentiment", lang=language).selectbox, "choose_example").options
    own = [re.match(letters, option) is not None for option in options]
    assert own == sorted(own, reverse=True) and 0 < sum(own) < len(own)


BAD = [
    ("python-lm", ""),
    ("python-lm", "한글만"),
    ("python-lm", "x" * 100_000),
    ("counter", "xyz"),
    ("counter", "aab?"),
    ("recall-lstm", "zebra quagga"),
    ("recall-lstm", " \n "),
    ("wave", "0.1, two, 0.3"),
    ("wave", "1, nan"),
    ("wave", ""),
    ("wave", "9e99"),
    ("wave", "1 " * 100_000),
]


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(("name", "text"), BAD, ids=[f"{name}-{text[:9]!r}" for name, text in BAD])
def test_what_cannot_be_read_is_told_once_and_the_last_good_view_stays(name, text, lang):
    page = start(net=name, lang=lang, step="2", unit="1", panel="-cell,-equations,-prediction,-sum")
    before, payload = address(page), sent(page)
    type_(page, text)
    assert len(warnings(page)) == 1 and bool(HANGUL.search(re.sub("“[^”]*”", "", warnings(page)[0]))) == (lang == "ko")
    assert address(page) == before and sent(page)[0]["id"] == payload[0]["id"]
    assert page.text_area[0].value == text  # to be mended
    shown = page.info[0].value
    assert ("cannot be used" if lang == "en" else "쓸 수 없어요") in shown
    run(page)
    assert page.text_area[0].value == text
    choose(page, "net", "python-lm" if name != "python-lm" else "counter")
    assert not warnings(page) and page.text_area[0].value != text


@pytest.mark.slow
def test_a_mended_text_is_read():
    page = type_(start(net="counter"), "aabbx")
    type_(page, "aabb")
    assert not warnings(page) and address(page)["text"] == "aabb" and len(sent(page)[0]["tokens"]) == 4


NONSENSE = {
    "net": "nothing",
    "text": "x" * 3000,
    "layer": "rnn.l9",
    "unit": "-1",
    "step": "soon",
    "quantity": "reset_gate",
    "lang": "xx",
}


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("piece", [name for name in NONSENSE if name != "lang"])
def test_each_piece_of_nonsense_in_a_link_is_one_sentence(piece, lang):
    page = start(**{piece: NONSENSE[piece], "lang": lang})
    assert len(warnings(page)) == 1 and bool(HANGUL.search(warnings(page)[0])) == (lang == "ko")
    assert address(page) == address(start(lang=lang))


@pytest.mark.slow
@pytest.mark.parametrize("path", ["", "states", "gradients", "edit"])
def test_a_link_to_a_layer_that_is_gone_is_one_sentence_and_keeps_the_rest(path):
    """python-lm had two layers of 128 units."""
    link = {"net": "python-lm", "text": "if a:", "unit": "42", "step": "4", "quantity": "forget_gate"}
    page = lens_page.start(path, layer="rnn.l1", **link) if path else start(layer="rnn.l1", **link)
    assert [each for each in warnings(page) if "rnn.l1" in each] == warnings(page) and len(warnings(page)) == 1
    assert address(page) | link | {"layer": "rnn.l0"} == address(page)


@pytest.mark.slow
def test_nonsense_in_every_piece_of_a_link_at_once():
    page = start(**NONSENSE)
    assert len(warnings(page)) == len(set(warnings(page))) >= 5
    assert address(page) == address(start())


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "step"), [("384", "0"), ("0", "9999")])
def test_a_link_beyond_the_sequence_says_how_far_it_goes(unit, step):
    page = start(unit=unit, step=step)
    assert len(warnings(page)) == 1 and re.search(r"Use 0 to (383|169)", warnings(page)[0])


@pytest.mark.slow
def test_a_link_whose_text_cannot_be_read_still_opens_its_network():
    page = start(net="counter", text="hello")
    assert len(warnings(page)) == 1 and address(page)["net"] == "counter"
    assert address(page)["text"] == load_network("counter").card.default.text


@pytest.mark.slow
def test_a_link_opens_exactly_its_view():
    link = {
        "net": "recall-gru",
        "text": "Seoul greets me. I am travelling in",
        "layer": "rnn.l0",
        "unit": "7",
        "step": "4",
        "quantity": "update_gate",
        "lang": "ko",
    }
    page = start(**link)
    assert address(page) == link | {"panel": "*"} and not warnings(page)
    assert sent(page)[0]["tokens"][:2] == ["Seoul", "greets"]


@pytest.mark.slow
def test_the_player_is_told_where_the_view_is_and_reports_where_it_went():
    page = start(step="5", unit="6")
    data = json.loads(components(page)["player"][0].json)
    assert (data["view"]["step"], data["view"]["unit"]) == (5, 6)


@pytest.mark.slow
def test_a_run_of_many_steps_is_shown():
    page = type_(start(), "x = 1\n" * 333)
    assert not warnings(page) and len(sent(page)[0]["tokens"]) == 1998


@pytest.mark.slow
def test_the_card_of_every_network_can_be_read():
    page = start(panel="-cell,-equations,-prediction,-sum", card=True)
    for name in NETWORKS:
        choose(page, "net", name)
        assert any(load_network(name).card.title["en"] in each.value for each in page.markdown)


def test_the_saved_numbers_are_the_runs(tmp_path):
    from models.decoding.run_network import run_network
    from viz.pages.downloads import _npz

    reading = run_network(load_network("counter"), ".aabb")
    (tmp_path / "run.npz").write_bytes(_npz(reading))
    opened = load_trace(tmp_path / "run.npz")
    for name, layer in reading.trace.layers.items():
        for quantity in layer.quantities:
            np.testing.assert_array_equal(opened.layers[name][quantity], layer[quantity])
    assert opened.tokens == reading.labels


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_about_tells_every_accuracy_of_the_review_reader(lang):
    page = start(net="sentiment", lang=lang, card=True)
    metrics = load_network("sentiment").card.metrics
    tables = [each.value for each in page.dataframe]
    shown = [row for table in tables for row in table.values.tolist()]
    for name in ("accuracy", "accuracy_of_bag_of_words", "accuracy_negated_by_language"):
        assert list(metrics[name].values()) in shown, name
    for way in metrics["accuracy_by_padding"].values():
        assert list(way.values()) in [row[1:] for row in shown]
    heads = " ".join(str(name) for table in tables for name in table.columns)
    assert ("부정" if lang == "ko" else "with negation") in heads and "negated" not in heads


@pytest.mark.slow
@pytest.mark.parametrize(("name", "look_for"), [("wave", "dashed line"), ("sentiment", "Change one word")])
def test_what_to_look_for_in_a_prediction_is_said_of_that_prediction(name, look_for):
    assert any(look_for in text for text in captions(start(net=name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["python-lm", "recall-gru", "counter"])
def test_the_mean_surprisal_is_said_as_bits_and_as_perplexity(name):
    network = load_network(name)
    ids = network.encode(network.card.default.text)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(network.module(ids)[0, :-1].double(), ids[0, 1:]).item()
    said = f"{loss / math.log(2):.2f} bits, a perplexity of 2^{loss / math.log(2):.2f} = {math.exp(loss):.3g}."
    assert any(said in text for text in captions(start(net=name)))
    assert not any("perplexity" in text for text in captions(start(net="wave")))


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_first_line_says_what_the_page_shows_and_offers_the_smallest_network(language):
    page = start(lang=language)
    first = plain_text(next(element.value for element in page.main if element.type == "caption"))
    assert "LSTM" in first and ("students" if language == "en" else "학생") in first
    page.button(key="smallest").click()
    run(page)
    assert view(page).net == "counter" and view(page).text == load_network("counter").card.default.text
    assert "smallest" not in [button.key for button in page.button]
    assert load_network("counter").module.rnn.hidden_size == 2  # as the button says


def test_the_card_says_how_a_network_was_trained_and_which_units_follow_the_text():
    card = load_network("python-lm").card
    tables = [each.value for each in start(net="python-lm", lang="ko", card=True).dataframe]
    assert not start(net="python-lm", lang="ko").dataframe  # it is drawn only while it is open
    facts = next(each for each in tables if "가중치 감쇠" in each.to_string()).to_string()
    assert f"{card.training['seconds']:,.0f}초" in facts and card.training.get("device", "CPU") in facts
    shown = next(each for each in tables if "r" in each.columns)
    assert len(shown) == len(card.metrics["units"])
    best = max(card.metrics["units"].values(), key=lambda found: abs(found["correlation"]))
    assert shown.iloc[0].tolist()[1:3] == [best["layer"], str(best["unit"])]
    assert shown.iloc[0]["r"] == f"{best['correlation']:.2f}".replace("-", "−")

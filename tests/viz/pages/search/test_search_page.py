"""The Search lens without a browser: its hits are the index's, its numbers those of the states themselves."""

import json
import random
import re

import numpy as np
import pytest
import torch

from models import capture, load_network, network_names
from models.corpus.build_index import IndexOptions, build_index
from models.corpus.checked_arrays import read_part
from models.corpus.nearest_lists import build_lists
from models.corpus.nearest_states import nearest_states
from models.corpus.pattern_search import find_pattern, pattern_of_span
from models.corpus.read_sources import Document
from models.corpus.unit_contexts import strongest_contexts
from tests.support.inline_training import InlineQueue
from tests.support.lens_page import run, start, text_of, widget_at
from viz.pages.search.corpus_choice import OWN_TEXT
from viz.pages.search.index_store import MAX_CHARACTERS, start_index
from viz.pages.search.sample_corpora import sample_documents

TOKEN = re.compile(r'<span( data-match="")?[^>]*data-step="(\d+)" data-value="([^"]+)"')


def lists(page):
    """Return by list the tokens of each hit: (whether in the match, step in the document, value)."""
    found = []
    for each in page.get("html"):
        if 'class="unrolled-hits"' in each.proto.body:
            rows = each.proto.body.split('<div class="unrolled-hit">')[1:]
            found.append(
                [[(bool(m), int(step), float(value)) for m, step, value in TOKEN.findall(row)] for row in rows]
            )
    return found


def index_of(name):
    network = load_network(name)
    return network, start_index(network, sample_documents(network)).result()


@pytest.mark.parametrize("name", [name for name in network_names() if name != "dates-transformer"])
def test_every_bundled_network_has_texts_to_search(name):
    network, index = index_of(name)
    assert index.steps > 500
    default = network.card.default
    assert index.about["unknown"] <= 0.01 * index.steps
    layer = default.layer if default.layer in index.layers else next(iter(index.layers))  # encoders alone are indexed
    unit = min(default.unit, index.layers[layer] - 1)
    page = start(
        "search",
        net=name,
        layer=layer,
        unit=str(unit),
        panel="unit_contexts,-found_spans,-text_search,-nearest_states",
    )
    quantity = "cell" if default.quantity == "cell" else "hidden"
    found = strongest_contexts(index, layer, quantity, unit)
    (shown,) = lists(page)
    assert len(shown) == len(found.steps)
    for row, step, value in zip(shown, found.steps.tolist(), found.values.tolist(), strict=True):
        (matched,) = [(place, each) for is_match, place, each in row if is_match]
        assert matched == (step - index.document_at(step).start, value)


def test_the_spans_found_are_those_of_the_question():
    network, index = index_of("recall-lstm")
    text = network.card.examples[0].text
    with torch.inference_mode(), capture(network) as trace:
        network.run(network.encode(text))
    values = trace.layers["rnn.l0"].hidden[0]
    count = len(values)
    look = f"span:{count - 4}-{count - 1}"
    page = start("search", net="recall-lstm", text=text, quantity="hidden", look=look, panel="found_spans")
    pattern = pattern_of_span(values, count - 4, count, 0.3)
    found = find_pattern(index, "rnn.l0", "hidden", pattern)
    assert f"{found.total:,} spans of the corpus have these units on" in text_of(page)
    rows = lists(page)[0]
    for row, start_at, stop in zip(rows, found.start.tolist(), found.stop.tolist(), strict=False):
        first = index.document_at(start_at).start
        assert [step for is_match, step, _value in row if is_match] == list(range(start_at - first, stop - first))
        stored = index.read("states/rnn.l0/hidden", slice(start_at, stop)).astype(np.float64)
        for unit, negative in zip(pattern.units, pattern.negative, strict=True):
            assert ((stored[:, unit] <= -0.3) if negative else (stored[:, unit] >= 0.3)).all()


def test_nearest_states_begin_with_the_state_itself_if_the_corpus_has_it():
    network, index = index_of("counter")
    text = index.document_text(3)
    page = start(
        "search",
        net="counter",
        text=text,
        step="5",
        quantity="hidden",
        panel="nearest_states,-found_spans,-unit_contexts,-text_search",
    )
    with torch.inference_mode(), capture(network) as trace:
        network.run(network.encode(text))
    state = trace.layers["rnn.l0"].hidden[0, 5]
    found = nearest_states(index, "rnn.l0", "hidden", state, 20, per_document=2)
    assert found.distances[0] < 0.002
    (shown,) = lists(page)
    assert [next(s for m, s, _v in row if m) for row in shown] == [
        step - index.document_at(step).start for step in found.steps.tolist()
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("(", "The regular expression is not valid"),
        ("zzzzqqq", "No token of the corpus matches."),
        ("property:nothing=1", "The corpus has no property “nothing”"),
        ("property:inside_quotes=x", "“inside_quotes” has numbers"),
        ("property:position=1..x", "“x” is not a number."),
        ("(?s).+", "not none, and not all"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(asked, said):
    look = "find:" + asked.replace("\\", "\\\\").replace(";", "\\;")
    page = start("search", net="recall-rnn", look=look, panel="text_search,-found_spans,-unit_contexts,-nearest_states")
    assert said in text_of(page).replace("\\", "")


def test_a_link_restores_the_questions_and_their_answers():
    text = load_network("recall-lstm").card.examples[0].text
    page = start("search", net="recall-lstm", quantity="hidden", text=text, step="2", panel="*", look="find:[a-z]+")
    count = int(widget_at(page.slider, span_name(page)).max)
    widget_at(page.slider, span_name(page)).set_range(count - 3, count)
    run(page)
    widget_at(page.number_input, "search_threshold").set_value(0.25)
    for name, value in (("search_metric", "cosine"), ("search_contexts", "smallest")):
        widget_at(page.get("button_group"), name).set_value(value)
    run(page)
    kept = next(each for each in page.get("button_group") if (each.key or "").startswith("search_units_"))
    chosen = list(kept.value[1:])
    kept.set_value(chosen)
    run(page)
    params = dict(page.query_params)
    look = params["look"] if isinstance(params["look"], str) else params["look"][-1]
    span = f"{count - 4}-{count - 1}"
    assert {f"span:{span}", "threshold:0.25", "metric:cosine", "contexts:smallest"} <= set(look.split(";"))
    assert f"kept:{','.join(map(str, chosen))}@{span}" in look
    again = start("search", **params)
    assert lists(again) == lists(page) and len(lists(page)) == 4
    assert text_of(again) == text_of(page)


def span_name(page):
    """Return the name of the slider of the span, which has the number of the run."""
    return next(each.key.rpartition(":")[0] for each in page.slider if each.key.startswith("search_span_"))


def test_hits_have_their_properties_and_what_they_share(tmp_path):
    network = load_network("counter")
    documents = [
        Document(f"d{place}", ".aabb.ab.aaabbb.", {"kind": "odd" if place % 2 else "even", "user": 16_777_217})
        for place in range(9)
    ]
    build_index(network, documents, tmp_path / "index", IndexOptions(), scheduler="here")
    page = start("search", opened=tmp_path / "index", net="counter", look="find:aaa", panel="text_search,-found_spans")
    body = next(each.proto.body for each in page.get("html") if 'data-hits="9"' in each.proto.body)
    assert body.count("kind: odd") >= 4 and "user: 16777217" in body and "line length: " in body.replace("&#10;", "\n")
    assert "More frequent at these places" in text_of(
        start("search", opened=tmp_path / "index", net="counter", panel="*")
    )


def test_a_property_is_probed_at_the_press_of_a_button(monkeypatch):
    monkeypatch.setattr("models.training.queued_calls.shared_queue", InlineQueue)
    page = start(
        "search", net="counter", look="probed:line_position;onset:position", panel="probes,readable_when,-none"
    )
    page.button(key="search_start_probes").click()
    run(page)
    told = text_of(page).replace("\\", "")
    assert "The label can be read linearly from the state" in told or "gives this answer" in told
    assert "steps of the corpus; intervals are over the test texts" in told
    page.button(key="search_start_readable_when").click()
    assert "“position” neither is 0 or 1" in text_of(run(page))
    assert run(page).button(key="search_start_readable_when")


def test_fixed_points_are_drawn_with_the_trajectories(monkeypatch):
    monkeypatch.setattr("models.training.queued_calls.shared_queue", InlineQueue)
    page = start("search", net="counter", look="given:zero", panel="fixed_points,-none")
    page.button(key="search_start_fixed_points").click()
    run(page)
    assert "Found under this input, from" in text_of(page)
    (chart,) = [each for each in page.get("plotly_chart") if "search_fixed_points" in each.proto.id]
    names = [each.get("name") for each in json.loads(chart.proto.spec)["data"]]
    assert names[:2] == ["texts of the corpus", "this text"] and any("point, " in each for each in names[2:])


def test_own_texts_are_read_at_the_press_of_a_button():
    page = start("search", net="counter", look="indexed:own", state={OWN_TEXT: ".aabb.\n\n.ab.ab."})
    page.session_state[OWN_TEXT] = ".aabb.\n\n.ab.ab."
    run(page)
    button = next(each for each in page.button if each.key == "search_build")
    button.click()
    run(page)
    assert "13 tokens of 2 documents." in text_of(page)
    page.session_state[OWN_TEXT] = "xyz"
    run(page)
    next(each for each in page.button if each.key == "search_build").click()
    run(page)
    assert "which the vocabulary of" in text_of(page)


def test_an_index_from_the_command_line_is_searched_and_that_of_another_network_refused(tmp_path):
    network = load_network("counter")
    documents = [Document("a", ".aabb.ab."), Document("b", ".aaabbb.")]
    build_index(network, documents, tmp_path / "index", IndexOptions(), scheduler="here")
    page = start("search", opened=tmp_path / "index", net="counter")
    assert "17 tokens of 2 documents." in text_of(page)
    page = start("search", opened=tmp_path / "index", net="recall-rnn")
    assert "This index was made with another network (counter)" in text_of(page)


def test_a_corpus_that_is_too_large_for_a_page_is_refused():
    network = load_network("counter")
    with pytest.raises(ValueError, match="a page indexes at most"):
        start_index(network, [Document("a", "." * (MAX_CHARACTERS + 1))])


def test_the_nearest_of_a_large_index_are_found_in_another_process_and_their_recall_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("models.training.queued_calls.shared_queue", InlineQueue)
    monkeypatch.setattr("viz.pages.search.queued_answer.AT_ONCE_STEPS", 10)
    monkeypatch.setattr("models.corpus.nearest_states.EXACT_STEPS", 10)
    network = load_network("counter")
    folder = tmp_path / "index"
    source = random.Random(0)
    documents = [Document(str(number), "".join(source.choices("ab.", k=30))) for number in range(60)]
    index = build_index(network, documents, folder, IndexOptions(), scheduler="here")
    question = {"net": "counter", "quantity": "hidden", "panel": "nearest_states,-none"}
    page = start("search", opened=folder, **question)
    page.button(key="search_start_nearest_states").click()
    assert len(lists(run(page))[0]) == 20 and "inverted lists" not in text_of(page)
    about = build_lists(index, "rnn.l0", "hidden", "cosine")
    page = start("search", opened=folder, look="metric:cosine", **question)
    page.button(key="search_start_nearest_states").click()
    run(page)
    assert len(lists(page)[0]) == 20
    assert f"of the nearest states of 100 places they find {about.recall:.1%}" in text_of(page)


def test_the_units_of_a_large_index_are_compared_in_another_process(monkeypatch):
    question = {"net": "counter", "look": "find:a", "panel": "text_search,-none"}
    direct = start("search", **question)
    monkeypatch.setattr("models.training.queued_calls.shared_queue", InlineQueue)
    monkeypatch.setattr("viz.pages.search.queued_answer.AT_ONCE_STEPS", 10)
    page = start("search", **question)
    assert "search_apart" not in {each.key for each in page.button_group}
    page.button(key="search_start_text_search").click()
    run(page)
    assert page.button_group(key="search_apart").options == direct.button_group(key="search_apart").options


READERS = ("pattern_search", "corpus_index", "unit_distribution", "nearest_states", "shared_tokens")


def test_a_rerun_reads_nothing_of_the_index_again(monkeypatch):
    index_of("python-lm")
    page = start("search", net="python-lm")
    before = lists(page), [each.value for each in page.dataframe]
    read = []

    def reading(array, selection):
        read.append((array.path, selection))
        return read_part(array, selection)

    for module in READERS:
        monkeypatch.setattr(f"models.corpus.{module}.read_part", reading)
    run(page)
    assert not read
    assert lists(page) == before[0] and len(before[0]) == 4
    assert [each.value.to_dict() for each in page.dataframe] == [each.to_dict() for each in before[1]]
    other = start("search", net="python-lm", unit="3")
    assert read and lists(other) != before[0]

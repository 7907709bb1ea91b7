"""The Attention lens without a browser: the panels beside the attention, recorded runs, and other networks."""

import base64
import json
import math
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from streamlit.testing.v1 import AppTest
from torch import nn

from models import capture, load_network
from models.checkpoints.building.build import default_setup
from models.decoding import beam_search, decode
from models.networks.timing import Timing
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
from viz.figures.beam_tree import beam_tree
from viz.figures.positional_encoding import positional_encoding
from viz.pages import cache, checkpoint_store
from viz.pages.attention import transformer_panels

ATTENDING = ("dates-dot", "dates-general", "dates-additive", "dates-transformer")


# -- beside it ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_text_goes_through_all_of_them():
    page = start(net="dates-dot", text=TEXT)
    rows = mirrored_outputs(page, "compared_output")
    for name in ("dates-fixed", *ATTENDING):
        assert rows[name] == "".join(decode(load_network(name), TEXT).target)
    grown = mirrored_outputs(page, "grown_output_without")
    assert next(iter(grown)) == f"{len(TEXT)} characters" and len(grown) == 5
    assert grown[f"{len(TEXT)} characters"] == rows["dates-fixed"]


@pytest.mark.slow
def test_a_text_with_two_dates_is_new_each_time_and_can_be_looked_at():
    page = start(net="dates-dot", text=TEXT)
    first = mirrored_outputs(page, "unseen_output")
    press_button(page, "attention_another")
    second = mirrored_outputs(page, "unseen_output")
    assert first != second and all("/" in output for output in second.values())
    press_button(page, "attention_take")
    assert "".join(sent_payload(page)[0]["tokens"]) == second["dates-dot"]


@pytest.mark.slow
def test_accuracy_against_length_is_that_of_the_cards():
    page = start(net="dates-additive", text=TEXT)
    charts = [json.loads(each.proto.spec)["data"] for each in page.get("plotly_chart")]
    drawn = [lines for lines in charts if {line.get("name") for line in lines} == {"dates-fixed", *ATTENDING}]
    for lines, metric in zip(drawn, ("exact_date_by_length", "exact_interval_by_length"), strict=True):
        for line in lines:
            measured = load_network(line["name"]).card.metrics[metric]
            assert dict(zip(line["customdata"], line["y"], strict=True)) == {
                each.replace("-", "–"): share for each, share in measured.items()
            }


@pytest.mark.slow
def test_the_beam_has_a_tree_for_both():
    page = start(net="dates-dot", text=TEXT)
    widget_at(page.slider, "attention_width").set_value(2)
    run(page)
    for name in ("dates-dot", "dates-fixed"):
        tree = beam_search(load_network(name), TEXT, 2)
        said = text_of(page).replace("\\", "")
        title = load_network(name).card.title["en"]
        assert f"**{title}** · candidates kept: {tree.answer(tree.leaves[0])}" in said


def test_a_tree_is_dotted_where_it_is_hardly_possible():
    tree = beam_search(load_network("dates-fixed"), "4 Aug 2024", 4)
    drawn = {True: 0, False: 0}
    for line in beam_tree(tree).data[:-1]:
        drawn[line.line.dash == "dot"] += sum(each is None for each in line.x)
    chances = [math.exp(node.log_probability) for node in tree.nodes if node.parent >= 0]
    assert drawn == {True: sum(each < 0.01 for each in chances), False: sum(each >= 0.01 for each in chances)}
    assert min(drawn.values()) > 3


def test_positions_are_counted_from_0_as_in_their_formula():
    figure = positional_encoding(np.zeros((90, 4)), ["x"] * 90)
    axis = figure.layout.xaxis
    assert all(int(said) == place for place, said in zip(axis.tickvals, axis.ticktext, strict=True))
    assert figure.data[0].customdata[0][7][0] == 7


@pytest.mark.slow
def test_every_head_is_there_and_one_is_large():
    page = start(net="dates-dot", text=TEXT)
    data = json.loads(mounted_components(page)["attention_heads"][0].json)
    found = {group["kind"]: len(group["heads"]) for group in data["groups"]}
    assert found == {"source": 8, "written": 8, "cross": 8}
    assert f"`{data['picked']['name']}`" in text_of(page)


@pytest.mark.slow
def test_times_are_measured_when_asked_for(monkeypatch):
    asked = []

    def measured(runs, lengths, symbols):
        for length in (16, 32):
            for name, encode in runs.items():
                found = encode(torch.full((1, length), 3))
                asked.append((name, tuple((found if name == "dates-transformer" else found[0]).shape)))
                yield Timing(name, length, length / 1000)

    monkeypatch.setattr(transformer_panels, "measure_times", measured)
    page = start(net="dates-dot", text=TEXT)
    assert "No measurements yet." in text_of(page)
    press_button(page, "attention_measure")
    assert asked == [(name, (1, length, 64)) for length in (16, 32) for name in ("dates-additive", "dates-transformer")]
    assert "No measurements yet." not in text_of(page)
    run(page)
    assert len(asked) == 4


@pytest.mark.slow
def test_the_four_shapes_are_bundled_networks_that_run():
    page = start(net="dates-dot", text=TEXT)
    drawn = {
        data["view_id"]: data for data in (json.loads(each.json) for each in mounted_components(page)["sequence_shape"])
    }
    assert drawn["shape_writes"]["inputs"] == ["i", None, None, None, None] and drawn["shape_writes"]["fed"]
    assert drawn["shape_writes"]["outputs"] == list("mport")
    assert drawn["shape_judges"]["outputs"][-1] in ("positive", "negative")
    assert drawn["shape_expects"]["inputs"] == list("def␣f(")
    assert drawn["shape_translates"]["outputs"][-1] == "⊣" and drawn["shape_translates"]["inputs"][0] == TEXT[0]
    page.text_input(key="attention_first").set_value("f")
    run(page)
    drawn = {
        data["view_id"]: data for data in (json.loads(each.json) for each in mounted_components(page)["sequence_shape"])
    }
    assert drawn["shape_writes"]["inputs"][0] == "f"
    page.text_input(key="attention_first").set_value("뷁")
    run(page)
    assert len(page.warning) == 1


@pytest.mark.slow
def test_it_speaks_korean():
    page = start(net="dates-dot", text=TEXT, lang="ko", attend="attend[10]@6")
    said = text_of(page)
    for words in (
        "어텐션 디코더의 시점별 계산",
        "어텐션 바꿔 보기",
        "순환 신경망의 네 가지 입출력 구조",
        "시점 7에서 “3”(11번째 토큰)만 참조",
    ):
        assert words in said or words in [each.label for each in page.button]
    for english in ("writes", "attention", "symbol", "step "):
        assert not re.search(rf"(?<![\w`.\-/]){english}(?![\w`.\-])", said), english


# -- a saved run -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run of a user's own module, and what torch says its weights are."""
    torch.manual_seed(5)
    module = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
    x = torch.randn(3, 6, 16)
    with torch.no_grad(), capture(module) as trace:
        module(x)
    path = tmp_path_factory.mktemp("saved") / "mine.npz"
    trace.save(path)
    with torch.no_grad():
        weights = module.self_attn(x, x, x, need_weights=True, average_attn_weights=False)[1]
    return path, weights.numpy()


def drawn(page: AppTest) -> np.ndarray:
    [chart] = page.get("plotly_chart")
    values = json.loads(chart.proto.spec)["data"][0]["z"]
    return np.frombuffer(base64.b64decode(values["bdata"]), np.float32).reshape(6, 6) if "bdata" in values else values


@pytest.mark.slow
def test_anybodys_saved_attention_is_drawn_head_by_head(saved):
    path, weights = saved
    page = start(opened=path)
    assert view_of(page).net == "mine.npz" and page.selectbox(key="recorded_module").value == "self_attn"
    np.testing.assert_allclose(drawn(page), weights[0, 0], atol=1e-5)
    next(each for each in page.number_input if each.label == "Head").set_value(3)
    page.number_input(key="row").set_value(2)
    run(page)
    np.testing.assert_allclose(drawn(page), weights[1, 2], atol=1e-5)
    terms = weights[1, 2] * np.log2(weights[1, 2])
    assert f"Mean attention entropy: {-terms.sum(1).mean():.2f} bits" in text_of(page)


@pytest.mark.slow
def test_a_run_without_recurrence_is_one_sentence_elsewhere(saved):
    page = start("step", opened=saved[0])
    [warning] = page.warning
    assert "mine.npz has no recurrent layer. View it on the Attention page." in warning.value
    assert view_of(page).net == "python-lm"


# -- an opened checkpoint ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_opened_encoder_decoder_has_no_attention_but_a_beam(tmp_path):
    torch.manual_seed(2)
    shapes = {"enc_emb": (6, 4), "dec_emb": (5, 4), "fc_w": (5, 8), "fc_b": (5,)}
    tensors = {name: torch.randn(shape) for name, shape in shapes.items()}
    for part in ("enc", "dec"):
        tensors |= {f"{part}.{name}": value for name, value in nn.GRU(4, 8).state_dict().items()}
    path = tmp_path / "speaks.safetensors"
    save_file(tensors, path)
    plain = checkpoint_store.open_path(path)
    setup = default_setup(plain.parts, vocabulary=tuple("abcde⏎"), target_vocabulary=("<s>", "</s>", "x", "y", "z"))
    name = plain.run_as(setup).name
    page = start(net=name, text="abc")
    decoding = decode(cache.network(name), "abc")
    assert "no attention" in text_of(page) and "decoder_view" not in mounted_components(page)
    assert not page.button(key="attention_offer").disabled and "compared_output" not in str(page.get("html"))
    tree = beam_search(cache.network(name), "abc", 3)
    said = text_of(page).replace("\\", "")
    assert f"**speaks.safetensors** · candidates kept: {tree.answer(tree.leaves[0])}" in said
    assert decoding.source == ("a", "b", "c")

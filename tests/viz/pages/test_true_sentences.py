"""Sentences that hold for one kind of cell or for one case only: each is said where it is true, in both languages."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from models.gradients.clipping import clipping
from models.gradients.initialized import InitConfig, initialized_layer, random_sequence
from models.zoo import FOLDER
from models.zoo.recall import readable_recall_text
from tests.support.lens_page import start, text_of
from viz.i18n import use_language
from viz.pages.checkpoint.spectra_panel import eigenvalue_caption
from viz.pages.checkpoint.weight_distributions import forget_bias_caption
from viz.pages.downloads import curves_caption
from viz.pages.gradients.compare_cells import Training, vanishing_verdict
from viz.pages.gradients.jacobian_panels import activation_slope_caption
from viz.pages.states.sensitivity_panel import influence_caption

KINDS = ("RNN", "LSTM", "GRU")
NETS = {"RNN": "recall-rnn", "LSTM": "recall-lstm", "GRU": "recall-gru"}
GATES = {
    "RNN": [],
    "LSTM": ["forget gate", "input gate", "output gate"],
    "GRU": ["update gate", "reset gate"],
}


def gates_in(text):
    return sorted(set(re.findall(r"(forget|input|output|update|reset) gate", text.lower())))


@pytest.mark.parametrize("kind", KINDS)
def test_captions_name_the_gates_of_the_cell_and_no_others(kind):
    own = {gate.split()[0] for gate in GATES[kind]}
    for caption in (
        forget_bias_caption,
        activation_slope_caption,
        curves_caption,
        influence_caption,
        eigenvalue_caption,
    ):
        assert set(gates_in(caption(kind))) <= own, caption.__name__
        with use_language("ko"):
            korean = caption(kind)
        names = {"RNN": [], "LSTM": ["망각", "입력", "출력"], "GRU": ["업데이트", "리셋"]}[kind]
        assert set(re.findall("(망각|입력|출력|업데이트|리셋) 게이트", korean)) <= set(names)
    assert bool(forget_bias_caption(kind)) == (kind != "RNN")


def test_eigenvalues_are_a_matter_of_growth_in_a_vanilla_rnn_only():
    assert "backpropagation makes their directions grow at every time step" in eigenvalue_caption("RNN")
    for kind in ("LSTM", "GRU"):
        assert "only a measure of scale, not of memory" in eigenvalue_caption(kind)
        assert "grow" not in eigenvalue_caption(kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_power_of_the_radius_stands_beside_a_vanilla_rnn_only(kind):
    page = start("checkpoint", net=NETS[kind])
    formulas = " ".join(each.value for each in page.get("markdown") + page.get("latex"))
    assert (r"\rho^{10}" in formulas) == (kind == "RNN")
    assert eigenvalue_caption(kind) in text_of(page)


def test_the_factor_of_the_direct_path_is_the_gate_as_autograd_has_it():
    """Compare the caption of the derivatives with autograd: along c the factor is f, not a slope."""
    torch.manual_seed(0)
    cell = nn.LSTMCell(3, 5).double()
    h, c, x = torch.zeros(1, 5).double(), torch.randn(1, 5).double(), torch.randn(1, 3).double()
    through = torch.autograd.functional.jacobian(lambda c: cell(x, (h, c))[1], c)[0, :, 0]
    forget = (cell.weight_ih @ x[0] + cell.bias_ih + cell.bias_hh)[5:10].sigmoid()
    torch.testing.assert_close(through, torch.diag(forget))
    assert "along the cell state the factor is the forget gate instead" in activation_slope_caption("LSTM")
    assert "by W_hh" in activation_slope_caption("RNN") and "instead" not in activation_slope_caption("RNN")


VERDICTS = [
    ({"RNN": 1e-6, "LSTM": 0.5, "GRU": 0.1}, None, "the RNN has vanished (below 0.001); that of the LSTM has not."),
    ({"RNN": 1e-6, "LSTM": 1e-4, "GRU": 0.1}, None, "Vanished (below 0.001): RNN, LSTM; not vanished: GRU."),
    ({"RNN": 1e-6, "LSTM": 0.1, "GRU": 1e-5}, None, "Vanished (below 0.001): RNN, GRU; not vanished: LSTM."),
    ({"RNN": 0.1, "LSTM": 1e-5, "GRU": 0.2}, None, "Vanished (below 0.001): LSTM; not vanished: RNN, GRU."),
    ({"RNN": 0.1, "LSTM": 0.2, "GRU": 0.2}, None, "No gradient has vanished (all at least 0.001 × the last step's)"),
    ({"RNN": 1e-9, "LSTM": 1e-4, "GRU": 1e-5}, None, "All gradients have vanished (below 0.001). The LSTM's"),
    ({"RNN": 1e-9, "LSTM": 1e-5, "GRU": 1e-4}, None, "All gradients have vanished (below 0.001)."),
    ({"RNN": 0.4, "LSTM": 0.2, "GRU": 0.2}, Training(0.6, 1.2, 1e-9), "Unlike the textbook case, the gradient of this RNN"),
    ({"RNN": 0.4, "LSTM": 0.2, "GRU": 0.2}, Training(1.2, 0.9, 1e-9), "from 1.20 to 0.90. Before training, the first word"),
    ({"RNN": 0.4, "LSTM": 0.2, "GRU": 0.2}, Training(0.6, 1.2, 0.2), "of this RNN has not vanished. Training changed"),
    ({"RNN": 4.0, "LSTM": 0.2, "GRU": 0.2}, Training(0.6, 1.2, 1e-9), "grows during backpropagation (exploding gradient)."),
]  # fmt: skip


@pytest.mark.parametrize(("ratios", "training", "sentence"), VERDICTS)
def test_the_verdict_names_what_has_vanished_and_nothing_else(ratios, training, sentence):
    said = vanishing_verdict(ratios, training)
    assert sentence in said
    if training is not None:
        assert "raised" not in said and ("textbook" in said) == (training.ratio_before < 1e-3 and ratios["RNN"] <= 1)
        assert ("Before training" in said) == (training.ratio_before < 1e-3)
    with use_language("ko"):
        korean = vanishing_verdict(ratios, training)
    assert re.search("[가-힣]", korean) and not re.search(r"[a-z]{4,} [a-z]{3,}", korean)


@pytest.mark.slow
def test_clipping_scales_every_step_alike():
    """Compare the panel's sentence with torch: one factor for the whole gradient."""
    module = nn.RNN(2, 5, batch_first=True)
    module(torch.randn(1, 9, 2))[0].square().sum().backward()
    before = {name: weight.grad.clone() for name, weight in module.named_parameters()}
    found = clipping(module, 0.1)
    torch.nn.utils.clip_grad_norm_(module.parameters(), 0.1)
    for name, weight in module.named_parameters():
        torch.testing.assert_close(weight.grad, before[name] * found.coefficient)
    page = start("gradients", net="recall-rnn", text=readable_recall_text(8, "en", 0))
    said = text_of(page)
    assert (
        "all bars shrink by the same factor, so the direction of the gradient stays and only its length changes" in said
    )
    assert "Half of the gradient norm shown comes from" in said and "lose" not in said.split("6 · ")[1]


@pytest.mark.slow
def test_the_plane_says_that_near_points_may_be_far_apart():
    said = text_of(start("states", net="recall-lstm"))
    assert "This is a 2-D projection, so points that look close may be far apart." in said
    with use_language("ko"):
        assert "treated differently" not in said


@pytest.mark.slow
def test_a_cosine_of_one_is_a_change_of_scale_in_either_direction():
    said = text_of(start("checkpoint", net="recall-lstm"))
    assert (
        "A large change with cosine ≈ 1: the direction hardly changed, the weights were only scaled up or down." in said
    )


@pytest.mark.slow
def test_three_kinds_share_a_seed_not_their_weights():
    config = InitConfig(radius=0.9, steps=20)
    rnn, lstm = (initialized_layer(kind, config) for kind in ("RNN", "LSTM"))
    assert rnn.weight_hh_l0.shape != lstm.weight_hh_l0.shape
    torch.testing.assert_close(random_sequence(config), random_sequence(config))
    said = text_of(start("gradients", look="cells:knobs", net="recall-lstm"))
    assert "same input sequence and same random seed" in said and "same first weights" not in said


def test_general_attention_is_not_called_ordinary():
    for card in sorted(Path(FOLDER).glob("*.json")):
        text = json.dumps(json.loads(card.read_text(encoding="utf-8")), ensure_ascii=False)
        assert "일반 어텐션" not in text, card.name
    card = json.loads((Path(FOLDER) / "dates-general.json").read_text(encoding="utf-8"))
    assert "general" in card["title"]["ko"].lower()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_step_page_speaks_of_gates_only_where_there_are_any(kind):
    said = text_of(start("step", net=NETS[kind]))
    for about_gates in ("which gate keeps the previous state", "How many gates are fully open"):
        assert (about_gates in said) == (kind != "RNN")
    assert ("the input and the previous hidden state are summed" in said) == (kind == "RNN")

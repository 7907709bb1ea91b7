"""Pages of an opened file of two layers, one of which is edited: which layer a panel shows, and how the file is named."""

import torch

from tests.support.checkpoint_page import Net, choose, page_text, run, saved_bytes, start
from viz.pages import cache, checkpoint_store
from viz.pages.edit.weight_selection import MATRIX_KEY

EDIT = "rnn.l1.bias_ih[forget_gate.3]=1"


def opened_name() -> str:
    torch.manual_seed(2)
    return checkpoint_store.open_upload({"tagger.v2.pt": saved_bytes(Net())}).name


def test_the_weight_matrix_is_of_the_layer_of_the_view_until_another_is_selected():
    net = opened_name()
    page = start(lens="edit", net=net, layer="rnn.l1", unit="3", panel="matrix.unit_weights", remembered=(net,))
    assert page.selectbox(key=MATRIX_KEY).value == "rnn.l1.weight_hh"
    page.selectbox(key=MATRIX_KEY).select("head.weight")
    assert run(page).selectbox(key=MATRIX_KEY).value == "head.weight"
    look = page.session_state["unrolled"].view.look
    assert look == "matrix:head.weight"
    assert choose(page, "Layer", "rnn.l0").selectbox(key=MATRIX_KEY).value == "rnn.l0.weight_hh"
    assert page.session_state["unrolled"].view.look == ""
    linked = start(lens="edit", net=net, layer="rnn.l1", look=f"{look};color:sensitivity", remembered=(net,))
    assert linked.selectbox(key=MATRIX_KEY).value == "head.weight" and not linked.warning
    wrong = start(lens="edit", net=net, layer="rnn.l1", look="matrix:nothing", remembered=(net,))
    assert wrong.selectbox(key=MATRIX_KEY).value == "rnn.l1.weight_hh" and "“nothing”" in wrong.warning[0].value


def test_a_comparison_names_its_layer_and_an_edited_file_keeps_its_format():
    net = opened_name()
    page = start(net=net, edits=EDIT, panel="compare_files", remembered=(net,))
    text = page_text(page)
    assert "PyTorch · " in text and "safetensors · " not in text
    assert "No weight of rnn.l0 changed." in text and "Relative changes in" not in text
    assert "Relative changes in rnn.l1" in page_text(choose(page, "Layer shown below", "rnn.l1"))


def test_downloads_are_named_after_the_file():
    assert cache.download_name(opened_name()) == "tagger.v2"
    assert cache.download_name("lm.pt~0123456789ab") == "lm"
    assert cache.download_name("recall-lstm") == "recall-lstm"

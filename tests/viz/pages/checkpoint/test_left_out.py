"""What of a file is not run is in a sentence where the numbers are, until the reader corrects it."""

import io

import pytest
import torch
from torch import nn

from models.checkpoints import load_checkpoint
from models.checkpoints.building.build import FILE_GRAPH
from tests.models.checkpoints.test_network_of_file import Classifier, Forecast, Stacked, Starts
from tests.support.checkpoint_page import choose, page_text, run, saved_bytes, start, upload, view_of
from tests.support.torch_networks import LayerAndCell
from viz.pages import checkpoint_store
from viz.pages.left_out import between_layers_sentence, left_out_sentences

NOT_RUN = "Not run from this file: norm.weight, norm.bias. The numbers below are not this network's own output."
BETWEEN = "Assumed, as the file does not show it: nothing comes between the layers rnn1 → rnn2."
TENSORS_ALONE = "A file of tensors alone does not show what happens between its layers"
EVERY_STEP = "Assumed, as the file does not show it: the output layer is applied to the output of every time step."
READOUT = "Assumed, as the file does not show it: the class scores are computed from the last hidden state."


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "states", "gradients", "edit"])
def test_every_page_names_what_is_not_run(lens):
    opened = checkpoint_store.open_upload({"net.pt": saved_bytes(Stacked("norm"))})
    page = start(lens=lens, net=opened.name)
    assert NOT_RUN in page_text(page) and BETWEEN in page_text(page)
    shown = 2 if lens == "step" else 1  # at the top, and beside the prediction
    assert page_text(page).count(NOT_RUN) == page_text(page).count(TENSORS_ALONE) == shown


def test_a_stated_setting_that_is_not_applied_is_named():
    opened = checkpoint_store.open_upload(
        {"net.pt": saved_bytes(Stacked("nothing"), hyper_parameters={"zoneout": 0.1})}
    )
    first, _second = left_out_sentences(opened.network)
    assert first.startswith(
        "The file states settings of its recurrent layers that are not applied here: zoneout = 0.1 "
    )


@pytest.mark.slow
def test_confirming_what_is_between_layers_removes_the_sentence():
    page = upload(start(), ("net.pt", saved_bytes(Stacked("nothing"))))
    assert BETWEEN in page_text(page) and page_text(page).count(TENSORS_ALONE) == 1
    next(each for each in page.checkbox if each.label.startswith("Nothing comes between")).check()
    page = run(page)
    assert "Assumed" not in page_text(page)
    page = start(lens="step", net=view_of(page).net)
    assert "Assumed" not in page_text(page) and "Not run" not in page_text(page)


@pytest.mark.slow
def test_confirming_that_every_step_is_scored_removes_the_sentence():
    page = upload(start(), ("net.pt", saved_bytes(Forecast(last=False))))
    assert EVERY_STEP in page_text(page)
    next(each for each in page.checkbox if each.label.startswith("The output layer is applied")).check()
    page = run(page)
    assert "Assumed" not in page_text(page)
    page = start(lens="step", net=view_of(page).net)
    assert "Assumed" not in page_text(page)


@pytest.mark.slow
def test_choosing_the_readout_removes_the_sentence_and_changes_the_scores():
    module = Classifier("mean").eval()
    page = upload(start(), ("net.pt", saved_bytes(module)))
    assert READOUT in page_text(page)
    page = choose(page, "The class scores are computed from", "mean")
    assert "Assumed" not in page_text(page)
    network = checkpoint_store.find(view_of(page).net).network
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    with torch.no_grad():
        torch.testing.assert_close(network.module(ids), module(ids), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "states", "gradients", "edit", "checkpoint"])
def test_a_network_from_a_graph_is_shown_whole_on_every_page(lens, tmp_path):
    from tests.support.keras_files import L, keras, randomized

    model = keras.Sequential(
        [
            keras.Input((None,)),
            L.Embedding(9, 4),
            L.Bidirectional(L.LSTM(5, return_sequences=True), merge_mode="sum", name="lower"),
            L.LayerNormalization(),
            L.GRU(4, name="upper"),
            L.Dense(3, "softmax"),
        ]
    )
    randomized(model).save(tmp_path / "net.keras")
    opened = checkpoint_store.open_upload({"net.keras": (tmp_path / "net.keras").read_bytes()})
    assert opened.setup.stack == FILE_GRAPH and opened.network.left_out == ()
    page = start(lens=lens, net=opened.name)
    assert not page.warning and view_of(page).net == opened.name
    assert "Not run" not in page_text(page) and "Assumed" not in page_text(page)
    if lens == "checkpoint":
        page = choose(page, "What runs", "layers")
        assert "Only the chosen layers run, not the network as the file describes it" in page_text(page)
        page = choose(page, "What runs", "graph")
        assert "Only the chosen layers run" not in page_text(page)


@pytest.mark.slow
def test_a_language_model_has_no_assumption():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn, self.head = nn.Embedding(9, 4), nn.GRU(4, 6, batch_first=True), nn.Linear(6, 9)

    opened = checkpoint_store.open_upload({"net.pt": saved_bytes(Model())})
    page = start(lens="step", net=opened.name)
    assert not page.warning and "Assumed" not in page_text(page)
    assert page_text(page).count(TENSORS_ALONE) == 2


@pytest.mark.slow
def test_a_graph_with_a_layer_that_only_runs_backward_is_shown(tmp_path):
    from tests.support.keras_files import L, keras, randomized

    layers = [keras.Input((6, 2)), L.LSTM(4, go_backwards=True, return_sequences=True), L.SimpleRNN(3), L.Dense(1)]
    randomized(keras.Sequential(layers)).save(tmp_path / "net.keras")
    opened = checkpoint_store.open_upload({"net.keras": (tmp_path / "net.keras").read_bytes()})
    assert set(opened.run_names) <= set(opened.checkpoint.found)
    assert view_of(start(net=opened.name)).net == opened.name


@pytest.mark.slow
def test_a_page_that_only_shows_an_assumption_changes_nothing():
    opened = checkpoint_store.open_upload({"net.pt": saved_bytes(Forecast(last=True))})
    assert view_of(start(net=opened.name)).net == opened.name


def test_initial_states_among_the_tensors_are_named_as_such():
    opened = checkpoint_store.open_upload({"net.pt": saved_bytes(Starts())})
    _missing, assumed = left_out_sentences(opened.network)
    assert "the initial states are these tensors: h0 → lstm, c0 → lstm." in assumed and "between" not in assumed


@pytest.mark.slow
def test_confirming_the_initial_states_of_a_single_module_removes_the_sentence():
    page = upload(start(), ("net.pt", saved_bytes(Starts())))
    assert "Confirm or correct it below." in page_text(page) and "on the Checkpoint page" not in page_text(page)
    box = next(each for each in page.checkbox if each.label.startswith("The initial states are these tensors"))
    assert not box.value and "h0 → lstm, c0 → lstm" in box.label
    box.check()
    page = run(page)
    assert "Assumed" not in page_text(page)
    name = view_of(page).net
    assert checkpoint_store.find(name).network.module.initial_names  # they are still run
    page = start(lens="step", net=name)
    assert "Assumed" not in page_text(page) and "Not run" not in page_text(page)


@pytest.mark.slow
def test_another_page_names_the_page_with_the_controls():
    opened = checkpoint_store.open_upload({"net.pt": saved_bytes(Starts())})
    assert "Confirm or correct it on the Checkpoint page." in page_text(start(lens="step", net=opened.name))


def test_a_state_that_a_file_keeps_between_calls_is_not_called_unused():
    class Stateful(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self._state = nn.GRU(4, 5, batch_first=True), torch.ones(1, 1, 5)

        def forward(self, x: torch.Tensor):
            y, self._state = self.rnn(x, self._state)
            return y

    file = io.BytesIO()
    torch.jit.save(torch.jit.script(Stateful().eval()), file)
    opened = checkpoint_store.open_upload({"net.pt": file.getvalue()})
    assert opened.network.left_out == ("_state",) and not opened.network.card.data["unused"]
    missing, kept = left_out_sentences(opened.network)
    assert not missing
    assert kept.replace("\\", "") == (
        "The network's code keeps _state for its next call. Here each run starts from the values in the file, as the first "
        "call does."
    )


def test_a_cell_whose_gates_are_not_recorded_is_named():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(LayerAndCell().eval()), file)
    _missing, other = left_out_sentences(load_checkpoint(file.getvalue()).network())
    assert between_layers_sentence("net.pt") == between_layers_sentence("counter") == ""
    assert other == "cell is computed by code of its own, so its gates are not shown."

"""What a file puts out for the whole sequence is in a table on the pages, with its full values for screen readers."""

import numpy as np
import pytest

from tests.support.checkpoint_page import choose, mirrored, page_text, start
from viz.pages import checkpoint_store

TEXT = "0.1 0.2; 0.3 0.4; -0.5 1"


@pytest.fixture(scope="module")
def model():
    """A Keras model that puts out three values of the whole sequence."""
    from tests.support.keras_files import L, keras, randomized

    layers = [keras.Input((None, 2)), L.GRU(4, name="gru"), L.Dense(3, "relu", name="levels")]
    return randomized(keras.Sequential(layers))


@pytest.fixture(scope="module")
def opened(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "levels.keras"
    model.save(path)
    return checkpoint_store.open_upload({path.name: path.read_bytes()})


def expected(model):
    from tests.support.keras_files import outputs

    steps = [[float(each) for each in step.split()] for step in TEXT.split(";")]
    return outputs(model, np.array([steps], np.float32))[0][0]


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "checkpoint"])
def test_values_of_the_whole_sequence_are_in_a_table(lens, model, opened):
    page = start(lens=lens, net=opened.name, text=TEXT)
    assert any(each.value.columns[0] == "Output of the file" for each in page.table)
    np.testing.assert_allclose(mirrored(page, "outputs", quantity="output"), expected(model), rtol=0, atol=1e-5)
    assert "Assumed" not in page_text(page) and "Not run" not in page_text(page)


@pytest.mark.slow
def test_edits_show_the_values_before_and_after(model, opened):
    page = start(lens="edit", net=opened.name, text=TEXT, edits="gru.l0.weight_hh[0,1]=2")
    table = next(each.value for each in page.table if "Values before the edits" in each.value.columns)
    shown = [float(each.replace("−", "-")) for each in table["Values before the edits"].iloc[0].split(", ")]
    np.testing.assert_allclose(shown, expected(model), rtol=1e-3, atol=1e-6)
    after = mirrored(page, "changed_outputs", quantity="output")
    assert len(after) == 3 and not np.allclose(after, expected(model), atol=1e-6)


@pytest.mark.slow
def test_a_large_file_says_that_only_layers_run_until_the_whole_network_is_chosen(opened, model, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_store, "LARGE_FILE", 0)
    model.save(tmp_path / "large.keras")
    large = checkpoint_store.open_upload({"large.keras": (tmp_path / "large.keras").read_bytes() + b""})
    page = start(net=large.name)
    assert "This file is large, so by default only layers run here" in page_text(page)
    page = choose(page, "What runs", "graph")
    assert "This file is large, so by default" not in page_text(page)

"""The Checkpoint lens in a real browser: a file is opened, judged and stepped through; a hostile one is refused."""

import os
import pickle
import re

import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn
from torch.nn import functional

from tests.support import oracle
from tests.support.browser import opened_page, rerun, serve, settle
from tests.support.step_page import compare, enter_text, go, query

pytestmark = pytest.mark.browser

SYMBOLS = tuple("abcdefghij ")


class Model(nn.Module):
    """A language model as people write it."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(SYMBOLS), 6)
        self.rnn = nn.LSTM(6, 12, num_layers=2, batch_first=True)
        self.fc = nn.Linear(12, len(SYMBOLS))

    def forward(self, ids):
        return self.fc(self.rnn(self.embedding(ids))[0])


@pytest.fixture(scope="module")
def trained():
    """A model that has learned a little, with what training leaves beside it in the file."""
    torch.manual_seed(3)
    model, text = Model(), "a bad cab bid a big cafe fade "
    ids = torch.tensor([[SYMBOLS.index(letter) for letter in text * 4]])
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        loss = functional.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    return model, {
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "vocab": list(SYMBOLS),
        "epoch": 60,
        "loss": float(loss),
    }


def upload(page: Page, path) -> None:
    rerun(page, lambda: page.locator('[data-testid="stFileUploaderDropzoneInput"]').first.set_input_files(path))


def test_a_real_file_is_opened_judged_and_stepped_through(open_page, trained, tmp_path):
    model, file = trained
    torch.save(file, tmp_path / "lm.pt")
    page = open_page("/checkpoint?net=counter&panel=*")
    upload(page, tmp_path / "lm.pt")
    expect(page.get_by_text("No serious problems found in the weights.")).to_be_visible()
    expect(page.get_by_text(re.compile("PyTorch · .* · 2 LSTM layers"))).to_be_visible()
    assert re.fullmatch(r"lm\.pt~[0-9a-f]{12}", query(page)["net"])
    spectra = page.locator('[data-quantity="spectral_radius"]').evaluate_all(
        "all => Object.fromEntries(all.map(({ dataset: d }) => [d.gate, Number(d.value)]))"
    )
    for gate, block in zip(spectra, model.rnn.weight_hh_l0.detach().double().chunk(4), strict=True):
        assert spectra[gate] == pytest.approx(float(torch.linalg.eigvals(block).abs().max()), rel=1e-5)
    page.get_by_role("button", name="Step through the sequence").click()
    page.wait_for_selector(".unrolled-scrubber", state="attached")
    settle(page)
    text = "abba cafe jig"
    enter_text(page, text)
    ids = torch.tensor([[SYMBOLS.index(letter) for letter in text]])
    with torch.no_grad():
        computed, scores = oracle.network(model, ids), model(ids)[0]
    for step in (0, 7, len(text) - 1):
        go(page, step)
        compare(page, computed["rnn.l1"], step)
        likeliest = page.locator('[data-quantity="probability"]').first.evaluate("({ dataset: d }) => ({ ...d })")
        chances = scores[step].softmax(-1)
        assert float(likeliest["value"]) == pytest.approx(float(chances.max()), abs=1e-5)
        assert likeliest["token"].replace("␣", " ") == SYMBOLS[int(chances.argmax())]


class Hostile:
    """Its pickle would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_hostile_file_is_refused_in_one_sentence_and_the_app_goes_on(open_page, trained, tmp_path):
    model, _file = trained
    torch.save({"weights": model.state_dict(), "extra": Hostile(tmp_path / "written")}, tmp_path / "evil.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Hostile(tmp_path / "written")))
    torch.save(model.state_dict(), tmp_path / "good.pt")
    page = open_page("/checkpoint?net=counter&panel=-none")
    before = query(page)["net"]
    for name in ("evil.pt", "bare.pt"):
        upload(page, tmp_path / name)
        expect(page.get_by_text(f"{name}: Opening this file would run")).to_be_visible()
        assert query(page)["net"] == before and not (tmp_path / "written").exists()
    upload(page, tmp_path / "good.pt")
    assert query(page)["net"].startswith("good.pt~")
    expect(page.get_by_text("Opening this file would run")).to_have_count(0)
    assert page.locator('[data-testid="stException"]').count() == 0


def test_a_file_on_the_command_line_is_what_opens(browser, trained, tmp_path):
    model, file = trained
    torch.save(file, tmp_path / "lm.ckpt")
    with serve(str(tmp_path / "lm.ckpt")) as url, opened_page(browser, url) as page:
        assert query(page)["net"].startswith("lm.ckpt~")
        text = query(page)["text"]
        ids = torch.tensor([[SYMBOLS.index(letter) for letter in text]])
        with torch.no_grad():
            computed = oracle.network(model, ids)
        go(page, len(text) - 1)
        compare(page, computed["rnn.l1"], len(text) - 1)

"""Opened encoder-decoders write what the network that wrote the file writes."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.building.build import (
    Setup,
    TargetSetup,
    build_network,
    compatible_parts,
    default_setup,
    find_target_setup,
)
from models.decoding.decode import decode
from models.decoding.run_network import run_network
from models.gradients.losses import Loss, differentiate

READS, WRITES = ("</s>", *"abcdef"), ("x", "<s>", "y", "</s>", "z")


@pytest.fixture
def g2p(monkeypatch):
    """The package, without the dictionaries that it fetches when it is imported and asked; its network needs none."""
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk, "download", lambda *_: True)
    monkeypatch.setattr(nltk.corpus, "cmudict", SimpleNamespace(dict=dict))
    module = importlib.import_module("g2p_en.g2p")
    return module.G2p(), Path(module.dirname) / "checkpoint20.npz"


@pytest.mark.slow
def test_a_network_that_others_trained_speaks(g2p):
    """The GRU encoder-decoder from letters to phonemes of g2p-en, end to end: the very phonemes of the package."""
    package, path = g2p
    able = compatible_parts(load_checkpoint(path))
    assert default_setup(able).target is None  # the file does not list its symbols
    setup = default_setup(able, vocabulary=tuple(package.graphemes), target_vocabulary=tuple(package.phonemes))
    assert (setup.stack, setup.embedding, setup.decoder, setup.kind) == ("enc", "enc_emb", "fc_w", "characters")
    assert setup.target == TargetSetup("dec", "dec_emb", tuple(package.phonemes), "<s>", "</s>")
    network = build_network(able.checkpoint, setup, "checkpoint20.npz")
    for word in ("unrolled", "recurrent", "gradients", "vanishing", "seoul", "hochreiter", "xylophone", "a"):
        wrote = decode(network, f"{word}</s>")
        assert wrote.finished and list(wrote.target[:-1]) == package.predict(word)
    run = run_network(network, "seoul</s>")
    assert list(run.trace.layers) == ["encoder.l0", "decoder.l0"]
    assert run.labels_of("encoder.l0") == (*"seoul", "</s>")
    assert run.labels_of("decoder.l0") == ("<s>", *package.predict("seoul"))
    np.testing.assert_array_equal(
        run.trace.layers["decoder.l0"].hidden_prev[0, 0], run.trace.layers["encoder.l0"].hidden[0, -1]
    )
    assert network.card.data["unused"] == () and network.card.default.text.endswith("</s>")


class Model(nn.Module):
    def __init__(self, cell, levels=1, both=False, one_hot=False):
        super().__init__()
        torch.manual_seed(0)
        wide = 3 * (1 + both)
        if not one_hot:
            self.encoder_embedding, self.decoder_embedding = nn.Embedding(7, 4), nn.Embedding(5, 4)
        self.encoder = cell(7 if one_hot else 4, 3, num_layers=levels, bidirectional=both, batch_first=True)
        self.decoder = cell(5 if one_hot else 4, wide, num_layers=1 if both else levels, batch_first=True)
        self.out = nn.Linear(wide, 5)
        self.one_hot = one_hot

    def forward(self, ids):
        one_hot = nn.functional.one_hot
        _, state = self.encoder(one_hot(ids, 7).float() if self.one_hot else self.encoder_embedding(ids))
        if self.encoder.bidirectional:
            join = lambda each: torch.cat([each[-2], each[-1]], -1)[None]  # noqa: E731
            state = tuple(map(join, state)) if isinstance(state, tuple) else join(state)
        last, found = torch.tensor([[WRITES.index("<s>")]]), []
        for _ in range(12):
            x = one_hot(last, 5).float() if self.one_hot else self.decoder_embedding(last)
            out, state = self.decoder(x, state)
            found.append(self.out(out)[0, 0])
            last = found[-1].argmax()[None, None]
            if int(last) == WRITES.index("</s>"):
                break
        return torch.stack(found)


MODELS = {
    "gru": (nn.GRU, {}),
    "lstm, two levels": (nn.LSTM, {"levels": 2}),
    "lstm, both ways": (nn.LSTM, {"both": True}),
    "one-hot": (nn.GRU, {"one_hot": True}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_an_encoder_decoder_writes(kind):
    cell, options = MODELS[kind]
    model, file = Model(cell, **options), io.BytesIO()
    torch.save({"model": model.state_dict(), "source": list(READS), "target": list(WRITES)}, file)
    able = compatible_parts(load_checkpoint(file.getvalue()))
    setup = default_setup(able)
    assert setup.target is not None and setup.target.symbols == ("<s>", "</s>", "x", "y", "z")
    network = build_network(able.checkpoint, setup, "seq2seq.pt")
    expected = model(network.encode("fade</s>"))
    order = setup.target.order
    with torch.inference_mode():
        found = network.module(network.encode("fade</s>"))[0]
    steps = min(len(expected), len(found))
    torch.testing.assert_close(found[:steps], expected[:steps, order].detach(), rtol=0, atol=1e-6)
    wrote = decode(network, "fade</s>")
    np.testing.assert_allclose(wrote.probability[:steps], found[:steps].softmax(-1), rtol=0, atol=1e-6)
    done = differentiate(network, "fade</s>", Loss("answer"))
    assert (
        np.isfinite(done.trace.layers["encoder.l0"].hidden_grad).all()
        and done.trace.layers["encoder.l0"].hidden_grad.any()
    )


def test_what_does_not_fit_is_told():
    model, file = Model(nn.GRU), io.BytesIO()
    torch.save(model.state_dict(), file)
    checkpoint = load_checkpoint(file.getvalue())
    assert find_target_setup(compatible_parts(checkpoint), "encoder") is None
    answers = TargetSetup("decoder", "decoder_embedding.weight", WRITES, "<s>", "</s>")
    right = Setup("encoder", "encoder_embedding.weight", "out.weight", READS, "characters", target=answers)
    assert build_network(checkpoint, right, "n").card.predicts == "sequence"
    few = TargetSetup("decoder", "decoder_embedding.weight", WRITES[:4], "<s>", "</s>")
    with pytest.raises(CheckpointError, match="The output vocabulary has 4 symbols"):
        build_network(
            checkpoint,
            Setup("encoder", "encoder_embedding.weight", "out.weight", READS, "characters", target=few),
            "n",
        )
    with pytest.raises(CheckpointError, match="needs an input vocabulary and an output layer"):
        build_network(
            checkpoint, Setup("encoder", "encoder_embedding.weight", None, READS, "characters", target=answers), "n"
        )
    model.decoder, file = nn.GRU(4, 5), io.BytesIO()
    model.out = nn.Linear(5, 5)
    torch.save(model.state_dict(), file)
    with pytest.raises(CheckpointError, match="decoder cannot be initialized with the last state of encoder"):
        build_network(load_checkpoint(file.getvalue()), right, "n")

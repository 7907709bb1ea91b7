"""Checkpoints of plain arrays."""

from __future__ import annotations

import importlib
import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from models import capture
from models.checkpoints import CheckpointError, Limits, load_checkpoint
from tests.models.checkpoints.test_checkpoint_pytorch import net_of, same


def npz(arrays, write=np.savez):
    file = io.BytesIO()
    write(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("change", [np.asarray, np.asfortranarray, lambda v: v.astype(v.dtype.newbyteorder(">"))])
def test_names_of_pytorch(write, kind, change):
    net = net_of(kind, num_layers=2, bidirectional=True, batch_first=True)
    arrays = {name: change(values.numpy()) for name, values in net.state_dict().items()}
    checkpoint = load_checkpoint(npz(arrays | {"note": np.array("text")}, write))
    same(checkpoint, net.rnn)
    assert np.array_equal(checkpoint.tensors["embedding.weight"], net.embedding.weight.detach().numpy())
    assert checkpoint.stored["note"].dtype == "<U4"


def test_short_names():
    gru = nn.GRU(3, 4)
    short = {f"enc_{name.replace('weight', 'w').replace('bias', 'b')[:-3]}": v for name, v in gru.state_dict().items()}
    assert set(short) == {"enc_w_ih", "enc_w_hh", "enc_b_ih", "enc_b_hh"}
    same(load_checkpoint(npz({name: values.numpy() for name, values in short.items()})), gru, prefix="enc.")


def test_objects_are_not_opened():
    with pytest.raises(CheckpointError, match="pickled objects"):
        load_checkpoint(npz({"a": np.array([{"x": 1}], dtype=object)}))


def test_a_run_is_told_from_a_checkpoint():
    file = io.BytesIO()
    rnn = nn.GRU(2, 3)
    with capture(rnn) as trace:
        rnn(torch.zeros(4, 1, 2))
    trace.save(file)
    with pytest.raises(CheckpointError, match="load_trace"):
        load_checkpoint(file.getvalue())


def test_a_bomb_is_not_unpacked():
    with pytest.raises(CheckpointError, match="the limit is 1,000 bytes"):
        load_checkpoint(npz({"a": np.zeros(10_000)}, np.savez_compressed), limits=Limits(unpacked=1000))
    file = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(100))
    with pytest.raises(CheckpointError, match="truncated"):
        load_checkpoint(file.getvalue())


@pytest.mark.slow
def test_a_network_that_others_trained(monkeypatch):
    """The GRU encoder-decoder from letters to phonemes of g2p-en says what the package itself says.

    The package fetches dictionaries when it is imported and asked; its network needs none of them.
    """
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk, "download", lambda *_: True)
    monkeypatch.setattr(nltk.corpus, "cmudict", SimpleNamespace(dict=dict))
    g2p = importlib.import_module("g2p_en.g2p")
    package = g2p.G2p()
    checkpoint = load_checkpoint(Path(g2p.dirname) / "checkpoint20.npz")
    assert [(name, layer.kind) for name, layer in checkpoint.layers.items()] == [("enc.l0", "GRU"), ("dec.l0", "GRU")]
    encoder, decoder = (layer.to_module() for layer in checkpoint.layers.values())
    held = {name: torch.tensor(values) for name, values in checkpoint.tensors.items()}
    for word in ("unrolled", "recurrent", "gradients", "vanishing", "seoul", "hochreiter"):
        letters = [package.g2idx[letter] for letter in [*word, "</s>"]]
        with torch.inference_mode():
            _, state = encoder(held["enc_emb"][letters][None])
            spoken, last = [], package.p2idx["<s>"]
            while len(spoken) < 20:
                out, state = decoder(held["dec_emb"][torch.tensor([[last]])], state)
                last = int((out[0, -1] @ held["fc_w"].T + held["fc_b"]).argmax())
                if last == package.p2idx["</s>"]:
                    break
                spoken.append(package.idx2p[last])
        assert spoken == package.predict(word)
        assert spoken

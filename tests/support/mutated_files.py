"""Small real files of every format, and mutations of them: of their bytes, and of what is inside their containers."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tests.models.checkpoints.test_checkpoint_fuzz import MAKERS, damaged

Maker = Callable[[], bytes]


def _keras(name: str) -> bytes:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((5,)), layers.Embedding(7, 3), layers.Bidirectional(layers.LSTM(4)), layers.Dense(2)]
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def keras_archive() -> bytes:
    return _keras("model.keras")


def keras_hdf5() -> bytes:
    return _keras("model.h5")


class Tagger(nn.Module):
    """An embedding, a GRU and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(7, 3), nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.embed(ids))[0])


def scripted_network() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(Tagger()), file)
    return file.getvalue()


def exported_network() -> bytes:
    file = io.BytesIO()
    torch.export.save(torch.export.export(Tagger(), (torch.zeros(1, 4, dtype=torch.long),)), file)
    return file.getvalue()


def onnx_network() -> bytes:
    file = io.BytesIO()
    torch.onnx.export(Tagger(), (torch.zeros(1, 4, dtype=torch.long),), file, dynamo=False)
    return file.getvalue()


def pickled_network() -> bytes:
    file = io.BytesIO()
    torch.save({"model": nn.LSTM(3, 4), "vocabulary": ["a", "b", "c"], "ids": {"a": 0, "b": 1}}, file)
    return file.getvalue()


FILES: tuple[Maker, ...] = (
    *MAKERS, keras_archive, keras_hdf5, scripted_network, exported_network, onnx_network, pickled_network,
)  # fmt: skip


def made_files() -> dict[str, bytes]:
    """All files by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {make.__name__: make() for make in FILES}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return a mutation of a file: of its bytes, of a member of its archive, or of its JSON."""
    if data[:2] == b"PK" and chance.random() < 0.7:
        return _with_member(data, chance)
    if data[8:9] == b"{" and chance.random() < 0.7:
        length = int.from_bytes(data[:8], "little")
        header = _changed(data[8 : 8 + length], chance)
        return struct.pack("<Q", len(header)) + header + data[8 + length :]
    return damaged(data, chance)


def _with_member(data: bytes, chance: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as members:
        parts = {info.filename: members.read(info) for info in members.infolist()}
    for _ in range(chance.choice([1, 1, 2])):
        name = chance.choice([name for name in parts if len(parts[name]) > 4] or list(parts))
        match chance.randrange(8):
            case 0:
                parts[chance.choice(list(parts))] = parts[name]
            case 1 if len(parts) > 1:
                del parts[name]
            case _:
                parts[name] = _changed(parts[name], chance) or b"\0"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as members:
        for name, content in parts.items():
            members.writestr(name, content)
    return out.getvalue()


def _changed(content: bytes, chance: random.Random) -> bytes:
    """Return a member's content with its values changed if it is JSON, else with its bytes."""
    if content[:1] in (b"{", b"[") and chance.random() < 0.8:
        try:
            return json.dumps(_other_values(json.loads(content), chance)).encode()
        except (ValueError, RecursionError):
            return damaged(content, chance)
    return damaged(content, chance) if content else content


ODD = (None, True, -1, 0, 1 << 70, 1e300, "", "x" * 5000, [], {}, [[]], {"": {}}, "lstm", ["a", 0], 10**300)


def _other_values(root: object, chance: random.Random) -> object:
    """Return parsed JSON with one or a few values replaced, removed, repeated or nested."""
    places: list[tuple[dict | list, object]] = []
    pending = [root]
    while pending:
        each = pending.pop()
        for key, value in each.items() if isinstance(each, dict) else enumerate(each) if isinstance(each, list) else ():
            places.append((each, key))
            pending.append(value)
    for owner, key in chance.sample(places, min(len(places), chance.choice([1, 1, 2, 4]))):
        try:
            match chance.randrange(5):
                case 0:
                    del owner[key]
                case 1:
                    other, place = chance.choice(places)
                    owner[key] = other[place]
                case 2 if isinstance(owner, list):
                    owner *= chance.choice([2, 50])
                case _:
                    owner[key] = chance.choice(ODD)
        except (KeyError, IndexError):  # another change removed it
            continue
        if len(json.dumps(root)) > 1 << 20:
            break
    return root

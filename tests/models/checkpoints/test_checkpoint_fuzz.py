"""Thousands of damaged files of every format: each is opened or refused in one sentence, within memory.

What would take for ever runs into the time limit of all tests.
"""

from __future__ import annotations

import io
import random
import resource
import warnings

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint

CASES, HDF5_CASES = 2000, 50
"""Damaged files of each format; of HDF5, which another process parses, fewer."""


def state():
    torch.manual_seed(0)
    return nn.LSTM(3, 4, bidirectional=True).state_dict() | {"other": torch.arange(4)}


def torch_file(**options):
    file = io.BytesIO()
    torch.save({"epoch": 1, "state_dict": state()}, file, **options)
    return file.getvalue()


def legacy_file():
    return torch_file(_use_new_zipfile_serialization=False)


def normalised_file():
    net, file = nn.ModuleDict({"rnn": nn.GRU(3, 4)}), io.BytesIO()
    nn.utils.parametrizations.weight_norm(net["rnn"], "weight_hh_l0")
    torch.save(net.state_dict(), file)
    return file.getvalue()


def scripted_file():
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.GRU(3, 4)), file)
    return file.getvalue()


def exported_file():
    file = io.BytesIO()
    torch.export.save(torch.export.export(nn.GRU(3, 4), (torch.zeros(2, 1, 3),)), file)
    return file.getvalue()


def quantized_file():
    file = io.BytesIO()
    net = nn.ModuleDict({"rnn": nn.LSTM(3, 4)})
    torch.save(torch.ao.quantization.quantize_dynamic(net, {nn.LSTM}).state_dict(), file)
    return file.getvalue()


def safetensors_file():
    return save(state())


def npz_file(write=np.savez):
    file = io.BytesIO()
    write(file, **{name: values.numpy() for name, values in state().items()})
    return file.getvalue()


def packed_npz_file():
    return npz_file(np.savez_compressed)


def onnx_file():
    pytest.importorskip("onnx")
    file = io.BytesIO()
    torch.onnx.export(nn.LSTM(3, 4), (torch.zeros(2, 1, 3),), file, dynamo=False)
    return file.getvalue()


def hdf5_file():
    file = io.BytesIO()
    made = np.random.default_rng(0)
    with h5py.File(file, "w") as out:
        group = out.create_group("layers/lstm/cell/vars")
        group.attrs["name"] = "lstm_cell"
        for index, shape in enumerate([(3, 16), (4, 16), (16,)]):
            group.create_dataset(str(index), data=made.normal(size=shape).astype("f4"), compression="gzip")
    return file.getvalue()


MAKERS = [
    torch_file, legacy_file, normalised_file, scripted_file, exported_file, quantized_file, safetensors_file, npz_file,
    packed_npz_file, onnx_file, hdf5_file,
]  # fmt: skip


def damaged(data, chance):
    """The file cut short, with bits turned, bytes replaced, pieces repeated or lost, or another file's beginning."""
    out = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        place = chance.randrange(len(out))
        if chance.random() < 0.5:  # where the headers are
            place = min(place, chance.randrange(600)) if chance.random() < 0.5 else max(place, len(out) - 900)
            place = min(place, len(out) - 1)
        match chance.randrange(7):
            case 0:
                del out[place:]
            case 1 | 2:
                out[place] ^= 1 << chance.randrange(8)
            case 3:
                out[place : place + 8] = chance.choice([b"\xff" * 8, bytes(8), b"\xff\xff\xff\x7f" + bytes(4)])
            case 4:
                del out[place : place + chance.randrange(1, 40)]
            case 5:
                out[place:place] = out[place : place + chance.randrange(1, 40)]
            case 6:
                heads = [b"PK\x03\x04", b"\x80\x02", b"\x80\x04\x95", b"\x08\x08\x12", b'{"weight_map"']
                head = chance.choice(heads)
                out[: len(head)] = head
        if not out:
            break
    return bytes(out)


@pytest.mark.slow
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_damaged_files(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = make()
    assert load_checkpoint(data).layers
    chance = random.Random(7)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for _ in range(HDF5_CASES if make is hdf5_file else CASES):
        try:
            checkpoint = load_checkpoint(damaged(data, chance))
            for lazy in (checkpoint.layers, checkpoint.tensors):
                for name in lazy:
                    try:
                        assert lazy[name] is not None
                    except CheckpointError:
                        refused += 1
        except CheckpointError as error:
            refused += 1
            assert "\n" not in error.sentence and error.sentence.endswith(".")
    assert refused
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # kilobytes


def test_another_beginning_is_not_believed():
    """A file of one format that begins like HDF5."""
    with pytest.raises(CheckpointError):
        load_checkpoint(b"\x89HDF\r\n\x1a\n" + safetensors_file()[8:])


def bomb():
    """Tuples in tuples: walking them one by one would take 2 ** 60 steps."""
    return b"\x80\x02)" + b"q\x000h\x00h\x00\x86" * 60 + b"."


def deep():
    return b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b"."


def far_memo():
    return b"\x80\x02]r\xff\xff\xff\x7f."


def long_text():
    return b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x00."


def key_bomb():
    return b"\x80\x02}" + b")" + b"q\x000h\x00h\x00\x86" * 60 + b"Ns."


def many_items():
    """One item after another for an object of an unknown class: a copy of all of them at each would take hours."""
    return b"\x80\x02cplugin\nItems\n)R" + b"K\x01a" * 400_000 + b"."


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [bomb, deep, far_memo, long_text, key_bomb, many_items], ids=lambda make: make.__name__
)
def test_pickles_that_would_take_for_ever(make):
    with pytest.raises(CheckpointError):
        load_checkpoint(make())

"""Opened files: known by their content, a bounded number of them, and run like the bundled networks."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from models.checkpoints import CheckpointError
from viz.pages import checkpoint_store as store
from viz.pages.checkpoint_store import CheckpointStore, Correction, OpenedCheckpoint


class Net(nn.Module):
    def __init__(self, symbols=7):
        super().__init__()
        self.embed, self.rnn = nn.Embedding(symbols, 3), nn.LSTM(3, 4, batch_first=True)
        self.head = nn.Linear(4, symbols)

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def uploaded(net, name="net.safetensors"):
    return store.open_upload({name: save(net.state_dict())})


def test_the_name_is_the_files_and_its_contents(net):
    first = uploaded(net)
    assert re.fullmatch(r"net\.safetensors~[0-9a-f]{12}", first.name) and store.is_checkpoint_name(first.name)
    assert uploaded(net) is first and store.find(first.name) is first
    assert uploaded(Net()).name != first.name
    assert uploaded(net, "other.pt").name.removeprefix("other.pt") == first.name.removeprefix("net.safetensors")
    assert not store.is_checkpoint_name("python-lm") and store.find("net.safetensors~0123456789ab") is None


def test_it_runs_like_the_module(net):
    network = uploaded(net).network
    ids = torch.tensor([[1, 5, 0, 6]])
    with torch.no_grad():
        torch.testing.assert_close(network.module(ids), net(ids), rtol=0, atol=1e-6)
    assert network.card.title["en"] == "net.safetensors"


def test_another_way_to_run_it_is_another_name(net):
    first = uploaded(net)
    words = tuple("abcdefg")
    second = first.run_as(replace(first.setup, vocabulary=words, kind="characters"))
    assert second.name != first.name and store.find(second.name) is second
    assert second.network.vocabulary == words and first.network.vocabulary != words
    with pytest.raises(CheckpointError, match="3 symbols"):
        first.run_as(replace(first.setup, vocabulary=tuple("abc"), kind="characters"))


def test_a_correction_is_another_name_and_of_the_file():
    torch.manual_seed(0)
    rnn = nn.RNN(3, 4, nonlinearity="relu")
    first = uploaded(rnn)
    assert first.checkpoint.found["l0"].assumed == ("nonlinearity",)
    second = first.corrected(Correction("l0", options=(("nonlinearity", "relu"),)))
    assert second.name != first.name and not second.checkpoint.found["l0"].assumed
    assert second.checkpoint.layers["l0"].nonlinearity == "relu"
    third = second.corrected(Correction("l0", options=(("nonlinearity", "tanh"),)))
    assert len(third.corrections) == 1 and third.checkpoint.layers["l0"].nonlinearity == "tanh"
    with pytest.raises(CheckpointError, match="do not fit"):
        first.corrected(Correction("l0", kind="LSTM"))


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\net.pt", "a\x00b\n.pt", "x" * 500, "/", ""])
def test_any_name_is_fit_for_an_address(net, name):
    opened = uploaded(net, name)
    assert opened.name.isprintable() and len(opened.name) <= 200 and not set("/\\") & set(opened.name)
    assert store.find(opened.name) is opened


def test_the_oldest_leaves_first():
    kept = CheckpointStore(count=2, size=10_000)

    def put(name, size=1):
        file = store.CheckpointFile(name, f"digest of {name}", size, size, uploaded(Net()).checkpoint)
        return kept.put(OpenedCheckpoint(file)).name

    first, second = put("1"), put("2")
    kept.get(first)
    third = put("3")
    assert kept.get(second) is None and kept.get(first) and kept.get(third)
    large = put("4", 20_000)
    assert kept.get(large) and kept.get(first) is None and kept.get(third) is None


def stored(kept, name, size=1, reader=""):
    file = store.CheckpointFile(name, f"digest of {name}", size, size, uploaded(Net()).checkpoint)
    return kept.put(OpenedCheckpoint(file), reader).name


def test_a_readers_own_oldest_file_leaves_first():
    kept = CheckpointStore(count=3, size=10_000_000)
    theirs = stored(kept, "theirs", reader="b")
    mine = [stored(kept, f"mine {n}", reader="a") for n in range(4)]
    assert [kept.get(name, "a") is not None for name in mine] == [False, False, True, True]
    assert kept.get(theirs, "b")
    shared = CheckpointStore(count=2, size=10_000_000)
    both, own = stored(shared, "both", reader="a"), stored(shared, "own", reader="a")
    assert shared.get(both, "b")
    shared.get(own, "a")
    stored(shared, "new", reader="a")
    assert shared.get(both, "b") and shared.get(own, "a") is None


def test_a_reader_without_files_takes_the_place_of_the_oldest():
    kept = CheckpointStore(count=2, size=10_000_000)
    first, second = stored(kept, "1", reader="a"), stored(kept, "2", reader="b")
    third = stored(kept, "3", reader="c")
    assert kept.get(first) is None and kept.get(second) and kept.get(third)


def test_a_file_that_nobody_looks_at_leaves():
    kept = CheckpointStore(unused=0.0)
    unseen, seen, newest = stored(kept, "unseen"), stored(kept, "seen"), stored(kept, "newest")
    assert kept.get(unseen) is None  # it left when the next one came
    seen = stored(kept, "seen again")
    assert kept.get(seen) and kept.get(newest) is None
    stored(kept, "last")
    assert kept.get(seen)


def test_decoded_tensors_and_networks_count(net):
    state = {name: values.half() for name, values in net.state_dict().items()}
    opened = store.open_upload({"half.safetensors": save(state)})
    assert opened.memory == 0
    numbers = sum(values.numel() for values in net.state_dict().values())
    for lazy in (opened.checkpoint.layers, opened.checkpoint.tensors):
        assert all(lazy[name] is not None for name in lazy)
    assert opened.memory == 4 * numbers
    assert opened.network and opened.memory >= 8 * numbers
    kept = CheckpointStore(count=9, size=len(save(state)) + 9 * numbers)
    kept.put(opened)
    stored(kept, "other", 2 * numbers)
    assert kept.get(opened.name) is None


def test_a_file_on_this_machine_is_the_same_as_an_uploaded_one(net, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(save(net.state_dict()))
    assert store.open_startup_file(path) is uploaded(net) is store.open_startup_file(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="empty"):
        store.open_path(path)


def test_a_large_file_is_known_without_reading_all_of_it(net, tmp_path, monkeypatch):
    path = tmp_path / "large.safetensors"
    path.write_bytes(save(net.state_dict() | {"big": torch.zeros(1_000_000)}))
    monkeypatch.setattr(store, "MAX_HASHED", 1_000_000)
    opened = store.open_path(path)
    assert opened.file.memory == 0 and store.open_path(path) is opened
    path.write_bytes(save(net.state_dict() | {"big": torch.ones(1_000_000)}))
    assert store.open_path(path).name != opened.name


def test_shards_come_with_their_index(net):
    state = net.state_dict()
    names = list(state)
    shards = {
        "model-1.safetensors": save({name: state[name] for name in names[:3]}),
        "model-2.safetensors": save({name: state[name] for name in names[3:]}),
    }
    places = {name: f"model-{1 if name in names[:3] else 2}.safetensors" for name in names}
    index = json.dumps({"weight_map": places}).encode()
    opened = store.open_upload({**shards, "model.safetensors.index.json": index})
    np.testing.assert_array_equal(opened.checkpoint.layers["rnn.l0"].weight_hh, net.rnn.weight_hh_l0.detach())
    with torch.no_grad():
        ids = torch.tensor([[1, 2, 3]])
        torch.testing.assert_close(opened.network.module(ids), net(ids), rtol=0, atol=1e-6)
    with pytest.raises(CheckpointError, match="2 files"):
        store.open_upload(shards)
    with pytest.raises(CheckpointError):
        store.open_upload({"model-1.safetensors": shards["model-1.safetensors"], "m.index.json": index})


def test_uploads_are_bounded_by_the_servers_own_limit():
    assert store.max_upload_bytes() == 500 << 20  # .streamlit/config.toml


def test_the_environment_sets_limits(monkeypatch, tmp_path):
    data = save(Net(11).state_dict())
    (tmp_path / "net.safetensors").write_bytes(data)
    monkeypatch.setenv("UNROLLED_TENSORS", "5")
    monkeypatch.setenv("UNROLLED_UNPACKED", "2")
    assert (store.file_limits().tensors, store.file_limits().unpacked) == (5, 2 << 20)
    with pytest.raises(CheckpointError, match=r"lists 7 tensors, more than allowed\. .* raise the limit"):
        store.open_upload({"few.safetensors": data})
    with pytest.raises(CheckpointError, match="lists 7 tensors"):
        store.open_path(tmp_path / "net.safetensors")
    monkeypatch.setenv("UNROLLED_TENSORS", "many")
    assert store.open_path(tmp_path / "net.safetensors").checkpoint.found

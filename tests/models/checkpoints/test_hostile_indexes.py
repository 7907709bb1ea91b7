"""Indexes of checkpoints in several files that name other folders, themselves, missing or very many files."""

import json
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.formats import safetensors
from viz.pages import checkpoint_store

INDEX = "model.safetensors.index.json"
NAMES = (
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:\\x",
    "\0",
    "a\0b",
    INDEX,
    "absent",
    "x" * 5000,
    "é",
    "\n",
)


def refusal(folder, weight_map, **options):
    """Return the sentence with which an index is refused; it names no folder of this machine."""
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(CheckpointError) as problem:
        load_checkpoint(folder / INDEX, **options)
    sentence = str(problem.value)
    assert str(folder) not in sentence and "\n" not in sentence and sentence.endswith(".") and len(sentence) < 400
    return sentence


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.sampled_from(NAMES) | st.text(max_size=30))
def test_a_shard_is_a_file_of_the_same_folder(tmp_path, name):
    sentence = refusal(tmp_path, {"rnn.weight_ih_l0": name})
    assert "outside its own folder" in sentence or "is missing" in sentence or "is not a safetensors file" in sentence


@pytest.mark.parametrize("isolated", [False, True])
def test_a_missing_shard_is_named_without_its_folder(tmp_path, isolated):
    assert refusal(tmp_path, {"a": "model-1.safetensors"}, isolated=isolated).startswith("model-1.safetensors, which")


def test_an_upload_that_lacks_a_shard_names_it_without_the_folder_of_the_copies():
    shard = save({"a": torch.zeros(2)})
    index = json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}).encode()
    with pytest.raises(CheckpointError, match=r"^2\.safetensors, which this index lists, is missing\."):
        checkpoint_store.open_upload({"1.safetensors": shard, INDEX: index})
    for name in ("..", "", "a/b", "x" * 400, "a\0b"):
        with pytest.raises(CheckpointError, match="is not a valid file name"):
            checkpoint_store.open_upload({name: shard, INDEX: index})


def test_an_index_of_very_many_files_is_refused_at_once(tmp_path):
    start = time.process_time()
    assert "at most 1,000" in refusal(tmp_path, {f"t{n}": f"f{n}" for n in range(100_000)})
    assert time.process_time() - start < 5


def test_the_tensors_of_a_file_are_looked_up_once_for_each_name(tmp_path, monkeypatch):
    """Two hundred tensors in two files: each file is opened once, and holds what the index says."""
    opened = []
    own = safetensors._open_shard
    monkeypatch.setattr(safetensors, "_open_shard", lambda *given: opened.append(given[-1]) or own(*given))
    tensors = {f"t{n}": torch.full((1,), float(n)) for n in range(200)}
    for shard in (0, 1):
        (tmp_path / f"{shard}.safetensors").write_bytes(
            save({name: each for n, (name, each) in enumerate(tensors.items()) if n % 2 == shard})
        )
    weight_map = {name: f"{n % 2}.safetensors" for n, name in enumerate(tensors)}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    checkpoint = load_checkpoint(tmp_path / INDEX)
    assert opened == ["0.safetensors", "1.safetensors"]
    assert {name: float(checkpoint.tensors[name][0]) for name in tensors} == {f"t{n}": float(n) for n in range(200)}

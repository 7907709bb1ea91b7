"""A file of 1 GB on a budget of 2 GB: opened, judged and run without reading the layers that are not needed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from safetensors.torch import save
from torch import nn

ROOT = Path(__file__).parents[3]

OPEN_AND_RUN = """
    import json, resource, sys
    resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
    import torch
    torch.set_num_threads(1)
    from models.checkpoints import load_checkpoint
    from models.checkpoints.health import verdict
    from models.checkpoints.building.build import build_network, compatible_parts, default_setup
    from models.decoding.run_network import read

    checkpoint = load_checkpoint(sys.argv[1])
    judged = verdict(checkpoint, layers=["rnn.l0"])
    network = build_network(checkpoint, default_setup(compatible_parts(checkpoint)), "large")
    reading = read(network, "3 1 4 1 5")
    memory = dict(line.split(":") for line in open("/proc/self/status"))
    print(json.dumps({
        "peak": int(memory["VmHWM"].split()[0]) << 10,
        "verdict": [str(finding) for finding in judged],
        "layers": list(reading.trace.layers),
        "rows": checkpoint.stored["embedding.weight"].shape[0],
    }))
"""


def open_and_run(path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OPEN_AND_RUN), str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr[-2000:]
    return json.loads(done.stdout)


def write_model(path, symbols):
    """A language model with an embedding of so many symbols, all 0, which take no room in the file system."""
    parts = nn.ModuleDict({"rnn": nn.LSTM(1000, 16), "head": nn.Linear(16, 30)})
    data = save(parts.state_dict())
    length = int.from_bytes(data[:8], "little")
    header, values = json.loads(data[8 : 8 + length]), data[8 + length :]
    end = len(values) + symbols * 1000 * 4
    header["embedding.weight"] = {"dtype": "F32", "shape": [symbols, 1000], "data_offsets": [len(values), end]}
    head = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head + values)
        file.truncate(8 + len(head) + end)
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured as Linux reports it")
def test_a_file_of_one_gigabyte(tmp_path):
    small = open_and_run(write_model(tmp_path / "small.safetensors", 100))
    path = write_model(tmp_path / "large.safetensors", 270_000)
    assert path.stat().st_size > 1 << 30
    large = open_and_run(path)
    assert large["rows"] == 270_000 and large["layers"] == ["rnn.l0"]
    assert any("embedding.weight were not read" in said for said in large["verdict"])
    assert large["peak"] < small["peak"] + (200 << 20) < 2 << 30

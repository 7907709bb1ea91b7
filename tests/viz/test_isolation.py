"""Readers who open different files at the same time: each gets the numbers of the own file alone.

`python -m tests.viz.test_isolation` uploads thirty files of 20 MB one after the other and prints the server's memory.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from safetensors.torch import save
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from torch import nn

from tests.benchmarks.hostile_uploads import server_memory
from tests.support.browser import serve
from tests.support.raw_client import raw_client
from viz.payloads.binary_payload import unpack

SESSIONS, SYMBOLS = 8, 5


class Tagger(nn.Module):
    """A language model of `SYMBOLS` symbols."""

    def __init__(self, units):
        super().__init__()
        self.embed, self.rnn = nn.Embedding(SYMBOLS, 3), nn.GRU(3, units, batch_first=True)
        self.head = nn.Linear(units, SYMBOLS)


def box_of(client):
    """Return the id of the page's first upload box."""
    return next(name for name, kind in client.widgets.items() if kind == "file_uploader_state_value")


def tables(answer):
    """Return the texts of all tables that a page was sent."""
    found = []
    for element in answer.elements:
        kind = element.WhichOneof("type")
        if kind in ("table", "dataframe"):
            proto = getattr(element, kind)
            data = proto.arrow_data.data if hasattr(proto, "arrow_data") else proto.data
            found += convert_arrow_bytes_to_pandas_df(data).astype(str).to_numpy().ravel().tolist()
    return found


def read_own_file(url, units):
    """Open a file of this size, and read its numbers on two pages; return what is wrong."""
    torch.manual_seed(units)
    net = Tagger(units)
    with raw_client(url) as client:
        first = client.run("panel=contents", "checkpoint")
        if not client.widgets or first.errors:
            return [f"{units}: the page did not open: {first}"[:2000]]
        answer = client.upload(box_of(client), {"net.safetensors": save(net.state_dict())}, page="checkpoint")
        name = parse_qs(answer.query)["net"][0]
        shapes = [text for text in tables(answer) if "×" in text]
        run = client.run(f"net={name}&text=0 1 2 3 4 0&panel=-none", "")
    wrong = [f"{units}: {each}" for each in (*answer.errors, *run.errors)]
    with torch.no_grad():
        expected = net.rnn(net.embed(torch.tensor([[0, 1, 2, 3, 4, 0]])))[0][0].numpy()
    sent = [unpack(each.bidi_component.bytes)[1] for each in run.elements if each.bidi_component.bytes]
    hidden = [each["hidden"] for each in sent if "hidden" in each]
    if not hidden or any(each.shape != expected.shape or not np.allclose(each, expected, atol=1e-6) for each in hidden):
        wrong.append(f"{units}: other numbers than the file's own")
    if not any(str(units) in text for text in shapes):
        wrong.append(f"{units}: no table with the file's own shapes: {shapes[:9]}")
    return wrong


@pytest.mark.slow
def test_eight_readers_of_different_files_get_their_own_numbers(app):
    with ThreadPoolExecutor(SESSIONS) as pool:
        wrong = list(pool.map(lambda units: read_own_file(app, units), range(11, 11 + SESSIONS)))
    assert wrong == [[]] * SESSIONS


def main():
    count, size = int(sys.argv[1]) if len(sys.argv) > 1 else 30, 20 << 20
    with serve() as url, raw_client(url) as client:
        client.run("panel=-none", "checkpoint")
        print(f"before: {server_memory()} MB")
        for number in range(count):
            state = {"weight": torch.full((size // 4,), float(number)), **nn.LSTM(3, 4).state_dict()}
            answer = client.upload(box_of(client), {f"{number}.safetensors": save(state)}, page="checkpoint")
            print(f"{number}: {answer.seconds:.1f} s, {server_memory()} MB, {answer.errors}", flush=True)


if __name__ == "__main__":
    main()

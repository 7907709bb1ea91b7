"""One reader attacks while another reads numbers: ``python -m tests.benchmarks.hostile_reader [SECONDS] [--tabs N]``.

The attacker opens costly links, uploads hostile files and sends mutated messages, one after the other in each of N tabs. The
other reader goes to another step, then edits a weight, again and again, and compares the numbers that it gets with those of
the engine. Printed: what the attacker did, how many answers the reader got, how many had wrong numbers (none may), the
longest and the median wait, and the longest wait for ``/_stcore/health`` (bar: one second).
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
from collections import Counter

import numpy as np
from websockets.exceptions import WebSocketException

from models import EditedNetwork, load_network, read_edits
from tests.benchmarks.hostile_uploads import Health, server_memory
from tests.support.browser import serve
from tests.support.hostile_files import HOSTILE
from tests.support.raw_client import Answer, RawClient, raw_client
from tests.viz.test_hostile_links import mutated as mutated_link
from tests.viz.test_hostile_messages import LINKS, PAGES, send
from viz.payloads.binary_payload import unpack

NET, LAYER, TEXT = "counter", "rnn.l0", "aaabbb"
QUICK = [name for name in HOSTILE if name not in ("npz_deflate", "torch_packed_storages")]
"""Files that are made in a moment."""
LONG = "+".join(["def", "f(x):", "return", "x"] * 25)
COSTLY = (
    f"/gradients?net=python-lm&panel=*&text={LONG}",
    f"/states?net=python-lm&panel=*&text={LONG}",
    "/edit?net=python-lm&panel=*&edits=" + ";".join(f"rnn.l0.weight_hh.radius=0.{n}" for n in range(10, 99)),
    "/attention?net=dates-general&panel=*&text=4+August+2024",
    "/gradients?net=recall-lstm&panel=*&look=cells:knobs;knobs:200,1,1",
)


def attack(url: str, source: random.Random, end: float, done: Counter[str]) -> None:
    """Attack in one tab until ``end``."""
    made: dict[str, bytes] = {}
    while time.monotonic() < end:
        act = source.choice(("file", "link", "messages", "parameters"))
        try:
            with raw_client(url) as client:
                if act == "file":
                    client.run("panel=-none", "checkpoint")
                    boxes = [name for name, kind in client.widgets.items() if kind == "file_uploader_state_value"]
                    name = source.choice(QUICK)
                    made[name] = made.get(name) or HOSTILE[name]()
                    client.upload(boxes[0], {f"{name}.pt": made[name]}, page="checkpoint")
                elif act == "link":
                    page, _, query = source.choice(COSTLY).removeprefix("/").partition("?")
                    client.run(query, page)
                elif act == "parameters":
                    pieces = mutated_link(source)
                    client.run(
                        "&".join(f"{name}={value}" for name, value in pieces.items())[:20_000], source.choice(PAGES)
                    )
                else:
                    query, page = source.choice(LINKS), source.choice(PAGES)
                    client.run(query, page)
                    for _ in range(5):
                        send(client, query, page, source)
            done[act] += 1
        except (OSError, WebSocketException) as error:  # the server closed the connection
            done[f"{act}: {type(error).__name__}"] += 1


class Reader:
    """The other reader: asks for views whose numbers are known."""

    def __init__(self, client: RawClient) -> None:
        self.client, self.waits, self.wrong, self.number = client, list[float](), list[str](), 0
        self.network = load_network(NET)

    def read(self) -> None:
        """Go to another step, or edit a weight, and compare the numbers."""
        self.number += 1
        edits, page = "", ""
        if self.number % 2:
            edits, page = f"{LAYER}.weight_hh[forget_gate.0,1]={self.number / 7:.4f}", "edit"
        query = f"net={NET}&text={TEXT}&step={self.number % len(TEXT)}&edits={edits.replace('=', '%3D')}"
        answer = self.client.run(query, page)
        self.waits.append(answer.seconds)
        run = EditedNetwork(self.network, read_edits(edits)).read(TEXT)
        expected = run.trace.layers[LAYER].hidden[0]
        found = hidden_states(answer)
        if answer.errors or not any(each.shape == expected.shape and np.array_equal(each, expected) for each in found):
            self.wrong.append(f"{page}?{query}: {answer.errors or len(found)}")


def hidden_states(answer: Answer) -> list[np.ndarray]:
    """Return the hidden states (T, H) of every trace that a page was sent."""
    found = []
    for element in answer.elements:
        if element.WhichOneof("type") == "bidi_component" and element.bidi_component.WhichOneof("data") == "bytes":
            try:
                found.append(unpack(element.bidi_component.bytes)[1].get("hidden"))
            except (ValueError, KeyError, IndexError):
                continue
    return [each for each in found if each is not None]


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", nargs="?", type=float, default=60.0)
    parser.add_argument("--tabs", type=int, default=1)
    parser.add_argument("--seed", default="0")
    given = parser.parse_args()
    with serve(warm_up=True) as url, raw_client(url) as client:
        reader = Reader(client)
        for _ in range(4):
            reader.read()
        alone = statistics.median(reader.waits)
        reader.waits.clear()
        health = Health(url)
        health.start()
        done: Counter[str] = Counter()
        end = time.monotonic() + given.seconds
        tabs = [
            threading.Thread(target=attack, args=(url, random.Random(f"{given.seed} {tab}"), end, done), daemon=True)
            for tab in range(given.tabs)
        ]
        for tab in tabs:
            tab.start()
        while time.monotonic() < end:
            reader.read()
            time.sleep(0.2)
        health.ended = True
        waits = reader.waits
        print(
            f"attacker, {given.tabs} tabs, {given.seconds:g} s: {dict(done)}; memory of the server: {server_memory()} MB"
        )
        print(f"reader: {len(waits)} answers, {len(reader.wrong)} wrong; waits in s: alone {alone:.2f}, median "
              f"{statistics.median(waits):.2f}, longest {max(waits):.2f}; health: longest {health.worst:.2f}")  # fmt: skip
        for each in reader.wrong[:3]:
            print(each)


if __name__ == "__main__":
    main()

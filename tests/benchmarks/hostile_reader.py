"""One reader attacks while another reads numbers: ``python -m tests.benchmarks.hostile_reader [SECONDS] [--tabs N]``.

The attacker, a process of its own, opens costly links, uploads hostile files and sends mutated messages, one after the other
in each of N tabs. The other reader goes to another step, then edits a weight, again and again, and compares the numbers that
it gets with those of the engine. Printed: what the attacker did, how many answers the reader got, how many had wrong numbers
(none may), the longest and the median wait, without the attack and during it, the longest waits with what the attacker did
meanwhile, and the longest wait for ``/_stcore/health`` (bar: one second).
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import threading
import time
from collections import Counter
from typing import Any

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


Act = tuple[float, float, str]
"""When an act of the attacker began and ended, by the system's clock, and what it was."""


def attack(url: str, source: random.Random, end: float, files: dict[str, bytes], acts: list[Act]) -> None:
    """Attack in one tab until ``end``."""
    while time.monotonic() < end:
        act, start = source.choice(("file", "link", "messages", "parameters")), time.monotonic()
        detail = ""
        try:
            with raw_client(url) as client:
                if act == "file":
                    client.run("panel=-none", "checkpoint")
                    boxes = [name for name, kind in client.widgets.items() if kind == "file_uploader_state_value"]
                    detail = source.choice(list(files))
                    client.upload(boxes[0], {f"{detail}.pt": files[detail]}, page="checkpoint")
                elif act == "link":
                    detail = source.choice(COSTLY)
                    page, _, query = detail.removeprefix("/").partition("?")
                    client.run(query, page)
                elif act == "parameters":
                    pieces, page = mutated_link(source), source.choice(PAGES)
                    detail = f"/{page}?" + "&".join(f"{name}={value}" for name, value in pieces.items())
                    client.run(detail.partition("?")[2][:20_000], page)
                else:
                    query, page = source.choice(LINKS), source.choice(PAGES)
                    detail = f"/{page}?{query}"
                    client.run(query, page)
                    for _ in range(5):
                        send(client, query, page, source)
        except (OSError, WebSocketException) as error:  # the server closed the connection
            act = f"{act}: {type(error).__name__}"
        acts.append((start, time.monotonic(), f"{act} {detail[:60]}"))


def attack_in_tabs(url: str, seed: str, tabs: int, seconds: float, answers: Any) -> None:
    """Attack in several tabs from this process; send None once the files are made, then the acts."""
    files = {name: HOSTILE[name]() for name in QUICK}
    answers.send(None)
    acts: list[Act] = []
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=attack, args=(url, random.Random(f"{seed} {tab}"), end, files, acts), daemon=True)
        for tab in range(tabs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end + 60 - time.monotonic()))
    answers.send(acts)


class Reader:
    """The other reader: asks for views whose numbers are known."""

    def __init__(self, client: RawClient) -> None:
        self.client, self.wrong, self.number = client, list[str](), 0
        self.waits = list[tuple[float, float]]()  # when each ended, and its seconds
        self.network = load_network(NET)

    def read(self) -> None:
        """Go to another step, or edit a weight, and compare the numbers."""
        self.number += 1
        edits, page = "", ""
        if self.number % 2:
            edits, page = f"{LAYER}.weight_hh[forget_gate.0,1]={self.number / 7:.4f}", "edit"
        query = f"net={NET}&text={TEXT}&step={self.number % len(TEXT)}&edits={edits.replace('=', '%3D')}"
        answer = self.client.run(query, page)
        self.waits.append((time.monotonic(), answer.seconds))
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
        answers, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(
            target=attack_in_tabs, args=(url, given.seed, given.tabs, given.seconds, sender), daemon=True
        )
        reader = Reader(client)
        for _ in range(4):
            reader.read()
        alone = read_until(reader, time.monotonic() + max(10.0, given.seconds / 10))
        health = Health(url)
        process.start()
        answers.recv()  # the files are made
        health.start()
        waits = read_until(reader, time.monotonic() + given.seconds)
        health.ended = True
        acts: list[Act] = answers.recv()
        done = Counter(what.partition(" ")[0] for _, _, what in acts)
        print(
            f"attacker, {given.tabs} tabs, {given.seconds:g} s: {dict(done)}; memory of the server: {server_memory()} MB"
        )
        print(f"reader: {len(waits)} answers, {len(reader.wrong)} wrong; health: longest {health.worst:.2f} s")
        for name, found in (("alone", alone), ("attacked", waits)):
            seconds = [each for _, each in found]
            print(f"waits in s, {name}: median {statistics.median(seconds):.2f}, longest {max(seconds):.2f}")
        for end, wait in sorted(waits, key=lambda each: -each[1])[:5]:
            meanwhile = [what for first, last, what in acts if first < end and last > end - wait]
            print(f"  {wait:.2f} s until {end:.2f}: {meanwhile}")
        for each in reader.wrong[:3]:
            print(each)


def read_until(reader: Reader, end: float) -> list[tuple[float, float]]:
    """Read until ``end``; return when each wait ended, and its seconds."""
    reader.waits = []
    while time.monotonic() < end:
        reader.read()
        time.sleep(0.2)
    return reader.waits


if __name__ == "__main__":
    main()

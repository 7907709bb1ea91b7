"""A class on one server: ``python -m tests.benchmarks.class_load [open edit heavy] [--students N] [--minutes N]``.

Real websocket clients, with an empty Streamlit app beside ours, in turns, so that both meet the same load:

- ``open``: N sessions open within eight seconds. The time until the first page has arrived, of the median and of the last,
  and the handshakes that failed. Bars: none fails, and the last has its page within twice the empty app's last. Then the
  memory of each session (bar: 15 MB).
- ``edit``: N sessions change a weight every five seconds on the Edit page; those of the empty app run their page again. Edits
  a second (bar: half of the empty app's runs), and the processor time of each. All numbers are compared with torch's.
- ``heavy``: one session opens a page that is heavy to compute while health checks and handshakes are timed (bar: no second).

With ``--minutes``, sessions come, edit and go for so long, and the server's memory is printed every minute.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from urllib.parse import urlencode

import numpy as np
import torch

from models import load_network
from tests.benchmarks.browser_latency import EMPTY
from tests.support.browser import ROOT, serve
from tests.support.class_client import ClassClient, ServerProcess, check_health, open_stream

ARRIVAL, PERIOD = 8.0, 5.0
"""Seconds within which all sessions open, and seconds between two edits of one session."""
PATIENCE = 180.0
"""Seconds after which a session that has no page is counted as failed."""
OPEN_BAR, EDIT_BAR, DELAY_BAR, MEMORY_BAR = 2.0, 0.5, 1.0, 15.0

NET, TEXT, WEIGHT = "counter", "aaabbb", "weight_hh[forget_gate.0,0]"
EDITED = urlencode({"net": NET, "text": TEXT, "edits": f"rnn.l0.{WEIGHT}=0.25"})
LONG = "def area(width, height):\n    return width * height\n\n" * 12
HEAVY = {
    "gradients": urlencode({"net": "python-lm", "text": LONG[:500], "panel": "*"}),
    "checkpoint": urlencode({"net": "python-lm", "panel": "*"}),
}


def expected_hidden(value: float) -> np.ndarray:
    """Return torch's hidden states (T, H) of the edited network."""
    network = load_network(NET)
    module, found = copy.deepcopy(network.module), list[torch.Tensor]()
    layer = next(each for each in module.modules() if isinstance(each, torch.nn.LSTM))
    layer.register_forward_hook(lambda _module, _given, output: found.append(output[0]))
    with torch.no_grad():
        layer.weight_hh_l0[layer.hidden_size, 0] = value  # unit 0 of the second gate
        module(network.encode(TEXT))
    return found[0][0].numpy()


async def at_times(clients: Sequence[ClassClient], act: Callable[[int], Awaitable[float]]) -> list[float | None]:
    """Let each client act, evenly over `ARRIVAL` seconds; return the seconds of each, None if it failed."""

    async def act_later(number: int) -> float | None:
        await asyncio.sleep(ARRIVAL * number / len(clients))
        try:
            return await asyncio.wait_for(act(number), PATIENCE)
        except Exception as error:  # whatever kept it from its page
            print(f"  session {number}: {type(error).__name__} {error}")
            return None

    return await asyncio.gather(*(act_later(number) for number in range(len(clients))))


async def open_all(url: str, count: int, query: str = "", page: str = "") -> tuple[list[ClassClient], list[float]]:
    """Open sessions; return them with the seconds of each, without those that failed."""
    clients = [ClassClient(url) for _ in range(count)]
    seconds = await at_times(clients, lambda number: clients[number].open(query, page))
    done = [(client, each) for client, each in zip(clients, seconds, strict=True) if each is not None]
    return [client for client, _ in done], [each for _, each in done]


async def measure_opening(empty: str, ours: str, count: int) -> None:
    """Print how long sessions take to open."""
    lasts = {}
    for name, url in (("empty", empty), ("ours", ours)):
        process = ServerProcess(url)
        await process.rest()
        memory, used = process.memory(), process.processor()
        clients, seconds = await open_all(url, count)
        used = process.processor() - used
        await asyncio.sleep(8)  # until garbage is collected
        await process.rest()
        lasts[name] = max(seconds, default=float("nan"))
        print(
            f"open, {name}: {count - len(clients)} of {count} failed; median {median(seconds or [0]):.1f} s, last"
            f" {lasts[name]:.1f} s, processor {1000 * used / count:.0f} ms a session,"
            f" memory {(process.memory() - memory) / count:.1f} MB a session (bar {MEMORY_BAR:g})",
            flush=True,
        )
        await asyncio.gather(*(client.close() for client in clients))
    print(f"open: last {lasts['ours'] / lasts['empty']:.2f}x the empty app's last (bar {OPEN_BAR:g}x)", flush=True)


async def act_in_turn(
    clients: Sequence[ClassClient], seconds: float, act: Callable[[int], Awaitable[float]]
) -> list[float]:
    """Let every client act each `PERIOD` seconds, unless it still waits for its answer; return the seconds of each answer."""
    end, waits = time.monotonic() + seconds, list[float]()

    async def act_again(number: int) -> None:
        await asyncio.sleep(PERIOD * number / len(clients))
        while (start := time.monotonic()) < end:
            wait = await act(number)
            if time.monotonic() < end:
                waits.append(wait)
            await asyncio.sleep(max(0.0, start + PERIOD - time.monotonic()))

    await asyncio.gather(*(act_again(number) for number in range(len(clients))))
    return waits


async def measure_edits(empty: str, ours: str, count: int, seconds: float) -> None:
    """Print how many edits are served in a second."""
    rates, costs, wrong, source = {}, {}, list[str](), random.Random(0)
    for name, url, query, page in (("empty", empty, "", ""), ("ours", ours, EDITED, "edit")):
        process = ServerProcess(url)
        await process.rest()
        clients, _ = await open_all(url, count, query, page)

        async def edit(number: int, clients: list[ClassClient] = clients) -> float:
            value = round(source.uniform(0.3, 1.9), 3)
            wait = await clients[number].drag(WEIGHT, value)
            found = clients[number].hidden
            if clients[number].errors or found is None or not np.allclose(found, expected_hidden(value), atol=1e-5):
                wrong.append(
                    f"session {number}, {value}: {clients[number].errors or 'other numbers than those of torch'}"
                )
            return wait

        async def rerun(number: int, clients: list[ClassClient] = clients) -> float:
            return await clients[number].rerun()

        used = process.processor()
        waits = await act_in_turn(clients, seconds, edit if page else rerun)
        rates[name], costs[name] = len(waits) / seconds, (process.processor() - used) / max(1, len(waits))
        print(
            f"edit, {name}: {len(clients)} sessions, {rates[name]:.2f} a second (asked for {count / PERIOD:g}), median"
            f" {median(waits or [float('nan')]):.2f} s, longest {max(waits, default=float('nan')):.2f} s,"
            f" processor {1000 * costs[name]:.0f} ms each",
            flush=True,
        )
        await asyncio.gather(*(client.close() for client in clients))
    print(
        f"edit: {rates['ours'] / rates['empty']:.2f}x the empty app's runs a second (bar {EDIT_BAR:g}x),"
        f" processor {costs['ours'] / costs['empty']:.1f}x; {len(wrong)} answers with wrong numbers {wrong[:3]}",
        flush=True,
    )


async def timed(act: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that something takes."""
    start = time.monotonic()
    await act()
    return time.monotonic() - start


async def measure_delays(empty: str, ours: str) -> None:
    """Print how long health checks and handshakes wait while a heavy page is computed."""

    async def shake(url: str) -> None:
        await (await open_stream(url)).close()

    for page, query in HEAVY.items():
        await ServerProcess(ours).rest()
        client, waits = ClassClient(ours), dict[str, list[float]]()
        task = asyncio.create_task(client.open(query, page))
        while not task.done():
            for name, url in (("empty", empty), ("ours", ours)):
                waits.setdefault(f"health, {name}", []).append(await timed(lambda url=url: check_health(url)))
                waits.setdefault(f"handshake, {name}", []).append(await timed(lambda url=url: shake(url)))
            await asyncio.sleep(0.05)
        print(f"heavy, {page}: computed in {task.result():.1f} s {client.errors or ''}")
        for name, found in waits.items():
            print(
                f"  {name}: median {median(found):.3f} s, longest {max(found):.2f} s of {len(found)} (bar {DELAY_BAR:g} s)"
            )
        await client.close()


async def watch_memory(ours: str, count: int, minutes: float) -> None:
    """Let sessions come, edit and go, and print the server's memory every minute."""
    process, end, source = ServerProcess(ours), time.monotonic() + 60 * minutes, random.Random(0)
    pages = ("", "edit", "states", "gradients", "attention", "layer", "language", "lessons")
    curve, visits, minute, start = list[tuple[float, float]](), 0, 0, time.monotonic()

    async def visit() -> None:
        nonlocal visits
        while time.monotonic() < end:
            client = ClassClient(ours)
            text = "".join(source.choices("ab", k=source.randint(4, 30)))
            try:
                if source.random() < 0.5:
                    await client.open(EDITED, "edit")
                    for _ in range(3):
                        await client.drag(WEIGHT, round(source.uniform(0.3, 1.9), 3))
                        await asyncio.sleep(PERIOD)
                else:
                    await client.open(urlencode({"net": NET, "text": text}), source.choice(pages))
                    await asyncio.sleep(PERIOD)
                visits += 1
            except Exception as error:
                print(f"  a visit failed: {type(error).__name__} {error}")
            await client.close()

    visitors = [asyncio.create_task(visit()) for _ in range(count)]
    while time.monotonic() < end:
        await asyncio.sleep(60)
        minute += 1
        curve.append(((time.monotonic() - start) / 60, process.memory()))
        print(f"minute {minute}: {visits} visits, {curve[-1][1]:.0f} MB", flush=True)
    await asyncio.gather(*visitors)
    half = np.array(curve[len(curve) // 2 :])
    if len(half) > 1:
        print(f"growth in the second half: {60 * np.polyfit(half[:, 0], half[:, 1], 1)[0]:+.0f} MB an hour")


async def measure(options: argparse.Namespace, empty: str, ours: str) -> None:
    """Measure the chosen parts."""
    await ServerProcess(ours).rest()
    for _ in range(options.rounds):
        if "open" in options.parts:
            await measure_opening(empty, ours, options.students)
        if "edit" in options.parts:
            await measure_edits(empty, ours, options.students, options.seconds)
        if "heavy" in options.parts:
            await measure_delays(empty, ours)
    if options.minutes:
        await watch_memory(ours, max(1, options.students // 5), options.minutes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["open", "edit", "heavy"])
    parser.add_argument("--students", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0, help="of edits")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0)
    options = parser.parse_args()
    with serve(script=EMPTY) as empty, serve(script=ROOT / "app.py", warm_up=True) as ours:
        asyncio.run(measure(options, empty, ours))
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

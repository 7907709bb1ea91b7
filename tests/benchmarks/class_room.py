"""One room with twelve browsers and thirty-eight websocket clients: how late each page is in step with the teacher's.

    python -m tests.benchmarks.class_room [--browsers 12] [--sockets 38] [--steps 40]

The teacher steps twice a second in a real browser. A follower is in step once its player's store has the step; of a websocket
client, once the message has arrived. All clocks are this machine's. The numbers at the end of the run are compared with those
that `capture` records, on every page.
"""

import argparse
import json
import re
import threading
import time
from contextlib import ExitStack
from secrets import token_hex

import numpy as np
from websockets.sync.client import connect

from models import capture, load_network
from tests.support.browser import launch_browser, serve

TEXT = "." + "a" * 40 + "b" * 40 + "."
RECORD = """() => {
  window.inStep = {};
  unrolled.store.watch((store, changed) => { if (changed.has("step")) window.inStep[store.step] ??= Date.now(); });
}"""

CELL = "() => { const s = unrolled.store([...unrolled.players.all][0]); return [...s.trace.row('cell', s.step)]; }"


def listen(url, link, arrived, stop):
    """Follow a room over its websocket, and store when each step has arrived (s)."""
    room, secret = link.rpartition("=")[2].split(".")
    with connect(re.sub("^http", "ws", url) + "/_room/socket", proxy=None) as socket:
        socket.send(json.dumps({"type": "join", "room": room, "secret": secret, "me": token_hex(16)}))
        while not stop.is_set():
            try:
                message = json.loads(socket.recv(timeout=1))
            except TimeoutError:
                socket.send('{"type": "ping"}')
                continue
            for place in message.get("at", {}).values() if message["type"] == "at" else ():
                arrived.setdefault(place["step"], time.time())


def main():
    """Run the room, and print the delays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browsers", type=int, default=12)
    parser.add_argument("--sockets", type=int, default=38)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    with ExitStack() as stack:
        url = stack.enter_context(serve(warm_up=True))
        browser = stack.enter_context(launch_browser())
        context = browser.new_context(viewport={"width": 900, "height": 700})
        context.set_default_timeout(300_000)
        teacher = context.new_page()
        teacher.goto(f"{url}/room")
        teacher.click('[data-act="open"]')
        link = teacher.get_attribute("[data-link]", "data-link")
        teacher.goto(f"{url}/?net=counter&text={TEXT}&layer=rnn.l0&unit=0&step=0&quantity=cell")
        teacher.wait_for_selector(".unrolled-player")
        pages = []
        for _page in range(options.browsers):
            page = context.new_page()
            page.goto(link)
            page.click('[data-act="join"]')
            pages.append(page)
        for page in pages:
            page.wait_for_selector(".unrolled-player")
            page.wait_for_function(
                "() => unrolled.players && [...unrolled.players.all].some((name) => unrolled.store(name).trace)"
            )
        stop, arrivals = threading.Event(), [{} for _socket in range(options.sockets)]
        threads = [threading.Thread(target=listen, args=(url, link, each, stop)) for each in arrivals]
        for thread in threads:
            thread.start()
        count = options.browsers + options.sockets
        teacher.wait_for_function(
            f"() => document.querySelector('[data-act=people]').textContent.startsWith('{count} of {count}')"
        )
        for page in (teacher, *pages):
            page.evaluate(RECORD)
        for _step in range(options.steps):
            teacher.keyboard.press("ArrowRight")
            time.sleep(0.5)
        time.sleep(2)
        stop.set()
        for thread in threads:
            thread.join()
        sent = {int(step): at / 1000 for step, at in teacher.evaluate("inStep").items()}
        with capture(net := load_network("counter")) as trace:
            net(net.encode(TEXT))
        expected = trace.layers["rnn.l0"].cell[0, options.steps]
        wrong = 0
        for page in pages:
            found = page.evaluate(CELL)
            wrong += not np.allclose(found, expected, atol=1e-5)
        in_pages = [{int(step): at / 1000 for step, at in page.evaluate("inStep").items()} for page in pages]
        for name, followers in (("browsers", in_pages), ("websockets", arrivals)):
            delays = np.array([found.get(step, np.inf) - at for found in followers for step, at in sent.items()])
            share = float((delays <= 0.5).mean()) if len(delays) else 0.0
            print(
                f"{name}: {len(followers)} followers, {len(sent)} steps: median {np.median(delays) * 1000:.0f} ms, ",
                end="",
            )
            print(f"95 % {np.quantile(delays, 0.95) * 1000:.0f} ms, in step within 500 ms {share:.1%}")
        print(f"pages with other numbers than capture's at the end: {wrong} of {len(pages)}")


if __name__ == "__main__":
    main()

"""Fifty sessions that edit one network at once: each sees its own numbers, to the last bit."""

from base64 import b64decode, b64encode
from urllib.parse import urlencode

import numpy as np
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from models import load_network, read_edits, run_edited
from viz.payloads.binary_payload import unpack

pytestmark = pytest.mark.browser

SESSIONS = 50
EDITS = ("rnn.l0.weight_hh[forget_gate.0,0]={}", "rnn.l0.forget_gate[0]@2-5={}", "rnn.l0.bias_ih*={}")

# Sessions as the page itself opens them, all at once from one browser; returns each one's message with the run's numbers.
OPEN = """
async ([asks, seconds]) => {
  window.sessions ??= asks.map(() => {
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/_stcore/stream`, ["streamlit"]);
    socket.binaryType = "arraybuffer";
    socket.opened = new Promise((done, fail) => {
      socket.onopen = done;
      socket.onerror = () => fail(new Error("no socket"));
    });
    return socket;
  });
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const text = (data) => { // 32 K letters at a time: more are too many arguments
    let letters = "";
    for (let k = 0; k < data.length; k += 32768) letters += String.fromCharCode(...data.subarray(k, k + 32768));
    return btoa(letters);
  };
  await Promise.all(window.sessions.map((socket) => socket.opened));
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("no answer")), 1000 * seconds));
  const within = (promise) => Promise.race([promise, late]);
  return within(Promise.all(window.sessions.map((socket, k) => new Promise((done) => {
    socket.onmessage = ({ data }) => {
      const message = new Uint8Array(data);
      const head = new TextDecoder("latin1").decode(message);
      if (head.includes('"view_id":"edit"')) done(text(message));
    };
    socket.send(bytes(asks[k]));
  }))));
}
"""


def asked(edits: str) -> str:
    """Return the message by which a browser opens the Edit lens with these edits."""
    message = BackMsg()
    message.rerun_script.query_string = urlencode({"net": "counter", "edits": edits})
    message.rerun_script.page_name = "edit"
    return b64encode(message.SerializeToString()).decode()


def hidden(message: str) -> np.ndarray:
    """The hidden states in what the server sent."""
    forward = ForwardMsg.FromString(b64decode(message))
    return unpack(forward.delta.new_element.bidi_component.bytes)[1]["hidden"]


def test_fifty_sessions_each_see_their_own_edits(open_page):
    page = open_page("/edit?net=counter&panel=-none")
    network = load_network("counter")
    text = network.card.default.text
    seen = set()
    for turn in range(2):  # the second time every session has edits already, and gets others
        edits = [EDITS[k % 3].format(0.01 * (k + 1) + turn / 2) for k in range(SESSIONS)]
        edits[7] = ""  # one of them edits nothing
        told = page.evaluate(OPEN, [[asked(each) for each in edits], 120])
        assert len(told) == SESSIONS
        for each, message in zip(edits, told, strict=True):
            wanted = run_edited(network, text, read_edits(each)).trace.layers["rnn.l0"].hidden[0]
            assert np.array_equal(hidden(message), wanted), each
            seen.add(wanted.tobytes())
    assert len(seen) == 2 * (SESSIONS - 1) + 1  # no two edits look alike
    page.evaluate("window.sessions.forEach((socket) => socket.close())")

"""What the browser computes of a run before and after edits: the values before, and the change, as numpy does."""

from base64 import b64encode

import numpy as np
import pytest

from models import load_network, read_edits, run_network
from models.edits.edit_effects import state_difference
from models.edits.edited_network import EditedNetwork
from tests.support.plain_page import plain_page
from viz.components.array_loader import ARRAY_LOADER, loaded_array
from viz.components.trace_loader import TRACE_LOADER
from viz.pages.states.states_cache import state_values
from viz.payloads.edited_payload import compared_names, edited_payload

pytestmark = pytest.mark.browser

# Mounts the loader of the trace before that of its array, and the other way round; returns each trace's arrays by name.
LOAD = """
([trace, array, names]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const mount = (name, data) => unrolled.components[name].mount(document.body, bytes(data), () => {});
  const values = (store) => names.map((name) => [...new Uint8Array(store.trace.arrays[name].data.buffer)]);
  const store = unrolled.store("compared");
  store.trace = null;
  const first = mount("trace_loader", trace);
  const early = store.trace;
  const loader = mount("array_loader", array);
  const late = values(store);
  first.destroy();
  store.trace = null;
  const second = mount("trace_loader", trace);
  const again = values(store);
  second.destroy();
  loader.destroy();
  return [early, late, again];
}
"""


@pytest.fixture(scope="module")
def page(browser):
    with plain_page(browser, []) as opened:
        for component in (TRACE_LOADER, ARRAY_LOADER):
            opened.add_script_tag(content=component.script, type="module")
        opened.wait_for_function("() => unrolled?.components?.trace_loader && unrolled.components.array_loader")
        yield opened


@pytest.mark.parametrize("edits", ["rnn.l0.writes[0]=0", "token[3]+=a", "token[3]-", "rnn.l0.weight_hh=1e38"])
@pytest.mark.parametrize("quantity", ["forget_gate", "hidden"])
def test_the_browser_computes_the_values_before_and_the_change(page, edits, quantity):
    network, layer = load_network("counter"), "rnn.l0"
    edited, text = EditedNetwork(network, read_edits(edits)), network.card.default.text
    origin = edited.sequence(text).origin if read_edits(edits).tokens else None
    before, after = run_network(network, text), edited.read(text)
    array = loaded_array(state_values(before, layer, quantity))
    payload = edited_payload("compared", before, after, layer, quantity, array.id, origin)
    first, _second, third = compared_names(quantity)
    early, *loaded = page.evaluate(
        LOAD, [*(b64encode(each).decode() for each in (payload, array.payload)), [first, third]]
    )
    assert early is None
    old = array.values
    if origin is not None:
        old = np.stack([old[was] if was is not None else np.full_like(old[0], np.nan) for was in origin])
    for arrays in loaded:
        sent_before, change = (np.frombuffer(bytes(each), "<f4").reshape(old.shape) for each in arrays)
        assert np.array_equal(sent_before, old, equal_nan=True)
        assert np.array_equal(change, state_difference(before, after, layer, quantity, origin), equal_nan=True)

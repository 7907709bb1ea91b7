"""A weight matrix whose values are sent as an array and a difference from it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from playwright.sync_api import expect

from tests.support.plain_page import plain_page
from viz.components.array_loader import ARRAY_LOADER, loaded_array
from viz.components.trace_loader import TRACE_LOADER
from viz.components.weight_matrix import MAX_CHANGED, WEIGHT_MATRIX, changed_places, weight_matrix_data
from viz.payloads.binary_payload import pack

MATRIX = arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(MATRIX, st.data())
def test_the_difference_is_exact_and_bounded(before, data):
    after = data.draw(arrays(np.float32, before.shape))
    at = changed_places(before, after)
    count = sum(a.tobytes() != b.tobytes() for a, b in zip(before.ravel(), after.ravel(), strict=True))
    assert (at is None) == (count > MAX_CHANGED)
    if at is not None:
        made = before.copy()
        made.ravel()[at] = after.ravel()[at]
        assert len(at) == count and made.tobytes() == after.tobytes()


@pytest.mark.browser
@pytest.mark.parametrize("order", ["array first", "array last"])
def test_the_drawing_has_the_changed_values(browser, order):
    before = np.random.default_rng(0).normal(size=(30, 20)).astype(np.float32)
    after = before.copy()
    after[3, 4], after[29, 19] = -2.5, np.nan
    base = loaded_array(before)
    trace = pack("edit", layer="l0", kind="RNN", gates={}, states={"hidden": np.zeros((2, 3))}, tokens=["a", "b"])
    matrices = [(WEIGHT_MATRIX, _data(after, picked, base)) for picked in [(3, 4), (29, 19), (7, 8)]] + [
        (WEIGHT_MATRIX, _data(before, (3, 4), None))
    ]
    assert "changed" in matrices[0][1] and len(json.dumps(matrices[0][1]["values"])) < 20
    loader = [(ARRAY_LOADER, base.payload)]
    mounts = loader + matrices if order == "array first" else matrices + loader
    with plain_page(browser, [(TRACE_LOADER, trace), *mounts]) as page:
        shown = page.locator(".unrolled-weight-matrix-readout")
        for k, value in enumerate(["−2.500", "NaN", None, None]):
            number = value or page.evaluate("unrolled.formatNumber", float(before[[7, 3][k - 2], [8, 4][k - 2]]))
            expect(shown.nth(k)).to_contain_text(f"{number} · row")


def _data(values, picked, base):
    names = [[str(k) for k in range(count)] for count in values.shape]
    return weight_matrix_data(
        "edit",
        values,
        rows=names[0],
        columns=names[1],
        base=base,
        picked=picked,
        title="w",
        entry="row {row}, {column}",
    )

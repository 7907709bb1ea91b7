"""What a browser reports is used in the form of its event, or not at all."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from viz.components.reports import VIEW, finite, flag, index, optional, read_report, row_of, serial, word

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=300)
    | st.sampled_from([-1, 1e400, 10**400, 2**63, "__proto__", 0, 1.0, "hidden"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*VIEW, "at", "x"]), inner, max_size=4),
    max_leaves=6,
)
FORM = {"at": row_of(word, optional(word), index, index)}


@given(VALUES)
def test_a_report_has_the_form_of_its_event_or_is_none(value):
    report = read_report(value, VIEW)
    if report is not None:
        assert report.keys() == VIEW.keys() and type(report["step"]) is int and 0 <= report["step"] <= 10**9
        assert report["unit"] is None or type(report["unit"]) is int
        assert report["quantity"] is None or len(report["quantity"]) <= 200
    picked = read_report(value, FORM)
    assert picked is None or [type(each) for each in picked["at"]][2:] == [int, int]


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.none() | st.integers(0, 10**9), st.text(max_size=200))
def test_what_the_player_reports_is_read_back(revision, step, unit, quantity):
    view = {"revision": revision, "step": step, "unit": unit, "quantity": quantity}
    assert read_report(json.loads(json.dumps(view | {"at": 0.5})), VIEW) == view


@given(VALUES)
def test_each_check_returns_its_own_type_or_refuses(value):
    for check, kind in ((index, int), (serial, int), (finite, float), (flag, bool), (word, str)):
        try:
            found = check(value)
        except ValueError:
            continue
        assert type(found) is kind and found == value
        assert kind is not float or math.isfinite(found)

"""Widgets find the same state as without the look-up: values, a value of None, and keys that are not there."""

from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.testing.v1 import AppTest

from viz import asked_state
from viz.asked_state import AskedState, look_up_states


def widgets():
    import streamlit as st

    st.session_state.setdefault("none", None)
    st.session_state.setdefault("second", "b")
    shown = [st.selectbox(name, ["a", "b"], key=name) for name in ("none", "second", "first")]
    st.text_input("text", "x", key="text")
    st.button("a button without a key")
    st.session_state.found = dict(st.session_state)
    st.session_state.shown = shown


def run():
    page = AppTest.from_function(widgets, default_timeout=60).run()
    assert not page.exception
    page.selectbox(key="first").select("b").run()
    return page.session_state.shown, page.session_state.found


def test_widgets_find_what_they_find_without_it(monkeypatch):
    without = run()
    monkeypatch.setattr(SafeSessionState, "filtered_state", SafeSessionState.__dict__["filtered_state"])
    look_up_states()
    asked, looked_up = [], AskedState.__getitem__
    monkeypatch.setattr(AskedState, "__getitem__", lambda self, key: asked.append(key) or looked_up(self, key))
    assert run() == without
    assert without[0] == [None, "b", "b"] and {"none", "second", "text"} <= set(asked)
    assert asked_state._gathered.fget is not SafeSessionState.__dict__["filtered_state"].fget

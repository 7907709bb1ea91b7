"""Messages that a browser cannot mean: each gives a page or is ignored, and never an exception on the page.

`python -m tests.viz.test_hostile_messages 2000` sends that many to a server of its own and prints what became of them.
"""

import asyncio
import json
import random
import sys
from collections import Counter

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.state.session_state import SessionState, WStates
from streamlit.testing.v1 import AppTest

from tests.support.browser import serve
from tests.support.hostile_text import HOSTILE
from tests.support.raw_client import VALUE_TYPES, raw_client
from tests.viz.test_hostile_links import VALUES as LINK_VALUES
from viz import browser_messages
from viz.browser_messages import OPERATIONS, TYPES, WantedMessages

PAGES = ("", "states", "gradients", "edit", "attention", "checkpoint", "no-such-page")
LINKS = (
    "net=counter&text=aabb", "net=wave", "net=python-lm&text=def+f(x):", "net=dates-dot&text=4+Aug+2024",
    "net=sentiment&panel=*", "net=recall-lstm&edits=rnn.l0.hidden[0]@1-2=0",
)  # fmt: skip
TEXTS = (*HOSTILE, *LINK_VALUES[:20], "", "0", "-1", "1e309", "a" * 5000, "\0")
NUMBERS = (0.0, -1.0, 1.0, 2.5, 7.0, 1e9, 1e300, -1e300, float("nan"), float("inf"), float("-inf"), 2.0**53)
ODD = (
    None, True, -1, 0, 1.5, 1e308, 10**400, "", "hidden", "rnn.l0", "x" * 3000, [], {}, [[]], {"": {}}, [1, 2], "__proto__"
)  # fmt: skip
REPORTS = {
    "view": {"revision": 9, "step": 1, "unit": 0, "quantity": "hidden", "source": 0},
    "picked": {"revision": 9, "name": "memory", "layer": "rnn.l0", "unit": 1, "quantity": "hidden", "row": 0, "column": 0,
               "at": ["weight_hh", "forget_gate", 0, 1], "head": 0},
    "mode": {"mode": "projector"},
    "values": {"drag": 1, "released": True, "serial": 3, "temperature": 0.5, "steps": 40, "radius": 0.9, "bias": 1.0},
    "span": {"first": 0, "last": 3},
    "window": {"steps": [0, 3], "places": [0.0, 2.0]},
    "form": {"form": "numbers"},
    "missing": {"run": 0, "step": 0, "unit": 0},
    "pinned": {"revision": 9, "source": 1},
}  # fmt: skip
"""What components report, by event."""


def odd_report(source):
    """Return the JSON of a component's state with one to three wrong fields."""
    name = source.choice(list(REPORTS))
    value = json.loads(json.dumps(REPORTS[name]))
    for _ in range(source.randint(0, 3)):
        value[source.choice(list(value))] = source.choice(ODD)
    state = {name: source.choice([value, value, source.choice(ODD)])}
    return json.dumps(source.choice([state, state, {"value": state}, [state], source.choice(ODD)]))


def odd_table(source):
    """Return the JSON of what was typed into a table, or selected in a chart, with some of it wrong."""
    cell = {source.choice(["0", "1", "-1", "99999", "row", "x", ""]): source.choice([0.5, *ODD])}
    rows = {source.choice(["0", "1", "-1", "99999999999", "x"]): source.choice([cell, cell, source.choice(ODD)])}
    value = {"edited_rows": rows, "added_rows": [], "deleted_rows": [], "selection": {"points": [], "box": []}}
    for _ in range(source.randint(0, 2)):
        value[source.choice(list(value))] = source.choice([rows, [0], *ODD])
    return json.dumps(value)


def set_value(state, kind, options, source):
    """Give a widget a value of a type, most of them unusual."""
    choice = source.choice([*options, *options, *TEXTS]) if options else source.choice(TEXTS)
    match kind:
        case "trigger_value" | "bool_value":
            setattr(state, kind, source.random() < 0.8)
        case "double_value":
            state.double_value = source.choice(NUMBERS)
        case "int_value":
            state.int_value = source.choice((0, -1, 2**62))
        case "string_value" if source.random() < 0.1:
            state.string_value = odd_table(source)
        case "string_value" | "string_trigger_value" | "bytes_value":
            if kind == "string_value":
                state.string_value = choice
            elif kind == "bytes_value":
                state.bytes_value = choice.encode()
            else:
                state.string_trigger_value.data = choice
        case "double_array_value":
            state.double_array_value.data.extend(source.choices(NUMBERS, k=source.choice((0, 1, 1, 2, 2, 3, 1000))))
        case "int_array_value":
            state.int_array_value.data.extend(source.choices((0, 1, -1, 2**40), k=source.choice((0, 1, 3))))
        case "string_array_value":
            pool = [*options, *options, choice]
            state.string_array_value.data.extend(source.choices(pool, k=source.choice((0, 1, 1, 2, 500))))
        case "file_uploader_state_value":
            for _ in range(source.choice((1, 2, 50))):
                info = state.file_uploader_state_value.uploaded_file_info.add()
                info.file_id, info.name, info.size = (
                    source.choice(TEXTS),
                    source.choice(TEXTS),
                    source.choice((0, 9, 2**40)),
                )
        case "json_trigger_value":
            state.json_trigger_value = source.choice(
                [odd_report(source), '[{"event": "view", "value": 3}]', "[" * 5000, "{"]
            )
        case _:
            state.json_value = source.choice([odd_report(source)] * 6 + ["{", "[" * 5000, "NaN", '{"view": Infinity}'])


KINDS = tuple(
    {*VALUE_TYPES.values(), "json_value", "json_trigger_value", "int_value", "int_array_value", "bytes_value"}
)


def mutated(client, query, page, source):
    """Return a message about the widgets of the page, or one of another type."""
    state = ClientState(query_string=query, page_name=page)
    ids = sorted(client.widgets)
    for _ in range(source.choice((1, 1, 1, 2, 4, 20))):
        widget = state.widget_states.widgets.add()
        widget.id = (
            source.choice(ids) if source.random() < 0.95 else source.choice((*TEXTS, "$$ID-0-x", "$$ID-" + "f" * 32))
        )
        right = client.widgets.get(widget.id, "string_value")
        kind = right if source.random() < 0.75 else source.choice(KINDS)
        if source.random() < 0.97:
            set_value(widget, kind, client.options.get(widget.id, []), source)
    match source.randrange(12):
        case 0:
            state.query_string = source.choice((*LINKS, *TEXTS, "&" * 5000, "net=%ff%00", "unit=nan&step=1e9"))
        case 1:
            state.page_name = source.choice((*PAGES, *TEXTS))
            state.page_script_hash = source.choice(TEXTS)
        case 2:
            state.fragment_id = source.choice([*client.fragments, source.choice(TEXTS)])
            state.is_auto_rerun = source.random() < 0.5
        case 3:
            state.is_history_navigation = True
        case 4:
            state.context_info.timezone, state.context_info.locale = source.choice(TEXTS), source.choice(TEXTS)
            state.context_info.url, state.context_info.color_scheme = source.choice(TEXTS), source.choice(TEXTS)
            state.context_info.timezone_offset = source.choice((0, -(2**31), 2**31 - 1))
        case 5:
            state.cached_message_hashes.extend(source.choices(TEXTS, k=50))
    return BackMsg(rerun_script=state)


def other(source):
    """Return a message of another type than a run of the page."""
    message = BackMsg()
    match source.randrange(6):
        case 0:
            message.clear_cache = True
        case 1:
            message.load_git_info = True
        case 2:
            message.set_run_on_save = True
        case 3:
            message.file_urls_request.request_id = source.choice(TEXTS)
            message.file_urls_request.file_names.extend(TEXTS)
        case 4:
            message.backend_operation_request.deferred_file.file_id = source.choice(TEXTS)
        case _:
            message.debug_shutdown_runtime = True
    return message


def send(client, query, page, source):
    """Send one mutated message; return what became of it and the answer."""
    chance = source.random()
    if chance < 0.06:
        return "another type", client.send(other(source), 0.3)
    message = mutated(client, query, page, source)
    if chance < 0.14:
        data = bytearray(message.SerializeToString())
        for _ in range(source.randint(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        return "changed bytes", client.send_bytes(bytes(data), 3.0)
    return "a run", client.send(message, 3.0 if message.rerun_script.fragment_id else 120.0)


def fuzz(url, count, source, pages=PAGES, links=LINKS):
    """Send mutated messages, a few in each session; return counts and the slowest, and fail at an exception on a page."""
    found, sent, slowest = Counter(), 0, (0.0, "")
    while sent < count:
        query, page = source.choice(links), source.choice(pages)
        with raw_client(url) as client:
            first = client.run(query, page)
            assert first.finished and not first.errors, first.errors
            for _number in range(min(count - sent, 25)):
                sent += 1
                kind, answer = send(client, query, page, source)
                assert not answer.errors, f"{page}?{query}, message {sent} ({kind}):\n" + "\n".join(answer.errors)
                found[f"{kind}: {'closed' if answer.closed else 'page' if answer.finished else 'ignored'}"] += 1
                slowest = max(slowest, (answer.seconds, f"{page}?{query}"))
                if answer.closed:
                    break
    return found, slowest


@pytest.mark.slow
def test_mutated_messages_give_a_page_or_are_ignored(app):
    """A sample of what the main program sends; its seed is printed when it fails."""
    seed = random.randrange(10**9)
    found, _slowest = fuzz(app, 10, random.Random(seed), ("", "states"), LINKS[:2])
    assert sum(found.values()) == 10, seed


def received(*messages):
    """Return the messages that pass the middleware, of those that a browser sends."""
    pending = [{"type": "websocket.connect"}, *({"type": "websocket.receive", "bytes": each} for each in messages)]
    pending.append({"type": "websocket.disconnect"})
    passed = []

    async def receive():
        return pending.pop(0)

    async def server(_scope, receive, _send):
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            passed.append(message.get("bytes"))

    asyncio.run(WantedMessages(server)({"type": "websocket"}, receive, None))
    return passed[1:]


def test_only_messages_that_a_page_sends_reach_streamlit():
    kinds = {each.name for each in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields}
    assert kinds >= TYPES
    operation = BackMsg().backend_operation_request
    assert {each.name for each in operation.DESCRIPTOR.oneofs_by_name["payload"].fields} >= OPERATIONS
    unwanted = [BackMsg(clear_cache=True), BackMsg(load_git_info=True), BackMsg(set_run_on_save=True), BackMsg()]
    unwanted.append(BackMsg(debug_shutdown_runtime=True))
    for name in ("install_skills", "dismiss_skills_nudge"):
        message = BackMsg()
        getattr(message.backend_operation_request, name).SetInParent()
        unwanted.append(message)
    wanted = [
        BackMsg(app_heartbeat=True),
        BackMsg(stop_script=True),
        BackMsg(rerun_script=ClientState(query_string="a")),
    ]
    deferred = BackMsg()
    deferred.backend_operation_request.deferred_file.file_id = "x"
    wanted.append(deferred)
    sent = [each.SerializeToString() for each in (*unwanted, *wanted)]
    assert received(*sent, b"\xff\xff") == [*(each.SerializeToString() for each in wanted), b"\xff\xff"]


@pytest.fixture
def checked_values(monkeypatch):
    """Streamlit's widgets ignore values that they cannot have, as in the app; until the test ends."""
    monkeypatch.setattr(WStates, "__getitem__", WStates.__getitem__)
    monkeypatch.setattr(SessionState, "set_widgets_from_proto", SessionState.set_widgets_from_proto)
    browser_messages.ignore_wrong_values()


@pytest.mark.usefixtures("checked_values")
def test_a_value_that_a_widget_cannot_have_is_ignored():
    state = SessionState()
    metadata = WidgetMetadata(
        id="$$ID-a-menu", deserializer=lambda value: "first" if value is None else {"a": "first", "b": "second"}[value],
        serializer=str, value_type="string_value",
    )  # fmt: skip
    state.register_widget(metadata, "menu")
    for sent, shown in (({"string_value": "b"}, "second"), ({"string_value": "c"}, "second"), ({"int_value": 3}, "second"),
                        ({"string_value": "a"}, "first")):  # fmt: skip
        states = ClientState().widget_states
        states.widgets.extend([WidgetState(id=metadata.id, **sent), WidgetState(id="menu", string_value="a")])
        state.on_script_will_rerun(states)
        assert state.register_widget(metadata, "menu").value == shown == state["menu"]


@pytest.mark.usefixtures("checked_values")
def test_a_number_may_be_sent_as_a_whole_one():
    """A browser sends a whole number as `int_value`, also for a widget that Streamlit registers with `double_value`."""
    page = AppTest.from_function(number_page, default_timeout=60).run()
    for sent, shown in (({"int_value": 2}, 2), ({"double_value": 3.0}, 3), ({"string_value": "4"}, 3)):
        states = WidgetStates()
        states.widgets.append(WidgetState(id=page.number_input[0].id, **sent))
        page = page._run(states)
        assert page.number_input[0].value == shown


def number_page():
    import streamlit as st

    st.number_input("number", 1, 10)


def menu_page():
    import streamlit as st

    st.session_state.setdefault("chosen", [])
    for number, menu in enumerate((st.selectbox, st.radio, st.segmented_control, st.pills, st.multiselect)):
        key = f"menu {number}"
        menu("menu", [1, 2], format_func="option {}".format, key=key,
             on_change=lambda key=key: st.session_state["chosen"].append(st.session_state[key]))  # fmt: skip


@pytest.mark.usefixtures("checked_values")
def test_a_menu_has_no_option_but_its_own():
    """The text of an option that a menu has not would else be its value in callbacks."""
    page = AppTest.from_function(menu_page, default_timeout=60).run()
    menus = [*page.selectbox, *page.radio, *page.button_group, *page.multiselect]
    assert len(menus) == 5
    for text, chosen in (("<b>", 0), ("option 2", 5), ("option 3", 5)):
        states = WidgetStates()
        for menu in menus:
            state = states.widgets.add()
            state.id = menu.id
            if menu.type in ("selectbox", "radio"):
                state.string_value = text
            else:
                state.string_array_value.data.append(text)
        page._run(widget_state=states)
        assert not page.exception
        assert len(page.session_state["chosen"]) == chosen
    assert all(each in (2, [2]) for each in page.session_state["chosen"])


def main():
    count, seed = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "0"
    with serve() as url:
        found, slowest = fuzz(url, count, random.Random(seed))
    print(f"{sum(found.values())} messages: {dict(found)}; slowest {slowest[0]:.1f} s ({slowest[1]})")


if __name__ == "__main__":
    main()

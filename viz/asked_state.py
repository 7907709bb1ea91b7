"""The state that menus and text fields ask for their own value: looked up, where Streamlit gathers those of all widgets.

Every menu, slider and text field does so each time it is drawn, so that the work grows with the square of their number: on
the Edit page it is a twelfth of a run.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from streamlit.runtime.state.safe_session_state import SafeSessionState

_gathered: property = SafeSessionState.__dict__["filtered_state"]


class AskedState(Mapping[str, Any]):
    """The values of a session's state by their keys, as Streamlit's ``filtered_state``, each looked up when it is needed."""

    def __init__(self, state: SafeSessionState) -> None:
        self._state = state

    def __getitem__(self, key: str) -> Any:
        return self._state[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, Any]:
        found: dict[str, Any] = _gathered.__get__(self._state)
        return found


def look_up_states() -> None:
    """Let the widgets of this process look up the state that they ask for."""
    setattr(SafeSessionState, "filtered_state", property(AskedState))  # noqa: B010 - a property of another package

"""A timer in the browser that requests a new run of its fragment, and draws nothing."""

import time

from viz.components import Component
from viz.components.reports import words
from viz.components.streamlit_host import mount, reported

REDRAW_TIMER = Component("redraw_timer", draws=False)


def redraw_timer(*, pause: float, key: str) -> None:
    """Request another run of the fragment after this one is drawn and a pause; to be called at the fragment's end.

    The pause is at least half as long as the run and its drawing took, up to five seconds, so that a third of the time is the
    reader's on a slow machine. A page out of sight requests none.

    Args:
        pause: the shortest, in seconds.
        key: of the component in the page.
    """
    turn = str(time.time_ns())  # which no other run has
    mount(REDRAW_TIMER, {"turn": turn, "pause": 1000 * pause}, key=key, on={"due": lambda: None})


def figures_in_sight(key: str) -> tuple[str, ...] | None:
    """Return the keys of the updated figures that were in sight when the timer ``key`` last requested a run, or None."""
    found = reported(key, "due", {"in_sight": words})
    return None if found is None else found["in_sight"]

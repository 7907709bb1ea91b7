"""The view as a player has it."""

from typing import Any

from viz.session import Session


def player_view(session: Session) -> dict[str, Any]:
    """Return the data of a player's ``view``: step, unit, quantity, revision, and the revision "since" which each is set."""
    place = {name: getattr(session.view, name) for name in ("step", "unit", "quantity")}
    return {**place, "revision": session.revisions.last, "since": session.revisions.since()}

"""The controls that step through the training steps of a run, with every scalar that is drawn at the step as a number."""

from collections.abc import Mapping, Sequence
from typing import Any

from viz.components import Component
from viz.components.shared.playback import playback_words
from viz.i18n import _

TRAINING_PLAYER = Component("training_player", ("spoken_step", "playback"))


def training_player_data(
    view_id: str, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], *, view: Mapping[str, Any], last: int
) -> dict[str, Any]:
    """Return the data of the controls.

    Args:
        view_id: the store of a `viz.payloads.training_payload`.
        groups: the scalars below the controls: the title of each group, and the name and title of each of its scalars.
        view: {"step", "unit", "quantity", "revision"}: what is shown first.
        last: the last training step.
    """
    return {
        "view_id": view_id,
        "view": {name: view.get(name) for name in ("step", "unit", "quantity", "revision", "since")},
        "groups": [{"title": title, "scalars": list(map(list, scalars))} for title, scalars in groups],
        "words": {
            **playback_words(),
            "first": _("First training step (Home)"),
            "previous": _("Previous training step (left arrow)"),
            "next": _("Next training step (right arrow)"),
            "last": _("Last training step (End)"),
            "scrubber": _("Current training step"),
            "scrubber_text": _("training step {token}"),
            "counter": "{token} / " + f"{last:,}",
            "spoken": _("Training step {token}"),
            "numbers": _("Values at training step {token}"),
            "none": _("Nothing was recorded at this training step."),
        },
    }

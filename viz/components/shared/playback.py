"""The strings of the playback controls, which are a part of every component that steps through a sequence."""

from viz.i18n import _


def playback_words() -> dict[str, str]:
    """Return the strings of `playback.js`."""
    return {
        "player": _("Playback controls"),
        "first": _("First time step (Home)"),
        "previous": _("Previous time step (left arrow)"),
        "play": _("Play (space)"),
        "pause": _("Pause (space)"),
        "next": _("Next time step (right arrow)"),
        "last": _("Last time step (End)"),
        "speed": _("Speed"),
        "per_second": _("{n} steps/s"),
        "scrubber": _("Current time step"),
        "scrubber_text": _("step {step}, token '{token}'"),
        "counter": _("{step} / {steps}"),
    }

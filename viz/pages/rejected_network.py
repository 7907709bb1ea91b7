"""Sentences on a network that cannot be shown: which one, why, and what the page shows instead."""

from models.checkpoints import CheckpointError
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages import checkpoint_store as checkpoints
from viz.session import Session


def sentence_on_file(net: str | None, problem: ValueError) -> str:
    """Return the sentence of a problem, after the name of the opened file that it is about."""
    opened = None if net is None else checkpoints.find(net)
    sentence = translate(problem)
    return sentence if opened is None or not isinstance(problem, CheckpointError) else f"{opened.file.name}: {sentence}"


def with_shown_network(problem: str, requested: str | None, shown: str | None) -> str:
    """Return the sentence on a network that cannot be shown, and which one the page shows instead, if another."""
    if shown is None or requested in (None, shown):
        return problem
    return f"{problem} {_('This page shows {name} instead.').format(name=cache.display_name(shown))}"


def replace_notice(session: Session, old: str, new: str) -> None:
    """Add a message, and remove the message ``old`` if there is one."""
    session.notices[:] = [each for each in session.notices if each != old]
    session.add_notice(new)

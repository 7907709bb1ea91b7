"""Whether this process is one of those in which files are parsed (``parser_process``)."""

_inside = False


def parse_here() -> None:
    """Parse every file in this process, because it is one of those that are started here."""
    global _inside
    _inside = True


def is_parser() -> bool:
    """Return whether this process is one of those that are started here."""
    return _inside

"""Two views of a page that stand at one step and one unit."""

from viz.components import define


def together(leader: str, follower: str, *, key: str) -> None:
    """Let the stores `leader` and `follower` follow each other's step and unit; it shows nothing."""
    define("sync_views")(key=key, data={"views": [leader, follower]}, height="content")

"""Two views of a page that stay at the same step and unit."""

from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount

SYNC_VIEWS = Component("sync_views", draws=False)


def sync_views(leader: str, follower: str, *, key: str) -> None:
    """Keep the stores `leader` and `follower` at the same step and unit; draws nothing."""
    mount(SYNC_VIEWS, sync_views_data(leader, follower), key=key)


def sync_views_data(leader: str, follower: str) -> dict[str, Any]:
    """Return the names of the two stores."""
    return {"views": [leader, follower]}

"""A panel of a page that was kept in a file: texts and tables as HTML, and other components, one below the other.

Its data: ``elements``, each {"html": of our own making} or {"component": name, "data": its data, "key": on the
page, where it has rules of style}.
"""

from viz.components import Component

KEPT_PANEL = Component("kept_panel", ("math_lines",))

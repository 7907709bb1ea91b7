"""A lens outside the app: in a notebook, and as one HTML file that needs no server.

    from viz.show import show
    show("python-lm").save("step.html")
    show(trace, lens="states", unit=3)

The same components draw the same payloads as on the pages of the app. The lenses are those of `LENS_NAMES`.
"""

from viz.show.show_lens import LENS_NAMES, Shown, show

__all__ = ["LENS_NAMES", "Shown", "show"]

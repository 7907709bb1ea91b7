"""Interactive plotly figures: one file for each figure, with a function of the same name that builds it from arrays."""

from viz.figures.property_paths import parse_paths_once

parse_paths_once()

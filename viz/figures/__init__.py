"""Interactive plotly figures: one file for each figure, with a function of the same name that builds it from arrays."""

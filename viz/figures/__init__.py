"""Figures to explore and to keep: one file a figure, each a function from a trace to a plotly figure."""

"""Paths of plotly's properties, parsed once each: plotly parses such names as "title_text" anew at every use."""

from functools import lru_cache

from plotly import basedatatypes

PARSER = "_str_to_dict_path_full"
"""plotly's function that parses a path; its value depends on the path alone, and is not changed by its callers."""


def parse_paths_once() -> None:
    """Keep the parsed paths of plotly's properties: parsing them took a sixth of the time of a page with many figures."""
    parser = getattr(basedatatypes, PARSER, None)
    if parser is not None and not hasattr(parser, "cache_info"):
        setattr(basedatatypes, PARSER, lru_cache(4096)(parser))

"""Texts that would be markup somewhere, and a search for markup that is live."""

import re

ELSEWHERE = "elsewhere.example"
"""The host that every address in these texts names: nothing may be requested from it."""

HOSTILE = (
    f"![i](http://{ELSEWHERE}/i)",
    f"[l](http://{ELSEWHERE}/l)",
    f"http://{ELSEWHERE}/a",
    f"www.{ELSEWHERE}",
    f"a@{ELSEWHERE}",
    f"<http://{ELSEWHERE}/b>",
    f'<img src="http://{ELSEWHERE}/s" onerror="document.title=1">',
    "</style></span><script>document.title=1</script>",
    "`c`",
    "*e* **s** __u__",
    "$x^2$",
    ":red[r]",
    ":material/home:",
    ":heart:",
    "~~d~~",
    "&lt;b&gt;",
    "# h",
    "- item",
    "1. item",
    "> quote",
    "a\n# h\n\nb",
    "a | b\n--- | ---\nc | d",
    "x -> y",
)

LIVE = {
    "address": r"https?://|www\.\w|[\w.+-]@\w",
    "link": r"(?<!\\)\[[^\]]*\](?:\(|\[|:)|(?<!\\)<\w+:",
    "tag": r"(?<!\\)<[a-zA-Z/!]",
    "code": r"(?<!\\)`",
    "emphasis": r"(?<!\\)[*_~]",
    "formula": r"(?<!\\)\$",
    "directive": r"(?<!\\):(?=\S)|:[\w+/-]+:",
    "entity": r"(?<!\\)&",
    "block": r"^(?:#|[-+*=>]|\d+[.)])|\n",
    "table": r"(?<!\\)\|",
    "arrow": r"(?<!\S)(?:->|<-|--|<=|>=)(?!\S)",
}


def live_markup(text: str) -> list[str]:
    """Return the kinds of markup that Streamlit's Markdown would draw in ``text``; backslashes come in pairs for it."""
    single = text.replace("\\\\", "\N{SYMBOL FOR ESCAPE}")
    return [kind for kind, pattern in LIVE.items() if re.search(pattern, single, re.IGNORECASE)]

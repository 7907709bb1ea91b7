"""Text that stands in Markdown letter by letter: what a reader typed, or a network wrote, is no markup."""


def plain(text: str) -> str:
    """``text`` with every letter escaped that Markdown, or Streamlit's addition to it, would take for its own."""
    return "".join("\\" + each if each in "\\`*_[]<$~#:" else each for each in text)

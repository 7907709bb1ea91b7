"""The layout of every page: logo, language switch, link to the view, and messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from viz.address import too_long
from viz.components.copy_link import copy_link
from viz.escape import escape_markdown
from viz.glossary import STYLE as GLOSSARY_STYLE
from viz.glossary import glossary_markdown, notation_markdown
from viz.i18n import LANGUAGES, _, language
from viz.pages import LENSES, LESSONS, ROOM
from viz.pages.lesson_strip import lesson_strip
from viz.pages.page_elements import TERMS_SEEN
from viz.pages.panels import PANEL_STYLE, page_panels
from viz.pages.sent_elements import recorded_page
from viz.session import Session, get_session

STATIC = Path(__file__).parent / "static"
ICON = STATIC / "unrolled.svg"
LOGO = STATIC / "logo.svg"
SWITCH = "language"
GLOSSARY_HEIGHT = 560
"""Pixels of the window in which the glossary scrolls, so that it stays short on a narrow screen too."""

# All style rules that Streamlit has no setting for. The bar is inside the page's own header, left of Streamlit's menu, so
# that it takes no room from the page. Tags of a multiple selection and the main button have their own colours, because
# Streamlit's are white on the theme's primary colour, which is pale on a dark page.
STYLE = """
<style>
  .st-key-bar [data-testid="stElementContainer"] { width: auto; }
  @media (min-width: 768px) { /* below, Streamlit folds the navigation away and the bar is the page's first line */
    .st-key-bar { position: fixed; top: 0.875rem; right: 3.25rem; z-index: 999991; width: auto; }
    [data-testid="stLayoutWrapper"]:has(> .st-key-bar) { position: absolute; }
    [data-testid="stTopNav"] { margin-right: 6.5rem; }
  }
  @media (min-width: 768px) and (max-width: 1180px) { /* room for all pages: of the logo only its picture */
    [data-testid="stHeaderLogo"] { width: 2.5rem; object-fit: cover; object-position: left; }
    [data-testid="stTopNav"] { padding-inline: 0.75rem 0; }
    [data-testid="stTopNavLink"] { padding-inline: 0.1rem; }
    [data-testid="stTopNavLink"] * { font-size: 0.8125rem; }
  }
  @media (max-width: 800px) { /* menus beside each other would show only the first letters of what is chosen */
    [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
    [data-testid="stColumn"] { min-width: min(100%, 11rem); }
  }
  @media (max-width: 500px) { /* playback controls first; menus and the text over the whole width */
    [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] > * { order: 2; }
    [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] > :has(.unrolled-player) { order: 1; }
    [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"]
      > :has(> .st-key-bar, > .st-key-notices, > .st-key-panels) { order: 0; }
    .st-key-controls [data-testid="stHorizontalBlock"] { gap: 0.5rem 1rem; }
    .st-key-controls [data-testid="stColumn"] { flex: 1 1 100%; }
    .st-key-sequence_text { flex-wrap: wrap; }
    .st-key-sequence_text > :has(textarea) { flex: 1 1 100%; min-width: 100%; }
    .js-plotly-plot .modebar-btn[data-attr] { display: none; } /* two fingers zoom */
    .js-plotly-plot:not(:hover, :focus-within) .modebar { opacity: 0; } /* it lies over the legend: after a tap */
    [data-testid="stMain"] button [data-testid="stMarkdownContainer"] :is(p, span) { white-space: normal; } /* else cut */
    [data-testid="stMain"] [data-testid="stPageLink"] * { white-space: normal; }
    [data-testid="stButtonGroup"] [role="radiogroup"], [data-testid="stButtonGroup"] > div { flex-wrap: wrap; }
  }
  @media (pointer: coarse) { /* a finger needs 44 px */
    [data-testid="stMain"] :is([data-testid^="stBaseButton"], [data-testid="stPageLink-NavLink"]) {
      min-height: 44px; min-width: 44px;
    }
  }
  [data-testid="stElementContainer"]:has(> .stHtml style) { position: absolute; }
  [data-testid="stStatusWidget"] { position: fixed; top: 3.75rem; right: 1rem; }
  [data-testid^="stBaseButton-primary"] { color: light-dark(#ffffff, #10141a); }
  [data-testid="stMultiSelectTagsContainer"] > span > span {
    background: color-mix(in srgb, currentColor 14%, transparent); color: inherit;
  }
  [data-testid="stMain"]:focus-visible { outline: none; box-shadow: none; } /* it takes the focus to be scrolled by keys */
  .st-key-glossary table { min-width: 44rem; }
  .st-key-introduction button p { white-space: normal; text-align: start; } /* else cut on a telephone */
  [data-testid="stMainBlockContainer"] { padding-left: clamp(1rem, 4vw, 2rem); padding-right: clamp(1rem, 4vw, 2rem); }
</style>
"""


@contextmanager
def page_frame(lens: str = "") -> Iterator[None]:
    """Surround a page: the bar at the top right, and above the page the messages about what could not be shown.

    Args:
        lens: the page's name in the address, "" for the first one.
    """
    st.logo(str(LOGO), size="large")
    st.html(STYLE + GLOSSARY_STYLE + PANEL_STYLE + _hint_style())
    st.session_state[TERMS_SEEN] = {}
    with st.container(key="bar", horizontal=True, vertical_alignment="center", gap="small"):
        copy_link(without=too_long(get_session().view), key="link")
        _language_switch()
    notices = st.container(key="notices", gap="xsmall")
    _report_unknown_page()
    if lens not in (LESSONS, ROOM):
        lesson_strip(get_session())
    try:
        with recorded_page(), page_panels():
            yield
            _glossary()
    finally:  # also where a page stops early: its messages say why
        for problem in get_session().notices:
            notices.warning(escape_markdown(problem), icon=":material/info:")


def _hint_style() -> str:
    """Return rules that translate Streamlit's own hint in a text field that was changed; it has no parameter for its text."""
    if language() == "en":
        return ""
    hint = '[data-testid="InputInstructions"]'
    keys = {hint: _("Enter to apply"), f'[data-testid="stTextArea"] {hint}': _("Ctrl+Enter to apply")}
    rules = [f'{at}::after {{ content: "{text}"; font-size: 0.75rem; }}' for at, text in keys.items()]
    return f"<style>{hint} {{ font-size: 0; }} {' '.join(rules)}</style>"


def _report_unknown_page() -> None:
    """Say that the page in the address does not exist; the first page is shown instead."""
    context = get_script_run_ctx(suppress_warning=True)
    name = None if context is None else context.pages_manager.intended_page_name
    if name and name not in {lens.name for lens in LENSES}:
        pages = ", ".join(_(lens.title) for lens in LENSES)
        get_session().add_notice(
            _("There is no page “{name}”. Choose one of these above: {pages}.").format(name=name[:40], pages=pages)
        )


@st.fragment
def _glossary() -> None:
    """Show the glossary only while it is open: its tables would delay the first number of the page."""
    glossary = st.expander(
        _("Glossary and notation"), icon=":material/menu_book:", key="glossary_opener", on_change="rerun"
    )
    if not glossary.open:
        return
    with glossary.container(height=GLOSSARY_HEIGHT, border=False, key="glossary"):
        st.markdown(glossary_markdown(language()))
        st.markdown(notation_markdown(language()))


def _language_switch() -> None:
    # The address may have changed the language since the switch was last touched.
    st.session_state[SWITCH] = get_session().view.lang
    st.segmented_control(
        _("Language"),
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        required=True,
        key=SWITCH,
        on_change=_set_language,
        label_visibility="collapsed",
    )


def _set_language() -> None:
    set_language(get_session(), st.session_state[SWITCH])


def set_language(session: Session, lang: str) -> None:
    """Show the page in another language, with the view that the page names for it."""
    session.navigate(**session.language_views.get(lang, {}), lang=lang)

"""The style of the Lessons page: text of a readable width, panels over the whole width, and its print."""

HIDDEN_CONTROLS = """
<style>
  .st-key-lesson_lens > *:not(:has(.unrolled-player)) { display: none; }
</style>
"""
"""Style that leaves of a lens its player, beside the panels of the lesson."""

STYLE = """
<style>
  .st-key-lesson_page { --measure: 66ch; font-size: 1.0625rem; }
  .st-key-lesson_page [class*="st-key-lesson_text"], .st-key-lesson_page [class*="st-key-lesson_check_"],
  .st-key-lesson_page [class*="st-key-lesson_predict_"] { max-width: var(--measure); font-size: 1.0625rem; }
  [class*="st-key-lesson_text"] p, [class*="st-key-lesson_text"] li { line-height: 1.65; }
  [class*="st-key-lesson_text"] p, [class*="st-key-lesson_text"] li,
  [class*="st-key-lesson_predict_"] p, [class*="st-key-lesson_check_"] p { font-size: 1.0625rem; }
  .st-key-lesson_page p, .st-key-lesson_page li { word-break: keep-all; overflow-wrap: anywhere; } /* Korean: between words */
  [class*="st-key-lesson_text"] .katex-display, [class*="st-key-lesson_text"] table {
    overflow-x: auto; overflow-y: hidden; max-width: 100%;
  }
  [class*="st-key-lesson_text"] table { display: block; width: fit-content; } /* a table itself does not scroll */
  .stVerticalBlock[class*="st-key-lesson_predict_"], .stVerticalBlock[class*="st-key-lesson_check_"] {
    border-inline-start: 4px solid light-dark(#1f5fbf, #7fb2ff);
  }
  .st-key-lesson_way [data-testid="stTextInput"] { max-width: 40rem; }
  .st-key-lesson_question p { font-size: 1.125rem; font-style: normal; opacity: 0.8; max-width: 66ch; }
  .st-key-lesson_head > * { width: auto; }
  @media (max-width: 640px) { .st-key-lesson_head .st-key-lesson_mode { display: none; } }
  .st-key-lesson_lens:not(:has(.unrolled-player, [data-shown])) { display: contents; }
  [class*="st-key-way_"] [data-testid="stMarkdownContainer"] p { margin-bottom: 0; }
  [class*="st-key-open_lesson_"] button { text-align: start; justify-content: flex-start; padding-inline: 0; }
  [class*="st-key-open_lesson_"] button p { font-size: 1.0625rem; font-weight: 600; white-space: normal; }
</style>
"""

LARGE = """
<style>
  [data-testid="stHeader"], .st-key-bar { display: none; }
  [data-testid="stMainBlockContainer"] { zoom: 1.4; padding-top: 0.5rem; }
  [data-testid="stPlotlyChart"] { zoom: calc(1 / 1.4); } /* Plotly measures its place without the zoom */
</style>
"""
"""Style of projector mode."""

PRINT = """
<style>
  @media print {
    [data-testid="stHeader"], [data-testid="stToolbar"], .st-key-bar, .st-key-notices, .st-key-panels, .st-key-lesson_head,
    .st-key-lesson_next, .st-key-lesson_tools, .st-key-glossary_opener, [data-testid="stExpander"], .unrolled-player,
    .unrolled-save, [data-testid="stFormSubmitButton"], [data-testid="stButton"], [data-testid="stDownloadButton"],
    [data-testid="stTextInput"], .modebar-container { display: none !important; }
    html, body, #root, [data-testid="stApp"], [data-testid="stAppViewContainer"], [data-testid="stMain"],
    [data-testid="stMainBlockContainer"] {
      position: static !important; overflow: visible !important; height: auto !important; max-width: none; padding: 0;
    }
    .st-key-lesson_page { --measure: 100%; }
    .unrolled-sketch-field svg { max-width: 16cm; }
    .stVerticalBlock[class*="st-key-panel_"], [class*="st-key-lesson_predict_"], [class*="st-key-lesson_check_"] {
      break-inside: avoid;
    }
    h1, h2, h3, h4 { break-after: avoid; }
    @page { margin: 16mm; }
  }
</style>
"""
"""Style of the printed page: text, questions and pictures, without controls."""

SAVED = {
    "selector": ".st-key-lesson_page",
    "left_out": (
        "[data-testid='stForm'], [data-testid='stButton'], [data-testid='stSpinner'], [data-testid='stElementToolbar'], "
        "[data-testid='stPageLink'], [data-testid='stIconMaterial'], [data-testid='stAlertDynamicIcon'], "
        "[data-testid='stSelectbox'], [data-testid='stSlider'], [data-testid='stSelectSlider'], [data-testid='stRadio'], "
        "[data-testid='stCheckbox'], [data-testid='stButtonGroup'], [data-testid='stNumberInput'], "
        "[data-testid='stTextInput'], [data-testid='stTextArea'], [data-testid='stMultiSelect'], "
        "[data-testid='stFileUploader'], .st-key-lesson_head, .st-key-lesson_next, .st-key-lesson_tools, .st-key-lesson_lens"
    ),
    "once": ".st-key-lesson_title h1",
    "settled": '[data-testid="stApp"][data-test-script-state="notRunning"]',
    "unfinished": (
        "[data-testid*='Skeleton'], [data-stale='true'], .unrolled[data-later], .unrolled[data-waiting], "
        "[data-testid='stPlotlyChart']:not(:has(.main-svg)), "
        "[data-testid='stBidiComponentRegular']:has(style):not(:has(.unrolled))"
    ),
}
"""What of the page a saved lesson contains, and when it is drawn, as selectors (`viz.components.save_lesson`)."""

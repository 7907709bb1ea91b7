"""The open panels of an address."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.panel_choice import ALL, LENS_PANELS, choose_panel, is_panel_open, last_opened, parse_panels

names = st.from_regex("[a-z][a-z0-9_]{0,8}", fullmatch=True)
choices = st.lists(names | names.map("-{}".format) | st.just(ALL), max_size=5).map(",".join)


@given(choices, names, st.booleans(), st.booleans())
def test_a_panel_is_as_it_was_chosen_and_no_other_changes(choice, name, opened, default):
    after = choose_panel(choice, name, opened=opened, default=default)
    assert is_panel_open(after, name, default) == opened
    parse_panels(after)
    for other in {entry.lstrip("-") for entry in parse_panels(choice)} - {name, ALL}:
        assert is_panel_open(after, other, default) == is_panel_open(choice, other, default)


@given(names, st.booleans())
def test_an_address_without_panels_shows_the_defaults(name, default):
    assert is_panel_open("", name, default) == default
    assert is_panel_open(ALL, name, default)
    assert not is_panel_open(f"{ALL},-{name}", name, default)


def test_the_browser_scrolls_to_the_panel_opened_last_that_is_on_the_page():
    assert last_opened("path,memory,-path", ["path", "memory"]) == "memory"
    assert last_opened("path,equations", ["path", "memory"]) == "path"
    assert last_opened(ALL, ["path"]) is None


@pytest.mark.parametrize("text", ["a b", "A", ",", "a,", "--a", "a" * 2000, "<b>", "**"])
def test_an_odd_text_is_refused(text):
    with pytest.raises(ValueError):
        parse_panels(text)


PAGES = Path(__file__).parents[2] / "viz" / "pages"
DECLARED = re.compile(r'\bpanel\(\s*(?:"(\w+)"|\w+_PANEL),|\b\w+_PANEL = "(\w+)"')


@pytest.mark.parametrize("lens", LENS_PANELS)
def test_a_lens_has_the_panels_that_the_files_of_its_folder_declare(lens):
    files = [*(PAGES / lens).glob("*.py")]
    found = {first or second for file in files for first, second in DECLARED.findall(file.read_text(encoding="utf-8"))}
    assert found - {""} == set(LENS_PANELS[lens]) - {"unit_curves"}  # shared by two lenses: ``downloads.py``

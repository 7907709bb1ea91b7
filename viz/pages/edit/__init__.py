"""The Edit page: `edit_page.py` assembles its panels."""

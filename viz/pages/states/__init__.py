"""The States lens: `page.py` puts its parts together."""

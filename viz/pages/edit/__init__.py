"""The Edit lens: `page.py` puts its parts together."""

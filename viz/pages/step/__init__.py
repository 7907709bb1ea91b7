"""The Step lens: `page.py` puts its parts together."""

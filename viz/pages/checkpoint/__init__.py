"""The Checkpoint lens: `page.py` puts its parts together."""

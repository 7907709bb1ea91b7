"""The Attention lens: `page.py` puts its parts together."""

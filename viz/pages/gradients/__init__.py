"""The Gradients lens: `page.py` puts its parts together."""

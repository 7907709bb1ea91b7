"""The Checkpoint page: `checkpoint_page.py` assembles its panels."""

"""The Attention page: `attention_page.py` assembles its panels."""

"""Scripts and words that several components share."""

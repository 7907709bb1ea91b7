"""Scripts, style sheets and strings that several components share."""

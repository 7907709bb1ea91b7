"""Torch modules of the bundled networks: language model, classifier, number model, encoder-decoder, Transformer."""

"""Probes: what can be read from the states of a corpus, and how a layer's states move. Arrays in, arrays out."""

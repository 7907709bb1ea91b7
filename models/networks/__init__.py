"""A network with its vocabulary and card, its forward runs, and the sequences that it takes as input."""

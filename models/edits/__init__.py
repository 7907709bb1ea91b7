"""Changes to weights, to the running computation and to the sequence, and the network that they make."""

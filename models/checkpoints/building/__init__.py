"""Build a network that runs from the tensors of a checkpoint."""

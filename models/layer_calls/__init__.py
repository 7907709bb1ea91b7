"""One call of a recurrent layer: what it takes, what it returns in Keras and in PyTorch, and the lines that make it."""

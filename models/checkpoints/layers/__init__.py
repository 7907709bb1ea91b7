"""Find the recurrent layers among the tensors of a checkpoint."""

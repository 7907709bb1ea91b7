"""How much the loss teaches each step: arrays in, arrays out."""

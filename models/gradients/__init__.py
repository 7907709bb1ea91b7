"""Gradients of losses by the states of every step, and what explains their size: arrays in, arrays out."""

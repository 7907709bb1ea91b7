"""Measures of units over a whole run: arrays in, arrays out."""

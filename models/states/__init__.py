"""What units did over a whole run: arrays in, arrays out."""

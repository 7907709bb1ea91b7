"""Checkpoint formats, one module each: ``match(source)`` detects the format, ``open(source)`` lists the contents."""

"""One file a checkpoint format, each with `match` and `open`."""

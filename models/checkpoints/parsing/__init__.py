"""Low-level parsers: file bytes and zip members, pickles, protocol buffers, HDF5."""

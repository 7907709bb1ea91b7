"""Low-level readers of file contents: bytes, pickles, protocol buffers, HDF5."""

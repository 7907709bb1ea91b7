"""Capture: recording a module's recurrent layers and attentions while it runs, by hooks."""

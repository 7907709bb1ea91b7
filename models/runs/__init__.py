"""Recordings of training: scalars, maps by time step and snapshots of the weights in a run folder, written and read."""

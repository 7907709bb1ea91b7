"""The Room page, and the questions to a room: the only part of the rooms (`viz.rooms`) that runs networks."""

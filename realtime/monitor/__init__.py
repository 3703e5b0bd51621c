"""Watching a driver: pose, eyes, mouth, and what they say about attention. Pure: all time comes from the frames."""

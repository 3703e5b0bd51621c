"""Cameras that measure depth: their calibration, depth moved into the colour picture, and recordings of both."""

"""Measurements, one file each: `python -m bench NAME [--json]`."""

"""Repair of a drawn face: the tile a network sees, the network, and when there is time for it."""

"""The affine that carries 3D points onto 2D targets, by least squares, in closed form, many faces at once."""

from engines.lstsq.host import solve

__all__ = ["solve"]

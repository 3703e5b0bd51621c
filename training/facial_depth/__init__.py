"""Training and measuring networks that make a facial depth map of a picture (Pini et al. 2018)."""

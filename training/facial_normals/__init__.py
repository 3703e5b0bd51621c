"""Training and measuring networks that make normals of a picture of a face (Abrevaya et al. 2020)."""

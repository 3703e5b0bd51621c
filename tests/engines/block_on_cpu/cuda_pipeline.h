// All of it is in block.h.

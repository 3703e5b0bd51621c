"""What each mode does with an analysed frame; one file per family of modes, `Effect` is their contract."""

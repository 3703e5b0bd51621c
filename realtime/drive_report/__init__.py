"""A page about a drive: what the monitor saw, as plots and tables in one HTML file that loads nothing."""

"""The publication's tables (Moniz et al. 2018), measured here: `python -m training tables` prints and keeps them.

One module per table, with a function of the same name that returns the whole of it in Markdown, heading included
(`table1(runs: Path) -> str`); networks come from the run folders of their recipes.
"""

"""One module per network: a `Config` dataclass (the recipe's options) and `train(config)`."""

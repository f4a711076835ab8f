"""The search for settings: trials, workers, the choice among them."""

"""From what a user gives to what a model takes: rating files, the `Ratings` matrix, splits, stores."""

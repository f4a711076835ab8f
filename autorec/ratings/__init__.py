"""What a user gives → what a model eats: rating files, the `Ratings` matrix, splits, the built-in sample."""

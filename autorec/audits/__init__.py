"""What is suspicious in ratings, or between the parts of a split."""

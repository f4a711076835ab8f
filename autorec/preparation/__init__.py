"""Ratings of any size, put in order on disk: a store."""

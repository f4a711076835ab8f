"""Ratings to begin with: the built-in sample, and public data sets to fetch."""

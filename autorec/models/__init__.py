"""Estimators, all with the methods of `Recommender`."""

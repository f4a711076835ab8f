"""Estimators: one promise each, all with the same few verbs of `Recommender`."""

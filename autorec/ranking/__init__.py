"""From scores to lists: the best n, filters, re-ranking, what counts as liked, and how good a list is."""

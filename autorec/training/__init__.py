"""Training of a network: objective, optimisers, the loop with early stopping and best weights."""

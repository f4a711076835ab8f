"""Training of a network: objective, optimisers, schedule, the loop with early stopping and best weights."""

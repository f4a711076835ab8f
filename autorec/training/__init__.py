"""How a network learns: objective, optimisers, schedule, the loop with early stopping and best weights."""

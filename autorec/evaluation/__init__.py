"""How good a model is: metrics, one evaluation, a comparison on the same splits, and what can be told apart."""

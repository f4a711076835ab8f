"""What a fitted model is used for beside predicting and ranking."""

"""The words that arguments take, as types: what is mistyped is an error to a type checker, before anything runs.

What is written with a number ("masking:0.5", "random:0.1"), and names of models, stay `str`. What a word does is said
where it is taken; `checks.one_of` refuses others at run time.
"""

from typing import Literal

Auto = Literal["auto"]
Orientation = Literal["item", "user"]
Side = Literal["users", "items"]
RankedBy = Literal["both", "choice", "rating"]
Chosen = Literal["rated", "liked"]
Missing = Literal["ignored", "by-rating"]
Activation = Literal["identity", "sigmoid", "tanh", "relu", "elu", "selu", "swish"]
Code = Literal["point", "gaussian"]
Optimizer = Literal["adam", "rprop", "lbfgs"]
Offset = Literal["auto", "biases", "means", "none"]
Inputs = Literal["auto", "ratings", "residuals", "residuals+rated"]
LikelihoodOfChoices = Literal["multinomial", "bernoulli"]
DecoderOfChoices = Literal["mirrored", "linear"]
Cost = Literal["ordinal", "categorical"]
Start = Literal["identity", "random"]
Match = Literal["code", "profile", "joint"]
Baselines = Literal["all", "simple", "none"]
DrawnFrom = Literal["users", "prior"]
Projection = Literal["pca", "tsne"]
OnError = Literal["raise", "skip"]
Exported = Literal["onnx", "html", "numpy"]
Format = Literal["text", "netflix", "parquet"]
Statistic = Literal["mean", "sd"]
Worst = Literal["users", "ratings"]

"""The words that type checkers know are those that are taken; `typed_use.py` is what a type checker says."""

import inspect
from pathlib import Path
from typing import Any, get_args

import pytest

import autorec
from autorec import words
from autorec.evaluation.baselines import BASELINES
from autorec.models.level_fitting import COSTS
from autorec.network.activations import ACTIVATIONS
from autorec.network.code import CODES
from autorec.training.adversarial import MATCHES

ROOT = Path(autorec.__file__).parents[1]


@pytest.mark.parametrize(
    ("literal", "taken"),
    [
        (words.Activation, ACTIVATIONS),
        (words.Code, CODES),
        (words.Cost, COSTS),
        (words.Match, MATCHES),
        (words.Baselines, BASELINES),
    ],
)
def test_the_words_of_a_type_are_those_of_its_table(literal: Any, taken: dict[str, object]) -> None:
    assert get_args(literal) == tuple(taken)


@pytest.mark.parametrize(
    "kind", sorted({row.load() for row in autorec.MODELS.values()}, key=lambda kind: kind.__name__)
)
def test_every_default_is_a_word_of_its_type(kind: type) -> None:
    literals = {literal for literal in vars(words).values() if get_args(literal)}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.annotation in literals:
            assert parameter.default in get_args(parameter.annotation), name


def test_the_checks_read_the_typed_use() -> None:
    assert '"tests/typed_use.py"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")

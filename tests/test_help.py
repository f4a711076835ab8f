"""Help as people read it: examples that are right, names in full, completion."""

import shlex

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

import autorec
from autorec.cli.examples import EXAMPLES
from autorec.cli.main import VERBS
from autorec.cli.main import autorec as command


def help_of(*words):
    return CliRunner().invoke(command, [*words, "--help"], terminal_width=100).output


def complete(*words):
    args, incomplete = list(words[:-1]), words[-1]
    return [item.value for item in BashComplete(command, {}, "autorec", "_AUTOREC").get_completions(args, incomplete)]


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_ends_in_two_examples_that_are_right(verb):
    said = help_of(verb)
    assert len(EXAMPLES[verb]) == 2
    for example in EXAMPLES[verb]:
        assert f"  {example}\n" in said
        name, *arguments = shlex.split(example)[1:]
        assert name == verb
        with click.Context(command) as parent:
            parsed = command.get_command(parent, verb).make_context(verb, list(arguments), parent=parent)
        assert not parsed.args


def test_no_sentence_of_the_list_of_verbs_is_cut():
    said = help_of().partition("Verbs:")[2]
    assert "..." not in said and "…" not in said
    assert all(f"\n  {verb} " in said for verb in VERBS)


def test_names_of_models_and_data_sets_are_listed_where_they_are_taken():
    for verb in ("train", "compare", "tune", "models"):
        words = set(" ".join(help_of(verb).split("Models:")[1].split()).split(", "))
        assert set(autorec.MODELS) <= words
    assert "ml-latest-small" in help_of("fetch")
    assert ", ".join(autorec.JOBS) in " ".join(help_of("reproduce").split())


def test_names_are_completed():
    assert complete("train", "ratings.csv", "-m", "mult-") == ["mult-dae", "mult-vae"]
    assert complete("fetch", "ml-1") == ["ml-100k", "ml-1m", "ml-10m"]
    assert "recommend" in complete("rec")

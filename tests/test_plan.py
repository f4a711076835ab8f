"""The arithmetic of a plan by hand, and that its verb tells it."""

import json

import pytest
from click.testing import CliRunner

import autorec
from autorec.cli.main import autorec as command
from autorec.errors import ParameterError
from autorec.training.memory import training_memory
from autorec.training.plan import COPYING, Speed, measure_speed

SPEED = Speed(rating=2e-10, weight=6e-10, row=5e-9)
SIZES = (10_000_000, 1_000_000, 1_000_000_000, 64)


@pytest.mark.parametrize("orientation", ["item", "user"])
def test_one_process_needs_what_a_training_needs(orientation: str) -> None:
    users, items, ratings, hidden = SIZES
    rows, columns = (items, users) if orientation == "item" else (users, items)
    made = autorec.plan(*SIZES, orientation=orientation, speed=SPEED)
    assert made.streams
    needed = training_memory(ratings, rows, columns, (hidden,), 4096, streams=True)
    assert made.memory == needed | {"ratings as read": 8 * ratings}
    two = autorec.plan(*SIZES, orientation=orientation, workers=2, speed=SPEED)
    assert two.memory["numbers of all rows and columns"] == 16 * rows + 48 * columns
    assert "ratings as read" not in two.memory
    assert two.in_the_end == 4 * 129 * columns + (8 if orientation == "user" else 14) * ratings
    assert made.moved == made.network_seconds == 0
    assert made.steps == -(-rows // 4096)
    seconds = 2e-10 * hidden * ratings * 4096 / rows + 6e-10 * 2 * hidden * columns + 5e-9 * hidden * 4096
    assert made.step_seconds == pytest.approx(seconds)
    assert made.epochs_an_hour == pytest.approx(3600 / seconds / made.steps)


def test_what_is_shared_falls_with_the_processes() -> None:
    """By hand: 129 numbers a column, 4 copies of 4 bytes; two all-reduces of 4096 codes of 64 units."""
    sizes = (10_000_000, 1_000_000, 4_000_000_000, 64)
    one, four = (autorec.plan(*sizes, workers=workers, bandwidth=8, speed=SPEED) for workers in (1, 4))
    weights = [plan.memory["parameters and optimiser"] - 64 * 16 for plan in (one, four)]  # less the hidden biases
    assert weights == [129 * 10_000_000 * 16, 129 * 10_000_000 * 16 // 4]
    ratings = [plan.memory["ratings"] - 16 * 1_000_000 for plan in (one, four)]  # less the biases of the rows
    assert ratings[0] == 4 * ratings[1]
    assert four.moved == 2 * 2 * 3 * 4096 * 64 * 4 // 4
    assert four.network_seconds == pytest.approx(four.moved / 1e9)
    of_rows = 5e-9 * 64 * 4096  # which all do
    shared = (one.step_seconds - of_rows) / 4
    assert four.step_seconds == pytest.approx(shared + of_rows + four.network_seconds + four.moved / COPYING)


def test_groups_share_rows_and_sum_the_gradients_of_their_columns() -> None:
    """By hand: two all-reduces of 2048 codes in a group of 2, one of 129 numbers of half the columns by 2 groups."""
    sizes = (10_000_000, 1_000_000, 4_000_000_000, 64)
    made = autorec.plan(*sizes, workers=4, mesh="2x2", speed=SPEED)
    columns = autorec.plan(*sizes, workers=2, speed=SPEED)
    assert made.moved == 2 * 2 * 2048 * 64 * 4 // 2 + 2 * 129 * 5_000_000 * 4 // 2
    copies = {plan.memory["parameters and optimiser"] - 64 * 4 * n for plan, n in ((made, 5), (columns, 4))}
    assert copies == {129 * 5_000_000 * 20, 129 * 5_000_000 * 16}  # the gradient too
    assert made.in_the_end == 129 * 4 * 10_000_000 + (6 + 12) * 4_000_000_000  # columns of 8 bytes
    with pytest.raises(ParameterError, match="mesh 2x3 is for 6 processes; there are 4"):
        autorec.plan(*sizes, workers=4, mesh="2x3", speed=SPEED)


def test_a_small_training_keeps_its_batches() -> None:
    made = autorec.plan(1000, 200, 50_000, 16, speed=SPEED)
    assert not made.streams
    assert made.memory == training_memory(50_000, 200, 1000, (16,), 50) | {"ratings as read": 8 * 50_000}


def test_the_speed_is_that_of_real_steps() -> None:
    speed = measure_speed(16)
    assert 0 <= speed.rating < 1e-6
    assert 0 <= speed.weight < 1e-6
    assert 0 <= speed.row < 1e-4
    assert speed.rating + speed.weight > 0


def test_numbers_that_are_not_allowed() -> None:
    with pytest.raises(ParameterError, match="workers is 0; allowed: a whole number from 1 up"):
        autorec.plan(10, 10, 10, workers=0, speed=SPEED)
    with pytest.raises(ParameterError, match="bandwidth is 0; allowed"):
        autorec.plan(10, 10, 10, bandwidth=0, speed=SPEED)


def test_the_verb_tells_it() -> None:
    line = "plan --users 1e6 --items 1e5 --ratings 1e8 --hidden 16 --workers 2"
    text = CliRunner().invoke(command, line.split())
    assert text.exit_code == 0, text.output
    assert "memory of each process" in text.stdout and "epochs an hour" in text.stdout
    told = json.loads(CliRunner().invoke(command, [*line.split(), "--json"]).stdout)
    assert told["moved"] == 2 * 2 * 1 * 4096 * 16 * 4 // 2
    assert CliRunner().invoke(command, ["plan", "--users", "0"]).exit_code == 2

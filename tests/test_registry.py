"""The registry says of each model what is so, and reading it costs nothing."""

import subprocess
import sys

import numpy as np
import pytest

import autorec
from autorec.models.registry import MODELS, OF_OTHERS, classes, named


@pytest.fixture(params=list(MODELS))
def row(request):
    return MODELS[request.param]


def test_a_row_tells_the_truth_about_its_class(row):
    kind = row.load()
    assert kind.__name__ == row.kind
    assert kind.rates == row.rates
    assert classes()[row.kind] == kind.__module__
    assert row.parameters() == kind(**row.settings).get_params()
    assert (row.new_items == "none") == (row.name not in named(takes_new_items=True)) or row.group in OF_OTHERS


def test_what_is_searched_and_tried_are_parameters_and_hold_the_defaults(row):
    parameters = row.parameters()
    for setting, values in row.grid.items():
        assert parameters[setting] in values
    for setting, what in row.space.items():
        default = parameters[setting]
        if isinstance(what, tuple) and what[0] != "l2" and default != "auto":
            assert what[1] <= default <= what[2]
        elif isinstance(what, list):
            assert default in what


def test_memory_grows_with_what_the_row_says(row):
    model = row.load()(**row.settings)
    need = {size: model._memory(size, size, 10 * size) for size in (10**6, 2 * 10**6)}
    ratio = need[2 * 10**6] / need[10**6]
    assert ratio == pytest.approx(4 if row.memory.endswith("²") else 2, rel=0.05)
    if row.memory == "ratings":
        assert model._memory(10, 10, 1000) == model._memory(10**6, 10**6, 1000)


def test_a_message_names_models_that_can():
    assert named("lists")[:3] == ["item-knn", "pure-svd", "ease"]
    takes_new_items = named(takes_new_items=True)
    assert takes_new_items[:3] == ["autorec", "i-autorec", "u-autorec"]
    assert {"bias", "popularity", "biased-mf", "ease"} <= set(takes_new_items)
    assert not {"item-knn", "mult-vae", "denoising-ae"} & set(takes_new_items)


def test_the_public_presets_are_the_rows():
    assert list(autorec.PRESETS) == list(MODELS)
    for name, (kind, settings, about) in autorec.PRESETS.items():
        assert (kind, settings, about) == (MODELS[name].load(), dict(MODELS[name].settings), MODELS[name].about)


def test_reading_the_table_imports_neither_a_model_nor_what_models_need():
    code = (
        "import sys, autorec; [row.parameters() for row in autorec.MODELS.values()]; list(autorec.PRESETS); "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'torch', 'numpy', 'numba', 'sklearn', 'pandas'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(autorec.AutoRecError, match="unknown model 'easy'; allowed: autorec"):
        autorec.create("easy")
    assert np.isfinite(MODELS["ease"].parameters()["l2"])


def test_the_command_says_fallback_for_a_history_of_unknown_items_alone(tmp_path, frame):
    autorec.Bias().fit(frame).save(tmp_path / "m")
    (tmp_path / "new.csv").write_text("user,item,rating\nstranger,nothing,5\nknown,1,4\n")
    command = [
        sys.executable,
        "-m",
        "autorec",
        "recommend",
        str(tmp_path / "m"),
        "-n",
        "1",
        "-o",
        str(tmp_path / "o.csv"),
    ]
    subprocess.run([*command, "--new-user", str(tmp_path / "new.csv")], check=True, capture_output=True)
    rows = (tmp_path / "o.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0]: row.split(",")[-1] for row in rows} == {"stranger": "fallback", "known": "model"}

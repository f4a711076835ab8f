"""Arrays as safetensors files, read by the safetensors package."""

import numpy as np
import safetensors
import safetensors.numpy

from autorec.storage.arrays import _TYPES, write_arrays


def test_the_package_reads_what_is_written(tmp_path):
    path = tmp_path / "some"
    path.touch()
    before = path.stat().st_ino
    random = np.random.default_rng(0)
    arrays = {dtype: (random.random((3, 5)) * 100).astype(dtype) for dtype in _TYPES.values()}
    arrays |= {"number": np.array(2.5), "none": np.empty((0, 4), dtype="float32"), "name é": np.arange(3)}
    arrays |= {"columns first": np.asfortranarray(arrays["float64"]), "part": np.arange(10)[::3]}
    arrays["big-endian"] = arrays["int32"].astype(">i4")
    write_arrays(path, arrays, {"note": "a \u2014 b"})
    assert path.stat().st_ino == before  # no file of another name becomes this one: a kill would leave it
    assert [entry.name for entry in tmp_path.iterdir()] == ["some"]
    found = safetensors.numpy.load_file(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype.newbyteorder("=") and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    with safetensors.safe_open(path, framework="np") as file:
        assert file.metadata() == {"note": "a — b"}


def test_no_arrays_are_a_file_too(tmp_path):
    write_arrays(tmp_path / "none", {})
    assert safetensors.numpy.load_file(tmp_path / "none") == {}

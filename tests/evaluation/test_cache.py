"""What is kept between runs, and from whom."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from edged.errors import EvaluationError
from edged.evaluation.cache import NAME, Cache, Reading, failed


def reading(seed=0):
    values = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
    return Reading("", values, -1.5, 80.0, float("nan"), 2, several=True)


def test_what_is_put_is_there_at_once_and_after_reopening(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.put("a", reading())
        cache.put("b", failed("no_face"))
        assert cache.get("a").log_variance == -1.5
    with Cache(tmp_path / "c") as cache:
        found = cache.get("a")
        np.testing.assert_array_equal(found.embedding, reading().embedding)
        assert (found.sharpness, found.faces, found.several) == (80.0, 2, True)
        assert np.isnan(found.detector)
        assert cache.get("b").failure == "no_face"
        assert cache.get("c") is None


def test_it_is_for_its_owner_alone(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.put("a", reading())
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "c" / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_can_reach_is_refused(tmp_path, mode):
    folder = tmp_path / "c"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(EvaluationError, match="biometric templates; chmod 700"):
        Cache(folder).open()
    assert not list(folder.iterdir())


@pytest.fixture
def full(tmp_path):
    with Cache(tmp_path / "c") as cache:
        for number in range(300):
            cache.put(str(number), reading(number))
    return tmp_path / "c"


@pytest.mark.parametrize("damage", ["garbage", "cut", "inside"])
def test_a_damaged_file_is_named_and_not_deleted(full, damage):
    path = full / NAME
    data = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"not a database at all" * 100)
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))

    def read():
        with Cache(full) as cache:
            for number in range(300):
                assert cache.get(str(number)) is not None

    with pytest.raises(EvaluationError, match=f"{path}: the cache is damaged; delete the file"):
        read()
    assert path.exists()


def test_a_file_of_something_else_is_left_alone(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir(mode=0o700)
    file = sqlite3.connect(folder / NAME)
    file.execute("CREATE TABLE other (x)")
    file.commit()
    file.close()
    before = (folder / NAME).read_bytes()
    with pytest.raises(EvaluationError, match="not a cache of this version"):
        Cache(folder).open()
    assert (folder / NAME).read_bytes() == before


def test_a_link_in_its_place_is_not_followed(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir(mode=0o700)
    (folder / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EvaluationError, match="cannot be used"):
        Cache(folder).open()
    assert not (tmp_path / "elsewhere").exists()


def test_closing_twice_and_after_a_failed_open_is_safe(tmp_path):
    cache = Cache(tmp_path / "c")
    cache.open()
    cache.close()
    cache.close()
    (tmp_path / "file").write_text("x")
    refused = Cache(tmp_path / "file")
    with pytest.raises(EvaluationError):
        refused.open()
    refused.close()

"""`edged bench`: figures that hang together."""

from __future__ import annotations

import shutil

import pytest

from tests.cli.conftest import PORTRAIT

pytestmark = pytest.mark.slow


def test_the_figures_hang_together(edged):
    told = edged("bench", "--quick", "--frames", 3, "--json").json
    assert set(told) == {"stages", "search"}
    stages = told["stages"]
    assert stages["frames"] == 3
    assert stages["ratio"] > 0
    for row in (*stages["stages"].values(), stages["frame"]):
        assert 0 <= row["p50_ms"] <= row["p95_ms"]
    assert [row["templates"] for row in told["search"]] == [10_000, 100_000]


def test_frames_of_a_folder_are_measured(edged, tmp_path):
    shutil.copy(PORTRAIT, tmp_path / "a.jpg")
    ran = edged("bench", "--quick", "--images", tmp_path)
    assert ran.code == 0
    assert "1 frames" in ran.out
    assert "whole frame" in ran.out


@pytest.mark.parametrize("argv", [["--frames", "0"], ["--frames", "x"], ["--images", "/none"]])
def test_nothing_to_measure_is_bad_usage(edged, argv):
    ran = edged("bench", "--quick", *argv)
    assert (ran.code, ran.out) == (2, "")

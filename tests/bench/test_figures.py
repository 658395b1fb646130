"""The bench measures what it says it measures."""

import numpy as np

from edged.bench.search import measure_search
from edged.bench.stages import measure_stages
from edged.config.schema import Model, Vision
from edged.demo import scenes


def test_stages_compare_whole_frames_with_the_same_inferences_bare() -> None:
    lobby = scenes.Lobby()
    told = measure_stages(Model(), Vision(), [lobby.draw(scenes.NEAR, n / 15) for n in range(10)])
    calls = {role: row["calls"] for role, row in told["networks"].items()}
    assert calls["network"] == 10
    assert calls["pnet"] == 2
    assert calls["onet"] >= 10
    assert set(told["stages"]) == {"detect", "follow", "judge", "align", "embed"}
    assert told["ratio"] > 0


def test_search_is_set_against_reading_the_same_memory() -> None:
    told = measure_search(16, 500, rounds=3)
    assert (told["templates"], told["size"]) == (500, 16)
    assert np.isfinite(told["ratio"])

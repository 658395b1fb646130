"""A small fleet lives through everything that the figures of docs/fleet.md are taken from."""

from __future__ import annotations

import pytest

from bench.fleet import options, run
from tests.mosquitto import PROGRAM


@pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed (apt install mosquitto)")
def test_twenty_terminals_lose_nothing_whatever_happens_to_the_broker() -> None:
    words = "--terminals 20 --processes 2 --rate 5 --seconds 2 --pause 0.5 --freeze 1"
    told = run(options(words.split()))
    assert told["join"]["all_online_s"]["max"] > 0
    for name in ("rush", "restart", "crash", "partition"):
        assert told[name]["recorded"] > 0
        assert told[name]["lost"] == 0
        assert not told[name]["unordered"]
    assert told["rush"]["recorded"] == told["rush"]["heard"] >= 190
    assert told["commands"]["replies"] == 20
    assert told["each_terminal"]["memory_mb"] < 5

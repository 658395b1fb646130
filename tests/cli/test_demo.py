"""`edged demo`: the whole terminal on a synthetic camera, with either broker."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

from tests.mosquitto import PROGRAM

pytestmark = pytest.mark.slow


def check_story(ran, broker):
    assert ran.code == 0, ran.err
    told = ran.json
    assert told["ok"] is True
    assert told["broker"] == broker
    assert told["relay"] == ["rest", "on", "rest"] or told["relay"].count("on") == 1
    kinds = [event["type"] for event in told["events"]]
    reasons = [
        event["data"]["reason"] for event in told["events"] if event["type"] == "capture.retake"
    ]
    assert reasons[:3] == ["come_closer", "more_light", "hold_still"]
    order = [kinds.index(k) for k in ("access.denied", "enrol.completed", "access.granted")]
    assert order == sorted(order)


@pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed")
def test_the_story_comes_true_with_mosquitto(edged, tmp_path):
    ran = edged("demo", "--json", "--keep", tmp_path / "demo")
    check_story(ran, "mosquitto")
    assert "The relay pulsed once" in ran.err
    assert "none is missing" in ran.err
    key = (tmp_path / "demo" / "secret.key").read_text().strip()
    log = (tmp_path / "demo" / "edged.log").read_text()
    assert key not in log + ran.err + ran.out


@pytest.mark.skipif(importlib.util.find_spec("amqtt") is None, reason="amqtt is not installed")
def test_the_story_comes_true_with_amqtt(edged, monkeypatch):
    found = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, **rest: None if name == "mosquitto" else found(name, **rest)
    )
    check_story(edged("demo", "--json"), "amqtt")


def test_a_folder_that_is_there_already_is_left_alone(edged, tmp_path):
    ran = edged("demo", "--keep", tmp_path)
    assert ran.code == 2
    assert "File exists" in ran.err
    assert list(tmp_path.iterdir()) == []

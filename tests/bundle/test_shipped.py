"""What ships loads, opens on every runtime installed here, and means the same on each."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from edged.bundle.load import Bundle, find_bundle, load_bundle
from edged.bundle.network import open_network
from edged.config.schema import Model
from edged.errors import RuntimeFault
from edged.resources import shared
from edged.runtime.choose import open_runner
from edged.runtime.table import available

SHIPPED = sorted(path.parent.name for path in shared("models").glob("*/manifest.yaml"))
RUNTIMES = [report.name for report in available() if not report.problem]
RECOGNISER = Model().bundle
DETECTOR = Model().detector
# Two runtimes round INT8 differently, and a network passes the difference on; see
# docs/decisions/0003-runners.md. Far below what tells two people apart (0.35–0.45).
COSINE_OF_FACES = 0.99
COSINE_OF_NOISE = 0.98
LOG_VARIANCE = 0.1
FLOAT32 = 1e-3
DATA = Path(os.environ.get("EDGED_DATA", Path(__file__).parents[3] / "shared" / "data"))

needs_recogniser = pytest.mark.skipif(
    RECOGNISER not in SHIPPED, reason=f"{RECOGNISER} is not in models/"
)
needs_detector = pytest.mark.skipif(DETECTOR not in SHIPPED, reason=f"{DETECTOR} is not in models/")
needs_two = pytest.mark.skipif(len(RUNTIMES) < 2, reason="fewer than two runtimes are installed")


def chip(bundle: Bundle, image: np.ndarray) -> np.ndarray:
    """A BGR image as the network of this bundle wants it."""
    wanted = bundle.recogniser.input
    sized = cv2.resize(image, (wanted.width_px, wanted.height_px))
    ordered = sized[..., ::-1] if wanted.colour == "rgb" else sized
    scaled = (ordered.astype(np.float32) - wanted.mean) * wanted.scale
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def synthetic() -> list[np.ndarray]:
    """Soft clouds of colour, the same ones on every machine."""
    draw = np.random.default_rng(3)
    clouds = [cv2.GaussianBlur(draw.normal(size=(112, 112, 3)), (0, 0), s) for s in (2, 4, 8, 16)]
    return [np.clip(127 + 50 * cloud / cloud.std(), 0, 255).astype(np.uint8) for cloud in clouds]


def faces() -> list[np.ndarray]:
    """The middle of LFW photographs, where the faces are."""
    paths = sorted((DATA / "lfw-train").glob("*/*.jpg"))
    if not paths:
        pytest.skip(f"no face images in {DATA}")
    return [cv2.imread(str(path))[65:185, 65:185] for path in paths[:: len(paths) // 30]]


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.ravel(), other.ravel()
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_whole(name):
    bundle = load_bundle(find_bundle(name))
    assert bundle.manifest.name == name
    assert bundle.identity.startswith(f"{name}@")


@needs_recogniser
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_recogniser_opens_and_answers_with_numbers(runtime):
    bundle = load_bundle(find_bundle(RECOGNISER))
    runner = open_network(bundle, Model(runtime=runtime))
    for image in (*synthetic(), np.zeros((112, 112, 3), np.uint8)):
        embedding, log_variance = runner.run(chip(bundle, image))
        assert embedding.shape == (1, bundle.recogniser.outputs.embedding.size)
        assert log_variance.size == 1
        assert np.isfinite(embedding).all()
        assert 0 <= bundle.recogniser.quality.quality(log_variance.item()) <= 1
    runner.close()


@needs_recogniser
@needs_two
@pytest.mark.parametrize(
    ("images", "tolerance"),
    [
        pytest.param(synthetic, COSINE_OF_NOISE, id="synthetic"),
        pytest.param(faces, COSINE_OF_FACES, id="faces", marks=pytest.mark.data),
    ],
)
def test_runtimes_agree_on_the_recogniser(images, tolerance):
    bundle = load_bundle(find_bundle(RECOGNISER))
    chips = [chip(bundle, image) for image in images()]
    answers = []
    for runtime in RUNTIMES:
        runner = open_network(bundle, Model(runtime=runtime))
        answers.append([runner.run(one) for one in chips])
        runner.close()
    for one, other in combinations(answers, 2):
        for (embedding, doubt), (embedding_2, doubt_2) in zip(one, other, strict=True):
            assert cosine(embedding, embedding_2) >= tolerance
            assert abs(doubt.item() - doubt_2.item()) <= LOG_VARIANCE


@needs_detector
@needs_two
@pytest.mark.parametrize(
    ("stage", "outputs", "shape"),
    [
        ("pnet", ["conv2d_4", "softmax"], (1, 57, 43, 3)),
        ("rnet", ["dense_2", "softmax_1"], (5, 24, 24, 3)),
        ("onet", ["dense_5", "dense_6", "softmax_2"], (3, 48, 48, 3)),
    ],
)
def test_runtimes_agree_on_the_detector(stage, outputs, shape):
    network = load_bundle(find_bundle(DETECTOR)).networks[stage]
    image = np.random.default_rng(4).uniform(-1, 1, shape).astype(np.float32)
    answers = []
    for runtime in RUNTIMES:
        runner = open_runner(network, outputs, Model(runtime=runtime))
        answers.append(runner.run(image))
        runner.close()
    for one, other in combinations(answers, 2):
        for values, values_2 in zip(one, other, strict=True):
            np.testing.assert_allclose(values, values_2, atol=FLOAT32)


@needs_recogniser
def test_a_cut_network_stops_the_start(tmp_path):
    whole = load_bundle(find_bundle(RECOGNISER)).networks["network"].read_bytes()
    cut = tmp_path / "model.onnx"
    cut.write_bytes(whole[: len(whole) // 2])
    for runtime in RUNTIMES:
        with pytest.raises(RuntimeFault, match=r"model\.onnx: "):
            open_runner(cut, ["embedding"], Model(runtime=runtime))

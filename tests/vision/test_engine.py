"""The engine: the shipped bundles opened, one face of a still image embedded, and its faults."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edged.config.schema import Model
from edged.config.schema import Vision as Limits
from edged.demo import scenes
from edged.errors import BundleError, NoUsableFace, RuntimeFault
from edged.service.engine import Engine
from edged.types import Defect


def test_the_portrait_is_embedded_and_trusted(engine, portrait):
    found = engine.extract(portrait)
    assert found.faces == 1
    assert found.defects == ()
    assert found.embedded.quality > 0.9
    assert found.embedded.embedding.shape == (engine.manifest.outputs.embedding.size,)
    assert found.embedded.embedding.dtype == np.float32
    assert abs(found.face.pose.yaw_deg) < 15


def test_a_person_is_more_like_themselves_than_the_rule_asks(engine, portrait):
    probe = engine.extract(portrait).embedded.embedding
    rule = engine.manifest.similarity.verification
    brighter = cv2.convertScaleAbs(portrait, alpha=1.2, beta=10)
    for view in (cv2.flip(portrait, 1), cv2.resize(portrait, None, fx=0.6, fy=0.6), brighter):
        assert float(probe @ engine.extract(view).embedded.embedding) > rule.same


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.3, 5.0])
def test_box_and_landmarks_are_told_in_the_pixels_that_were_given(engine, portrait, factor):
    plain = engine.extract(portrait).face
    scaled = engine.extract(cv2.resize(portrait, None, fx=factor, fy=factor)).face
    np.testing.assert_allclose(
        np.array(scaled.landmarks) / factor, np.array(plain.landmarks), atol=6
    )
    assert scaled.box.width / factor == pytest.approx(plain.box.width, rel=0.15)


def test_quality_falls_as_a_view_is_blurred(engine):
    lobby = scenes.Lobby()
    views = [lobby.draw(scenes.Scene(face_px=150, blur_px=blur), 0.0) for blur in (0, 3, 5, 7)]
    qualities = [engine.extract(view).embedded.quality for view in views]
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[0] > 0.9
    assert qualities[-1] < 0.3


def test_the_largest_face_is_the_one_that_is_meant(engine, portrait):
    image = np.full((512, 900, 3), 128, np.uint8)
    image[:, :512] = portrait
    image[:256, 600:856] = cv2.resize(portrait, None, fx=0.5, fy=0.5)
    found = engine.extract(image)
    assert found.faces == 2
    assert found.face.box.centre[0] < 512
    assert Defect.SEVERAL_FACES not in found.defects
    twins = engine.extract(np.hstack([portrait, portrait]))
    assert Defect.SEVERAL_FACES in twins.defects


@pytest.mark.parametrize("shape", [(1, 1), (2, 9000), (9000, 1), (480, 640), (3000, 4000)])
def test_an_image_without_a_face_says_what_to_use_instead(engine, shape):
    with pytest.raises(NoUsableFace, match="one face is upright"):
        engine.extract(np.full((*shape, 3), 140, np.uint8))


def test_both_runtimes_make_the_same_of_a_face(both, portrait):
    lobby = scenes.Lobby()
    for image in (portrait, lobby.draw(scenes.NEAR, 0.0), lobby.draw(scenes.BLURRED, 0.0)):
        one, other = (engine.extract(image).embedded for engine in both)
        assert float(one.embedding @ other.embedding) > 0.98
        assert one.quality == pytest.approx(other.quality, abs=0.06)
    assert both[0].identity == both[1].identity


def test_a_runtime_that_is_asked_for_is_the_one_that_runs(both):
    assert [engine.runner_info.runtime for engine in both] == ["openvino", "onnxruntime"]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (Model(bundle="none-such"), BundleError),
        (Model(bundle="mtcnn"), BundleError),
        (Model(detector="mobilefacenet-rts"), BundleError),
        (Model(runtime="openvino", device="TOASTER"), RuntimeFault),
        (Model(runtime="onnxruntime", device="TOASTER"), RuntimeFault),
    ],
)
def test_an_engine_that_does_not_open_says_why_and_can_be_closed(settings, fault):
    engine = Engine(settings, Limits())
    with pytest.raises(fault):
        engine.open()
    engine.close()
    engine.close()


def test_an_engine_can_be_opened_again(portrait):
    engine = Engine(Model(), Limits())
    engine.close()
    scores = []
    for _ in range(2):
        engine.open()
        engine.warm_up(portrait)
        scores.append(engine.extract(portrait).embedded.quality)
        engine.close()
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_a_closed_engine_fails_by_a_fault_of_its_own(portrait):
    with Engine(Model(), Limits()) as engine:
        engine.extract(portrait)
    with pytest.raises(RuntimeFault):
        engine.extract(portrait)


class Broken:
    """A recogniser whose numbers are none; everything else is the real runner's."""

    def __init__(self, runner):
        self._runner = runner

    def run(self, image):
        return tuple(np.full_like(out, np.nan) for out in self._runner.run(image))

    def __getattr__(self, name):
        return getattr(self._runner, name)


def test_a_network_that_gives_no_numbers_gives_no_usable_face(portrait):
    with Engine(Model(), Limits()) as engine:
        engine.wrap_runners(lambda role, runner: Broken(runner) if role == "network" else runner)
        with pytest.raises(NoUsableFace, match="no numbers"):
            engine.extract(portrait)


@pytest.mark.data
def test_photos_of_one_person_are_more_alike_than_photos_of_two(engine, data_dir):
    """A check of the whole chain, not a claim about a population: 40 people, two photos each."""
    pairs = []
    for person in sorted((data_dir / "photos-dev").iterdir())[:40]:
        views = []
        for path in sorted(person.glob("*.jpg")):
            try:
                found = engine.extract(cv2.imread(str(path)))
            except NoUsableFace:
                continue
            if found.embedded.quality > engine.manifest.quality.minimum.access:
                views.append(found.embedded.embedding)
            if len(views) == 2:
                pairs.append(views)
                break
    assert len(pairs) >= 36
    a, b = (np.stack([pair[n] for pair in pairs]) for n in (0, 1))
    similarity = a @ b.T
    genuine = np.diag(similarity)
    impostor = similarity[~np.eye(len(pairs), dtype=bool)]
    alike = (genuine[:, None] > impostor[None]).mean()
    assert alike > 0.98, f"{alike:.4f}"
    rule = engine.manifest.similarity.verification
    assert (impostor > rule.same).mean() < 0.005

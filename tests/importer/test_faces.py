"""Too little to calibrate on is said in counts, with the first files that showed no face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edged.errors import BundleError, EvaluationError
from edged.importer.faces import read_faces, template
from edged.vision.reference import _PORTRAIT
from tests.importer.people import write_people


def test_aligned_crops_are_taken_as_they_are(people):
    faces = read_faces(people, 112, aligned=True)
    assert faces.chips.shape == (60, 112, 112, 3)
    assert faces.count == 12
    assert (faces.chips[0] == cv2.imread(str(people / "person-00" / "0.png"))).all()


def test_crops_of_another_size_are_brought_to_the_networks(people):
    assert read_faces(people, 64, aligned=True).chips.shape == (60, 64, 64, 3)


def test_a_sample_has_as_many_people_as_it_can(people):
    faces = read_faces(people, 112, aligned=True)
    assert len(np.unique(faces.people[faces.sample(12)])) == 12
    assert len(faces.sample(1000)) == 60


def test_photos_are_detected_and_aligned(tmp_path):
    portrait = cv2.imread(str(_PORTRAIT))
    for person in range(10):
        home = tmp_path / f"p{person}"
        home.mkdir()
        for i in range(5):
            cv2.imwrite(str(home / f"{i}.jpg"), portrait)
    faces = read_faces(tmp_path, 112, aligned=False)
    assert len(faces) == 50
    assert faces.left_out == 0
    left_eye = template(112)[0]
    assert left_eye == pytest.approx((38.2946, 51.6963))
    assert faces.chips.std() > 20, "a face is in the chip"


def test_images_without_a_face_are_counted_and_the_first_named(tmp_path):
    for person in range(10):
        home = tmp_path / f"p{person}"
        home.mkdir()
        for i in range(5):
            cv2.imwrite(str(home / f"{i}.png"), np.full((120, 120, 3), 90, np.uint8))
    with pytest.raises(BundleError) as caught:
        read_faces(tmp_path, 112, aligned=False)
    lines = str(caught.value).splitlines()
    assert "0 usable images of 0 people" in lines[0]
    assert "p0/0.png: no face found" in lines[1]
    assert lines[-1] == "and 45 more without a usable face"
    assert len(lines) == 7


def test_a_broken_image_is_left_out_and_counted(tmp_path):
    write_people(tmp_path)
    (tmp_path / "person-03" / "9.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "person-04" / "9.jpg").write_bytes(b"text")
    faces = read_faces(tmp_path, 112, aligned=True)
    assert len(faces) == 60
    assert faces.left_out == 2


@pytest.mark.parametrize(("people", "each"), [(9, 6), (11, 2), (60, 1)])
def test_too_few_people_or_images_are_refused_before_any_is_read(tmp_path, people, each):
    for number in range(people):
        (tmp_path / str(number)).mkdir()
        for i in range(each):
            (tmp_path / str(number) / f"{i}.png").write_bytes(b"")
    with pytest.raises(BundleError, match=rf"{people * each} usable images of {people} people"):
        read_faces(tmp_path, 112, aligned=True)


def test_a_photo_is_no_aligned_crop(tmp_path):
    write_people(tmp_path)
    for path in tmp_path.glob("*/*.png"):
        cv2.imwrite(str(path), np.zeros((100, 140, 3), np.uint8))
    with pytest.raises(BundleError, match="140×100 px is no aligned crop"):
        read_faces(tmp_path, 112, aligned=True)


def test_a_folder_without_people_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="no such folder"):
        read_faces(tmp_path / "none", 112, aligned=True)
    with pytest.raises(EvaluationError, match="one folder a person"):
        read_faces(tmp_path, 112, aligned=True)

"""Alignment and pose from five landmarks."""

from math import cos, hypot, radians, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.vision.geometry import align, head_pose, similarity_transform

TEMPLATE = ((38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2))


@given(st.floats(-180, 180), st.floats(0.1, 10), st.floats(-500, 500), st.floats(-500, 500))
def test_any_rotation_scale_and_shift_is_undone(
    turn_deg: float, scale: float, dx: float, dy: float
) -> None:
    c, s = scale * cos(radians(turn_deg)), scale * sin(radians(turn_deg))
    moved = [(c * x - s * y + dx, s * x + c * y + dy) for x, y in TEMPLATE]
    matrix = similarity_transform(moved, TEMPLATE).astype(float)
    for (x, y), (u, v) in zip(moved, TEMPLATE, strict=True):
        back = matrix @ (x, y, 1)
        assert hypot(back[0] - u, back[1] - v) < 0.1


def test_landmarks_in_one_point_give_no_crash() -> None:
    matrix = similarity_transform([(5.0, 5.0)] * 5, TEMPLATE)
    assert np.isfinite(matrix).all()
    assert align(np.zeros((40, 40, 3), np.uint8), [(5.0, 5.0)] * 5, TEMPLATE, (112, 112)).shape == (
        112,
        112,
        3,
    )


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5, 6.0])
def test_a_chip_shows_the_face_where_the_template_wants_it(scale: float) -> None:
    size = int(112 * scale) + 80
    image = np.zeros((size, size, 3), np.uint8)
    points = [(x * scale + 30, y * scale + 30) for x, y in TEMPLATE]
    nose = points[2]
    radius = max(2, int(4 * scale))
    image[
        int(nose[1]) - radius : int(nose[1]) + radius, int(nose[0]) - radius : int(nose[0]) + radius
    ] = 255
    chip = align(image, points, TEMPLATE, (112, 112))
    y, x = np.argwhere(chip[:, :, 0] > 127).mean(axis=0)
    assert abs(x - TEMPLATE[2][0]) < 2
    assert abs(y - TEMPLATE[2][1]) < 2


def test_the_signs_of_yaw_pitch_and_roll() -> None:
    def with_nose(dx: float, dy: float) -> list[tuple[float, float]]:
        return [*TEMPLATE[:2], (TEMPLATE[2][0] + dx, TEMPLATE[2][1] + dy), *TEMPLATE[3:]]

    assert abs(head_pose(TEMPLATE).yaw_deg) < 5
    assert head_pose(with_nose(8, 0)).yaw_deg > 15
    assert head_pose(with_nose(-8, 0)).yaw_deg < -15
    assert head_pose(with_nose(0, -8)).pitch_deg > head_pose(with_nose(0, 8)).pitch_deg + 20
    tilted = [(x * 0.9 - y * 0.4, x * 0.4 + y * 0.9) for x, y in TEMPLATE]
    assert head_pose(tilted).roll_deg == pytest.approx(24, abs=2)


@given(st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=5, max_size=5))
def test_any_five_points_give_a_finite_pose(points: list[tuple[float, float]]) -> None:
    pose = head_pose(points)
    assert all(abs(angle) <= 180 for angle in (pose.yaw_deg, pose.pitch_deg, pose.roll_deg))

"""A camera that goes, comes back, ends, stutters and hangs about."""

from __future__ import annotations

import logging
import threading
from itertools import islice

import numpy as np
import pytest

from edged.camera.base import Camera, usable
from edged.camera.opencv import OpenCVSource, VideoFile
from edged.camera.pace import Fast, Live, Real
from edged.camera.replay import FolderSource
from edged.camera.table import open_camera
from edged.config.schema import OpenCVCamera, PiCamera, ReplayCamera
from edged.errors import CameraEnded, CameraError
from tests.camera.conftest import HEIGHT, WIDTH, number_of, picture, write_images
from tests.camera.stream import Stream
from tests.wait import until

FAST_RETRY = (0.005, 0.02)


class Watched:
    """A camera whose frames another thread consumes."""

    def __init__(self, source, pace=None, **more) -> None:
        self.stop = threading.Event()
        self.states = []
        self.frames = []
        self.camera = Camera(
            source, pace or Live(), on_change=self.states.append, retry_s=FAST_RETRY, **more
        )
        self._thread = threading.Thread(target=self._consume)

    def _consume(self) -> None:
        for frame in self.camera.frames(self.stop):
            self.frames.append(frame)
            self.stop.wait(0.001)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def said(self) -> list[str]:
        return [state.status for state in self.states]


def fast(path, **more) -> Camera:
    return Camera(FolderSource(path), Fast(10), retry_s=FAST_RETRY, **more)


def test_frames_are_numbered_and_a_fast_recording_keeps_its_own_time(folder):
    frames = list(fast(folder).frames(threading.Event()))
    assert [frame.seq for frame in frames] == [1, 2, 3, 4, 5]
    assert [frame.t_s for frame in frames] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 3, 4]


def test_a_recording_that_ends_says_so_once_and_ends_the_iteration(video):
    states = []
    camera = Camera(VideoFile(video), Fast(15), on_change=states.append)
    assert len(list(camera.frames(threading.Event()))) == 5
    assert [state.status for state in states] == ["live", "ended"]
    assert "came to its end after 5" in states[-1].reason


def test_a_folder_that_vanishes_and_comes_back_is_lost_once_and_back_once(folder, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with Watched(FolderSource(folder, loop=True)) as watched:
        until(lambda: len(watched.frames) > 7)
        folder.rename(tmp_path / "away")
        until(lambda: watched.said() == ["live", "lost"])
        beat = watched.camera.beat
        until(lambda: watched.camera.beat > beat + 5)  # it keeps trying
        assert watched.said() == ["live", "lost"]
        before = watched.frames[-1].seq
        (tmp_path / "away").rename(folder)
        until(lambda: watched.frames[-1].seq > before + 7)
    assert watched.said() == ["live", "lost", "live"]
    assert caplog.text.count("camera lost") == 1
    assert caplog.text.count("camera back") == 1
    numbers = [frame.seq for frame in watched.frames]
    assert numbers == list(range(1, len(numbers) + 1))
    times = [frame.t_s for frame in watched.frames]
    assert times == sorted(times)


def test_a_video_file_that_appears_later_is_waited_for(video, tmp_path):
    path = tmp_path / "later.avi"
    with Watched(VideoFile(path)) as watched:
        until(lambda: watched.said() == ["lost"])
        video.rename(path)
        until(lambda: "ended" in watched.said())
    assert watched.said() == ["lost", "live", "ended"]
    assert len(watched.frames) == 5


def test_a_network_camera_that_is_unplugged_comes_back(capfd, caplog):
    stream = Stream()
    source = OpenCVSource(OpenCVCamera(driver="opencv", source=stream.url, timeout_s=2))
    try:
        with Watched(source) as watched:
            until(lambda: len(watched.frames) > 3)
            stream.pull()
            until(lambda: watched.said() == ["live", "lost"])
            stream.plug()
            until(lambda: watched.said() == ["live", "lost", "live"])
    finally:
        stream.pull()
    assert "hunter2" not in "".join(state.reason for state in watched.states) + caplog.text
    assert "hunter2" not in "".join(capfd.readouterr())


class Scripted:
    """A source that does what its script says: an array is an image, an exception is raised."""

    def __init__(self, *script) -> None:
        self._script = list(script)
        self.opened = 0
        self.is_open = False

    def open(self) -> None:
        self.opened += 1
        self.is_open = True

    def read(self):
        step = self._script.pop(0) if self._script else CameraEnded("script ends")
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.is_open = False

    def describe(self) -> str:
        return "script"


GARBAGE = [
    None,
    np.zeros((0, 0, 3), np.uint8),
    np.zeros((48, 0, 3), np.uint8),
    np.zeros((48, 64, 3), np.float32),
    np.zeros((48, 64, 3), np.uint16),
    np.zeros((48, 64, 2), np.uint8),
    np.zeros((1, 48, 64, 3), np.uint8),
    np.zeros(48, np.uint8),
    "image",
]


@pytest.mark.parametrize("image", GARBAGE, ids=[str(number) for number in range(len(GARBAGE))])
def test_what_is_no_image_is_counted_and_never_passed_on(image):
    assert usable(image) is None
    camera = Camera(Scripted(image, picture(1), image, picture(2)), Live())
    frames = list(camera.frames(threading.Event()))
    assert [number_of(frame.image) for frame in frames] == [1, 2]
    assert camera.faults == 2


def test_a_camera_that_delivers_only_garbage_is_lost():
    states = []
    source = Scripted(*[GARBAGE[1]] * 10, picture(1))
    camera = Camera(source, Live(), on_change=states.append, retry_s=FAST_RETRY)
    assert len(list(camera.frames(threading.Event()))) == 1
    assert [state.status for state in states] == ["lost", "live", "ended"]
    assert "cannot be used" in states[0].reason
    assert source.opened == 2


@pytest.mark.parametrize(
    "image",
    [
        picture(2)[..., 0],
        picture(2)[..., :1],
        np.dstack([picture(2), np.full((HEIGHT, WIDTH), 9, np.uint8)]),
        picture(2)[:, ::-1][:, ::-1],
    ],
    ids=["grey", "grey with an axis", "bgra", "strided"],
)
def test_grey_and_transparent_images_become_bgr(image):
    made = usable(image)
    assert made.flags.c_contiguous
    np.testing.assert_array_equal(made, picture(2))


@pytest.mark.parametrize(
    ("rotate_deg", "shape", "dark"),
    [
        (0, (HEIGHT, WIDTH, 3), np.s_[:, :20]),
        (90, (WIDTH, HEIGHT, 3), np.s_[:20]),
        (180, (HEIGHT, WIDTH, 3), np.s_[:, -20:]),
        (270, (WIDTH, HEIGHT, 3), np.s_[-20:]),
    ],
)
def test_images_are_turned_clockwise(rotate_deg, shape, dark):
    camera = Camera(Scripted(picture(5)), Live(), rotate_deg=rotate_deg)
    image = next(camera.frames(threading.Event())).image
    assert image.shape == shape
    assert image[dark].max() == 0
    assert image.max() > 0


def test_the_beat_grows_with_frames_and_with_attempts():
    script = [picture(1), CameraError("gone"), CameraError("gone"), picture(1), picture(1)]
    camera = Camera(Scripted(*script), Live(), retry_s=FAST_RETRY)
    list(camera.frames(threading.Event()))
    assert camera.beat == 3 + 2


def test_a_camera_that_comes_and_goes_tells_each_change_once():
    states = []
    script = [picture(1), CameraError("a"), CameraError("b"), picture(1), CameraError("c")]
    source = Scripted(*script, picture(1))
    camera = Camera(source, Live(), on_change=states.append, retry_s=FAST_RETRY)
    list(camera.frames(threading.Event()))
    assert [(state.status, state.reason) for state in states[:-1]] == [
        ("live", ""),
        ("lost", "a"),
        ("live", ""),
        ("lost", "c"),
        ("live", ""),
    ]
    assert camera.state == states[-1]
    since = [state.since_s for state in states]
    assert since == sorted(since)


def test_stop_ends_the_wait_for_a_lost_camera(tmp_path):
    watched = Watched(FolderSource(tmp_path / "absent"))
    watched.camera._retry_s = (600.0, 600.0)
    with watched:
        until(lambda: watched.said() == ["lost"])
    assert watched.frames == []


def test_stop_ends_the_wait_for_a_slow_recording(folder):
    with Watched(FolderSource(folder), Real(0.001)) as watched:
        until(lambda: watched.frames)
    assert len(watched.frames) <= 2


@pytest.mark.parametrize("how", ["stop", "break", "error"])
def test_the_source_is_closed_however_the_iteration_ends(how):
    source = Scripted(*[picture(1)] * 5)
    stop = threading.Event()
    frames = Camera(source, Live()).frames(stop)
    next(frames)
    assert source.is_open
    if how == "stop":
        stop.set()
        assert list(frames) == []
    elif how == "break":
        frames.close()
    else:
        with pytest.raises(ZeroDivisionError):
            frames.throw(ZeroDivisionError())
    assert not source.is_open


def test_nothing_is_opened_before_frames_are_asked_for():
    source = Scripted(picture(1))
    camera = Camera(source, Live())
    frames = camera.frames(threading.Event())
    assert source.opened == 0
    next(frames)
    assert source.opened == 1


def test_a_set_stop_opens_nothing():
    source = Scripted(picture(1))
    stop = threading.Event()
    stop.set()
    assert list(Camera(source, Live()).frames(stop)) == []
    assert source.opened == 0


def test_a_probe_tells_what_came_and_closes(folder, tmp_path):
    assert fast(folder, rotate_deg=90).probe() == f"{folder}, {HEIGHT}×{WIDTH} px"
    source = Scripted(CameraError("no"))
    with pytest.raises(CameraError, match="no"):
        Camera(source, Live()).probe()
    assert not source.is_open
    with pytest.raises(CameraError, match="cannot be listed"):
        fast(tmp_path / "absent").probe()


def test_a_real_pace_never_runs_ahead(folder):
    camera = Camera(FolderSource(folder, loop=True), Real(200))
    times = [frame.t_s for frame in islice(camera.frames(threading.Event()), 20)]
    assert times[-1] - times[0] >= 19 / 200 * 0.99


@pytest.mark.parametrize(
    ("settings", "source", "pace"),
    [
        ({"driver": "opencv"}, "OpenCVSource", "Live"),
        ({"driver": "opencv", "source": "1"}, "OpenCVSource", "Live"),
        ({"driver": "opencv", "source": "/dev/video3"}, "OpenCVSource", "Live"),
        ({"driver": "opencv", "source": "rtsp://cam/1"}, "OpenCVSource", "Live"),
        ({"driver": "opencv", "source": "walk.mp4"}, "VideoFile", "Real"),
        ({"driver": "picamera2"}, "PiSource", "Live"),
        ({"driver": "replay", "source": "walk.mp4"}, "VideoFile", "Real"),
        ({"driver": "replay", "source": "."}, "FolderSource", "Real"),
        ({"driver": "replay", "source": ".", "pace": "fast"}, "FolderSource", "Fast"),
    ],
)
def test_each_driver_makes_its_source(settings, source, pace):
    kinds = {"opencv": OpenCVCamera, "picamera2": PiCamera, "replay": ReplayCamera}
    camera = open_camera(kinds[settings["driver"]].model_validate(settings))
    assert type(camera._source).__name__ == source
    assert type(camera._pace).__name__ == pace
    assert camera.consumer_is_clock == (pace == "Fast")


def test_a_replay_by_its_settings_comes_out_the_same_twice(tmp_path):
    write_images(tmp_path / "walk", 4)
    settings = ReplayCamera(driver="replay", source=tmp_path / "walk", pace="fast", rate_hz=8)
    runs = [
        [(f.seq, f.t_s, f.image.tobytes()) for f in open_camera(settings).frames(threading.Event())]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 4

"""The contract of a Source, on each that this machine can open."""

from __future__ import annotations

import numpy as np
import pytest

from edged.camera.opencv import OpenCVSource, VideoFile, shown
from edged.camera.picamera import PiSource
from edged.camera.replay import FolderSource
from edged.config.schema import OpenCVCamera, PiCamera
from edged.errors import CameraEnded, CameraError
from tests.camera.conftest import HEIGHT, WIDTH, number_of, picture, write_images, write_video
from tests.camera.stream import Stream


@pytest.fixture
def stream():
    stream = Stream()
    yield stream
    stream.pull()


@pytest.fixture(params=["folder", "video", "stream"])
def source(request):
    if request.param == "stream":
        url = request.getfixturevalue("stream").url
        made = OpenCVSource(OpenCVCamera(driver="opencv", source=url, timeout_s=3))
    else:
        path = request.getfixturevalue(request.param)
        made = FolderSource(path) if request.param == "folder" else VideoFile(path)
    yield made
    made.close()


@pytest.fixture(params=["folder", "video", "looped video", "stream", "device", "picamera2"])
def absent(request, tmp_path):
    return {
        "folder": lambda: FolderSource(tmp_path / "absent"),
        "video": lambda: VideoFile(tmp_path / "absent.avi"),
        "looped video": lambda: VideoFile(tmp_path / "absent.avi", loop=True),
        "stream": lambda: OpenCVSource(
            OpenCVCamera(driver="opencv", source="rtsp://admin:hunter2@127.0.0.1:1/x", timeout_s=1)
        ),
        "device": lambda: OpenCVSource(OpenCVCamera(driver="opencv", source=97)),
        "picamera2": lambda: PiSource(PiCamera(driver="picamera2", number=7)),
    }[request.param]()


def first_image(source) -> np.ndarray:
    source.open()
    return source.read()


def read_on(source) -> None:
    """Read until the source gives up."""
    while True:
        source.read()


def test_images_are_bgr_bytes_that_belong_to_the_caller(source):
    source.open()
    first = source.read()
    kept = first.copy()
    second = source.read()
    assert first.shape == second.shape == (HEIGHT, WIDTH, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, kept)
    assert first is not second


def test_a_source_can_be_opened_again_after_close(source):
    for _ in range(2):
        source.open()
        assert source.read().shape == (HEIGHT, WIDTH, 3)
        source.close()
        source.close()


def test_opening_twice_starts_anew(source):
    source.open()
    first = number_of(source.read())
    source.open()
    assert number_of(source.read()) == first


def test_a_source_that_is_not_there_says_so_and_can_be_closed(absent):
    absent.close()
    with pytest.raises(CameraError) as fault:
        absent.open()
    assert not isinstance(fault.value, CameraEnded)
    assert "hunter2" not in str(fault.value)
    absent.close()
    absent.close()


def test_no_credentials_anywhere(stream, capfd, caplog):
    source = OpenCVSource(OpenCVCamera(driver="opencv", source=stream.url, timeout_s=1))
    source.open()
    source.read()
    assert "hunter2" not in source.describe()
    stream.pull()
    with pytest.raises(CameraError) as lost:
        read_on(source)
    source.close()
    with pytest.raises(CameraError) as gone:
        source.open()
    stream.plug()
    written = capfd.readouterr()
    for text in (str(lost.value), str(gone.value), written.out, written.err, caplog.text):
        assert "hunter2" not in text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (0, "/dev/video0"),
        ("2", "/dev/video2"),
        ("/dev/v4l/by-id/cam", "/dev/v4l/by-id/cam"),
        ("rtsp://u:p@10.0.0.5:554/user=a_password=p", "rtsp://10.0.0.5:554/…"),
        ("http://cam.local/video?pwd=p", "http://cam.local/…"),
        ("rtsp://u:p@host:notaport/x", "rtsp://…"),
        ("rtsp://u:p@[::1", "rtsp://…"),
    ],
)
def test_a_source_is_shown_without_what_may_be_secret(source, said):
    assert shown(source) == said


def test_a_device_that_does_not_exist_is_told_from_one_that_is_busy(tmp_path):
    with pytest.raises(CameraError, match="/dev/video97: does not exist"):
        OpenCVSource(OpenCVCamera(driver="opencv", source=97)).open()
    with pytest.raises(CameraError, match="/dev/null: cannot be opened"):
        OpenCVSource(OpenCVCamera(driver="opencv", source="/dev/null")).open()


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_a_recording_comes_in_order_and_ends(kind, request):
    path = request.getfixturevalue(kind)
    source = FolderSource(path) if kind == "folder" else VideoFile(path)
    source.open()
    assert [number_of(source.read()) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(CameraEnded, match="came to its end after 5"):
        source.read()
    source.close()


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_a_looped_recording_begins_again(kind, request):
    path = request.getfixturevalue(kind)
    make = FolderSource if kind == "folder" else VideoFile
    source = make(path, loop=True)
    source.open()
    assert [number_of(source.read()) for _ in range(12)] == [0, 1, 2, 3, 4] * 2 + [0, 1]
    source.close()


def test_a_video_that_holds_nothing_is_lost_not_ended(tmp_path):
    for contents in (b"", b"not a video" * 100, write_video(tmp_path / "v.avi").read_bytes()[:300]):
        path = tmp_path / "broken.avi"
        path.write_bytes(contents)
        for loop in (False, True):
            source = VideoFile(path, loop=loop)
            with pytest.raises(CameraError) as fault:
                first_image(source)
            assert not isinstance(fault.value, CameraEnded)
            source.close()


def test_images_come_in_natural_order_and_other_files_are_left_alone(tmp_path):
    import cv2

    for number in (10, 9, 1, 2):
        cv2.imwrite(str(tmp_path / f"f{number}.PNG"), picture(number))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "sub").mkdir()
    source = FolderSource(tmp_path)
    source.open()
    assert [number_of(source.read()) for _ in range(4)] == [1, 2, 9, 10]


def test_an_unreadable_image_is_reported_once_and_passed_over(folder, caplog):
    (folder / "frame2.png").write_bytes(b"\x89PNG broken")
    source = FolderSource(folder, loop=True)
    source.open()
    assert [number_of(source.read()) for _ in range(8)] == [0, 1, 3, 4] * 2
    assert caplog.text.count("frame2.png") == 1


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(CameraError, match="holds no image"):
        FolderSource(tmp_path).open()


def test_a_folder_without_one_readable_image_is_an_error(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    source = FolderSource(tmp_path, loop=True)
    source.open()
    with pytest.raises(CameraError, match="holds no image that can be read"):
        source.read()


def test_a_folder_that_is_taken_away_is_lost(folder, tmp_path):
    source = FolderSource(folder)
    source.open()
    source.read()
    folder.rename(tmp_path / "away")
    with pytest.raises(CameraError, match="is gone"):
        source.read()
    write_images(folder)
    source.open()
    assert number_of(source.read()) == 0


def test_a_source_that_is_not_open_says_so():
    for source in (
        OpenCVSource(OpenCVCamera(driver="opencv")),
        PiSource(PiCamera(driver="picamera2")),
    ):
        with pytest.raises(CameraError, match="is not open"):
            source.read()


def test_without_picamera2_the_error_says_how_to_get_it():
    try:
        import picamera2  # noqa: F401
    except ImportError:
        with pytest.raises(CameraError, match=r"python3-picamera2.*edged\[picamera\]"):
            PiSource(PiCamera(driver="picamera2")).open()
    else:
        pytest.skip("picamera2 is installed")


@pytest.mark.hardware
def test_a_raspberry_pi_camera_delivers():
    pytest.importorskip("picamera2", reason="needs a Raspberry Pi with a camera")
    source = PiSource(PiCamera(driver="picamera2"))
    source.open()
    assert source.read().shape == (480, 640, 3)
    source.close()

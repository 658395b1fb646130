"""OpenCV, told to be silent."""

import os

import cv2


def quiet() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr.

    What they write can hold a stream's password, and what matters comes as an error.
    """
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

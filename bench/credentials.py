"""Cards and PINs in a gallery of many, and what looking for codes costs the camera's picture.

    python -m bench.credentials [--people 50000] [--rounds 60] [--seconds 0.5] [--folder /var/tmp]

The frames are drawn beforehand: a face before the door, on half of them with a visitor's code.
Rounds with and without the reader of codes alternate within one run, so that a drifting machine
moves both; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from edged.access.token import PREFIX
from edged.config.schema import Model, Vision
from edged.demo import scenes
from edged.gallery.credentials import Credentials
from edged.gallery.people import Enrolment
from edged.gallery.profile import Profile, read_profile
from edged.gallery.store import Gallery
from edged.service.engine import Engine
from edged.service.qr_eye import QrEye, grey
from edged.service.qr_eye import decoder as codes_of
from edged.types import Frame
from edged.vault.secret import Secret
from tests.service.codes import held_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edged.types import Image

MODEL = "bench@1.0.0#000000000000"
SIZE = 128
AT_ONCE = 2000


def card(number: int) -> str:
    return str(10_000_000 + 7919 * number)


def fill(gallery: Gallery, people: int, *, cards: bool) -> None:
    rows = np.random.default_rng(0).standard_normal((people, SIZE)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for start in range(0, people, AT_ONCE):
        some = range(start, min(start + AT_ONCE, people))
        profiles = {f"p{n}": Profile(groups=("staff",), cards=(card(n),) * cards) for n in some}
        gallery.add_many(
            [Enrolment(f"p{n}", rows[n], MODEL, 0.9, "photo") for n in some],
            limit=1,
            profiles=profiles,
        )


def microseconds(call: Callable[[int], Any], times: int) -> dict[str, float]:
    taken = []
    for number in range(times):
        begun = time.perf_counter()
        call(number)
        taken.append(1e6 * (time.perf_counter() - begun))
    p50, p99 = np.percentile(taken, [50, 99])
    return {"least_us": round(min(taken)), "p50_us": round(float(p50)), "p99_us": round(float(p99))}


def of_gallery(folder: Path, people: int) -> Iterator[tuple[str, Any]]:
    key = Secret(os.urandom(32))
    opened: dict[bool, list[float]] = {True: [], False: []}
    galleries = {}
    for cards in (False, True):
        galleries[cards] = Gallery(folder / f"cards-{cards}.db", key)
        galleries[cards].open()
        fill(galleries[cards], people, cards=cards)
        galleries[cards].close()
    for _ in range(3):
        for cards, gallery in galleries.items():
            begun = time.perf_counter()
            gallery.open()
            gallery.index(MODEL, SIZE)
            opened[cards].append(time.perf_counter() - begun)
            gallery.close()
    yield "open_s", {f"cards {cards}": round(median(some), 2) for cards, some in opened.items()}
    gallery = galleries[True]
    gallery.open()
    credentials = Credentials(gallery)
    picks = np.random.default_rng(1).integers(0, people, 2000).tolist()
    gallery.change_profile(
        "p0", lambda p: p.model_copy(update={"pin": read_profile({"pin": "5093"}).pin})
    )
    for name, call, times in (
        ("a profile", lambda n: gallery.profile(f"p{picks[n]}"), 2000),
        ("holder of a card", lambda n: credentials.holder(card(picks[n])), 2000),
        ("an unknown card", lambda n: credentials.holder(str(n + 1)), 2000),
        ("a PIN", lambda _: credentials.check_pin("p0", "5093"), 100),
        ("a PIN of nobody", lambda _: credentials.check_pin("nobody", "5093"), 100),
    ):
        yield name, microseconds(call, times)
    gallery.close()


def frames() -> list[Image]:
    lobby = scenes.Lobby()
    plain = [lobby.draw(scenes.NEAR, number / 15) for number in range(8)]
    shown = [held_into(lobby.draw(scenes.EMPTY, n / 15), PREFIX + "BB8" * 90) for n in range(8)]
    return [image for pair in zip(plain, shown, strict=True) for image in pair]


def of_codes(rounds: int, seconds: float) -> Iterator[tuple[str, Any]]:
    drawn = frames()
    rates: dict[bool, list[float]] = {True: [], False: []}
    read: list[str] = []
    with Engine(Model(runtime="onnxruntime", threads=1), Vision()) as engine:
        for number in range(2 * rounds + 2):
            eye = QrEye(lambda reading: read.append(reading.kind)) if number % 2 else None
            if eye is not None:
                eye.open()
            vision = engine.vision()
            count, begun = 0, time.perf_counter()
            while (past := time.perf_counter() - begun) < seconds:
                frame = Frame(drawn[count % len(drawn)], past, count)
                if eye is not None:
                    eye.look(frame)
                vision.observe(frame, embed=True)
                count += 1
            if eye is not None:
                eye.close()
            if number > 1:  # the first of each warm the networks
                rates[eye is not None].append(count / past)
    without, with_codes = median(rates[False]), median(rates[True])
    yield "frames/s", {"without": round(without, 1), "with codes": round(with_codes, 1)}
    yield "ratio", round(with_codes / without, 3)
    yield "codes read", len(read)
    decode = codes_of()
    taken = []
    for image in drawn * 4:
        begun = time.thread_time()
        decode(grey(image))
        taken.append(1e3 * (time.thread_time() - begun))
    yield "CPU a look, ms", round(median(taken), 2)
    eye = QrEye(lambda _: None)
    yield "handing a frame over", microseconds(lambda n: eye.look(Frame(drawn[0], 0, n)), 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))  # noqa: S108
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for name, value in of_gallery(Path(folder), args.people):
            print(f"{name}: {value}", flush=True)
    for name, value in of_codes(args.rounds, args.seconds):
        print(f"{name}: {value}", flush=True)


if __name__ == "__main__":
    main()

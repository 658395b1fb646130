"""Print how fast an import of photos is, what it refuses, and where its time goes.

usage: python bench/bulk.py FOLDER [--workers 2] [--rounds 3] [--runtime auto] [--json]

FOLDER holds a sub-folder a person, such as photos-dev. Each round imports it whole into a fresh
gallery, one worker and many in turn; the networks are open before the clock starts. `CPU` is what
this process used an image, which others on the machine change less than the rate. Then the stages
of one worker's images are timed on their own.
"""

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edged.camera.images import decode_image, read_bytes
from edged.config.schema import Config
from edged.errors import ImageError, NoUsableFace
from edged.gallery.store import make_gallery
from edged.service.bulk import Import, Told
from edged.service.engine import Engine
from edged.service.ledger import Ledger
from edged.service.sources import Someone, read_source
from edged.service.workers import Workers
from edged.vault.secret import Secret


def configured(folder: Path, runtime: str) -> Config:
    return Config.model_validate(
        {
            "site": "bench",
            "terminal": "bench",
            "camera": {"driver": "replay", "source": str(folder)},
            "model": {"runtime": runtime},
            "key": {"file": str(folder / "key")},
            "gallery": {"path": str(folder / "gallery.db")},
            "door": {"driver": "simulated"},
        }
    )


def imported(workers: Workers, source: Path, runtime: str) -> tuple[Told, float, float]:
    """What came of one import, the seconds it took, and the CPU seconds of this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = configured(folder, runtime)
        gallery = make_gallery(config.gallery, Secret(secrets.token_bytes(32)))
        ledger = Ledger(folder / "report", workers.engine.identity)
        gallery.open()
        ledger.open()
        try:
            began_s, cpu_s = time.perf_counter(), time.process_time()
            people = read_source(source)
            told = Import(config, gallery, workers, ledger, given={}).run(people)
            return told, time.perf_counter() - began_s, time.process_time() - cpu_s
        finally:
            ledger.close()
            gallery.close()


def stages(engine: Engine, people: list[Someone], most: int) -> dict[str, float]:
    """Milliseconds an image of each stage, one after the other in one thread."""
    spent: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], Any]) -> Any:
        began_s = time.perf_counter()
        try:
            return work()
        finally:
            spent[stage] = spent.get(stage, 0.0) + time.perf_counter() - began_s

    paths = [photo.path for someone in people for photo in someone.photos][:most]
    for path in paths:
        data = timed("read", lambda path=path: read_bytes(path))
        try:
            image = timed("decode", lambda data=data: decode_image(data))
            timed("detect, align, embed", lambda image=image: engine.extract_each(image, 5))
            found = engine.extract(image)
            timed("of that embed", lambda chip=found.chip: engine.embedder.embed(chip))
        except (ImageError, NoUsableFace):
            continue
    return {stage: round(1000 * s / len(paths), 2) for stage, s in spent.items()}


def measure(source: Path, most: int, rounds: int, runtime: str) -> dict[str, Any]:
    config = configured(source, runtime)
    people = read_source(source)
    rates: dict[int, list[dict[str, float]]] = {number: [] for number in sorted({1, most})}
    for _ in range(rounds):
        for number, row in rates.items():
            with Workers(config, number) as workers:
                told, wall_s, cpu_s = imported(workers, source, runtime)
                row.append(
                    {
                        "images_s": round(told.done / wall_s, 1),
                        "cpu_ms": round(1000 * cpu_s / told.done, 1),
                    }
                )
                about = workers.engine.runner_info
    with Workers(config, 1) as workers:
        timed = stages(workers.engine, people, 200)
    return {
        "images": told.images,
        "people": told.people,
        "outcomes": dict(told.outcomes),
        "reasons": dict(told.reasons),
        "runtime": f"{about.runtime} {about.version} {about.device}",
        "workers": rates,
        "stages_ms": timed,
    }


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--runtime", default="auto")
parser.add_argument("--json", action="store_true")
args = parser.parse_args()
told = measure(args.folder, args.workers, args.rounds, args.runtime)
if args.json:
    print(json.dumps(told))
else:
    print(f"{told['images']} images of {told['people']} people, {told['runtime']}")
    print("  " + ", ".join(f"{count} {name}" for name, count in told["outcomes"].items()))
    print("  refused: " + ", ".join(f"{count} {name}" for name, count in told["reasons"].items()))
    for number, rows in told["workers"].items():
        rates = sorted(row["images_s"] for row in rows)
        cpu = sorted(row["cpu_ms"] for row in rows)
        print(f"  {number} worker(s): {rates} images/s, best {rates[-1]}; CPU {cpu[0]} ms an image")
    for stage, spent_ms in told["stages_ms"].items():
        print(f"  {stage:<22} {spent_ms:7.2f} ms an image")

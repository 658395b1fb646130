"""``edged bench``: what this machine can do, as ratios against the bare networks and memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.camera.images import read_image
from edged.cli.output import add_config, add_json, model_settings, positive
from edged.demo import scenes
from edged.errors import ImageError

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output
    from edged.types import Image


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument("--frames", type=positive, default=150, help="frames to run (default 150)")
    command.add_argument(
        "--images", type=Path, metavar="DIR", help="frames to use instead of the synthetic ones"
    )
    command.add_argument("--quick", action="store_true", help="leave out the daemon")
    add_config(command, required=False)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Print medians, 95th percentiles and ratios, all from one run."""
    from edged.bench.process import measure_process
    from edged.bench.search import measure_search
    from edged.bench.stages import measure_stages

    model, limits = model_settings(args)
    told: dict[str, Any] = {"stages": measure_stages(model, limits, _images(args))}
    told["search"] = [measure_search(192, count) for count in (10_000, 100_000)]
    if not args.quick:
        told["process"] = measure_process(model)
    output.result(told, _lines(told))
    return 0


def _images(args: argparse.Namespace) -> list[Image]:
    if args.images is None:
        lobby = scenes.Lobby()
        return [lobby.draw(scenes.NEAR, n / 15) for n in range(args.frames)]
    paths = sorted(p for p in args.images.rglob("*") if p.suffix.lower() in {".jpg", ".png"})
    if not paths:
        raise ImageError(f"{args.images}: no .jpg or .png in it; give a folder of frames")
    return [read_image(path) for path in paths[: args.frames]]


def _lines(told: dict[str, Any]) -> list[str]:
    stages = told["stages"]
    lines = [
        f"{stages['runtime']} on {stages['device']}, {stages['frames']} frames",
        "  step         p50 ms   p95 ms",
        *(
            f"  {name:<10} {row['p50_ms']:>8.2f} {row['p95_ms']:>8.2f}"
            for name, row in {**stages["stages"], "frame": stages["frame"]}.items()
        ),
        (
            f"  whole frame {stages['frame_mean_ms']:.2f} ms, bare networks "
            f"{stages['bare_mean_ms']:.2f} ms (means): ratio {stages['ratio']:.2f} (aim 1.3)"
        ),
    ]
    lines += [
        f"search {row['templates']:>7,} x {row['size']}: {row['p50_ms']:.2f} ms (p95 "
        f"{row['p95_ms']:.2f}); reading that memory once {row['read_once']['p50_ms']:.2f} ms: "
        f"ratio {row['ratio']:.2f}"
        for row in told["search"]
    ]
    if "process" in told:
        p = told["process"]
        lines.append(
            f"daemon: READY after {p['ready_s']:.1f} s (aim 3), {p['memory_mb']} MB resident "
            f"(aim 300), {p['idle_cpu_share_of_a_core']:.0%} of a core at 15 frames/s with nobody "
            "in view"
        )
    return lines

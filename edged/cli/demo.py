"""``edged demo [--camera SOURCE]``: the whole terminal at work, from nothing, in a minute."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.cli.output import BadUsage, add_json
from edged.demo.broker import running_broker
from edged.demo.story import Site, Story
from edged.demo.stream import CameraStream

if TYPE_CHECKING:
    import argparse

    from edged.cli.output import Output

_SYNTHETIC_PATIENCE_S = 20.0
_HUMAN_PATIENCE_S = 120.0


def add(command: argparse.ArgumentParser) -> None:
    """Its arguments."""
    command.add_argument(
        "--camera",
        metavar="SOURCE",
        help="a real camera (V4L2 number or path, RTSP or HTTP URL) instead of the synthetic one",
    )
    command.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the terminal's files and logs in this folder"
    )
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace, output: Output) -> int:
    """Run the story; EdgedError when it does not come true."""
    with ExitStack() as stack:
        if args.keep is not None:
            folder = args.keep
            try:
                folder.mkdir(parents=True, exist_ok=False)
            except OSError as fault:
                raise BadUsage(
                    f"--keep {folder}: {fault.strerror}; name a folder that can be made"
                ) from fault
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edged-demo-")))
        broker = stack.enter_context(running_broker(folder))
        show = None
        if args.camera is None:
            stream = stack.enter_context(CameraStream())
            camera: dict[str, Any] = {"driver": "opencv", "source": stream.url}
            show = stream.show
        else:
            source = int(args.camera) if args.camera.isdigit() else args.camera
            camera = {"driver": "opencv", "source": source}
        patience_s = _SYNTHETIC_PATIENCE_S if show else _HUMAN_PATIENCE_S
        story = Story(Site.make(folder, broker, camera), show, output.say, patience_s)
        told = story.run()
    output.result(told, [f"Done in {told['seconds']:.0f} s. The story came true."])
    return 0

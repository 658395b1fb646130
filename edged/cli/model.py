"""``edged model info | verify``: the bundle that is used, and whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edged.bundle.load import find_bundle, load_bundle
from edged.cli.output import add_config, add_json, model_settings
from edged.decision.policy import FPIR, Policy
from edged.service.engine import Engine

if TYPE_CHECKING:
    import argparse

    from edged.bundle.manifest import Recogniser
    from edged.cli.output import Output
    from edged.config.schema import Model


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("info", info, "what a bundle is, where it comes from and how it decides"),
        ("verify", verify, "check every digest, load the networks and run them"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("bundle", nargs="?", help="name of a shipped bundle, or a folder")
        add_config(action, required=False)
        add_json(action)
        action.set_defaults(run=run)


def _settings(args: argparse.Namespace) -> Model:
    model, _ = model_settings(args)
    return model.model_copy(update={"bundle": args.bundle}) if args.bundle else model


def info(args: argparse.Namespace, output: Output) -> int:
    """What the manifest says, and the door's thresholds that follow from it."""
    bundle = load_bundle(find_bundle(_settings(args).bundle))
    manifest = bundle.recogniser
    thresholds = {
        profile: {str(people): round(threshold(manifest, profile, people), 4) for people in _SIZES}
        for profile in FPIR
    }
    told = {
        "identity": bundle.identity,
        "folder": str(bundle.folder),
        "manifest": manifest.model_dump(mode="json", by_alias=True),
        "door_thresholds": thresholds,
    }
    shown = [
        bundle.identity,
        f"  in {bundle.folder}",
        f"  quality: {manifest.quality.meaning}",
        "  least similarity that opens the door, by gallery size:",
        "    people         " + "".join(f"{people:>9,}" for people in _SIZES),
        *(
            f"    {profile:<15}" + "".join(f"{value:>9.3f}" for value in row.values())
            for profile, row in thresholds.items()
        ),
        *(f"  {part.part}: {part.licence} ({part.source})" for part in manifest.licences),
    ]
    output.result(told, shown)
    return 0


_SIZES = (10, 100, 1_000, 10_000, 100_000)


def threshold(manifest: Recogniser, profile: str, people: int) -> float:
    """The similarity from which this profile opens the door to one of `people`."""
    rule = manifest.similarity.verification
    policy = Policy(manifest.similarity.risk, FPIR[profile], rule.same, rule.different, 0.0)
    return policy.thresholds(people).grant


def verify(args: argparse.Namespace, output: Output) -> int:
    """Check the digests, load every network, run it once on a grey image."""
    with Engine(_settings(args), model_settings(args)[1]) as engine:
        engine.warm_up(np.full((480, 640, 3), 128, np.uint8))
        ran = engine.runner_info
        told = {
            "identity": engine.identity,
            "ok": True,
            "runtime": ran.runtime,
            "version": ran.version,
            "device": ran.device,
            "reason": ran.reason,
        }
    output.result(
        told,
        [f"{told['identity']} is whole and runs", f"  {ran.runtime} {ran.version} on {ran.device}"],
    )
    return 0

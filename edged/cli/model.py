"""``edged model``: the bundle that is used, whether it is whole, and another in its place."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from edged.bundle.inspect import HINT, can_inspect, inspect, scaled_by_channel
from edged.bundle.load import find_bundle, load_bundle
from edged.bundle.trust import Trust
from edged.cli import importing, installing, model_move, signing
from edged.cli.output import add_config, add_json, model_settings
from edged.decision.policy import FPIR, Policy
from edged.service.trial import try_out

if TYPE_CHECKING:
    import argparse

    from edged.bundle.manifest import Recogniser
    from edged.bundle.selftest import Outcome
    from edged.cli.output import Output
    from edged.config.schema import Model


def add(command: argparse.ArgumentParser) -> None:
    """Its actions and their arguments."""
    actions = command.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("info", info, "what a bundle is, where it comes from and how it decides"),
        ("verify", verify, "check digests, signature and form of the networks; run its self-test"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("bundle", nargs="?", help="name of a bundle, or a folder")
        if name == "verify":
            action.add_argument(
                "--key",
                type=Path,
                action="append",
                default=[],
                metavar="FILE",
                help="trust this public key as well",
            )
        add_config(action, required=False)
        add_json(action)
        action.set_defaults(run=run)
    for part in (signing, installing, importing, model_move):
        part.add(actions)


def info(args: argparse.Namespace, output: Output) -> int:
    """What the manifest says, and the door's thresholds that follow from it."""
    settings, _ = model_settings(args)
    bundle = load_bundle(find_bundle(_name(args, settings), settings.store))
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
    """Digests, signature, the networks' form where onnx is installed; run all, and self-test."""
    settings, limits = model_settings(args)
    keys = (*settings.trusted_keys, *args.key)
    settings = settings.model_copy(update={"trusted_keys": keys})
    name = _name(args, settings)
    folder = find_bundle(name, settings.store)
    namesake = _namesake(name, folder)
    bundle = load_bundle(folder, Trust.of(settings))
    inspected = can_inspect()
    if inspected:
        inspect(bundle)
    by_channel = scaled_by_channel(bundle) if inspected else None
    trial = try_out(bundle, settings, limits)
    ran, test = trial.ran, trial.selftest
    told = {
        "identity": bundle.identity,
        "folder": str(folder),
        "namesake": namesake and str(namesake),
        "ok": True,
        "origin": bundle.origin,
        "runtime": ran.runtime,
        "version": ran.version,
        "device": ran.device,
        "reason": ran.reason,
        "selftest": test and asdict(test),
        "inspected": inspected,
        "activations_scaled_by_channel": by_channel,
        "hint": "" if inspected else HINT,
    }
    shown = [
        f"{bundle.identity} is whole and runs",
        f"  in {folder}",
        *([f"  NOT the folder {name} here; for that: ./{name}"] if namesake else []),
        f"  {bundle.origin}",
        f"  {ran.runtime} {ran.version} on {ran.device}",
        f"  {_of_selftest(test)}",
        f"  {_of_form(by_channel)}",
    ]
    output.result(told, shown)
    return 0


def _name(args: argparse.Namespace, settings: Model) -> str:
    """What was asked for, an empty name too: it is none, and not the configured one."""
    return str(settings.bundle if args.bundle is None else args.bundle)


def _namesake(name: str, folder: Path) -> Path | None:
    """A folder here that the name could mean as well."""
    here = Path(name).absolute()
    return here if here.is_dir() and here.resolve() != folder.resolve() else None


def _of_form(by_channel: int | None) -> str:
    if by_channel is None:
        return f"NOT checked: whether the networks' form suits every runtime; {HINT}"
    if by_channel:
        return (
            f"the networks' form suits onnxruntime and OpenVINO, NOT TensorRT: {by_channel} "
            "activations have a scale for each channel"
        )
    return "the networks' form suits every runtime"


def _of_selftest(test: Outcome | None) -> str:
    if test is None:
        return "no self-test in this bundle"
    return (
        f"self-test passed: {test.chips} crops, cosine {test.cosine:.4f} or more, "
        f"log variance off by {test.difference:.3f} at most"
    )

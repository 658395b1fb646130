"""What an imported bundle tells people about itself: every figure measured in this import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edged.evaluation.outputs import Agreement
    from edged.importer.calibration import Calibrated
    from edged.importer.score import Separation


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that an import measured.

    Attributes:
        score: what the network's score was found to be.
        agreement: INT8 beside float, on clean and damaged faces; None where it stays float.
        runtimes: by runtime, how far its answers are from the first one's: worst cosine, largest
            difference of a log variance; and median milliseconds for INT8 and float.
    """

    score: str
    separation: Separation
    separation_float: Separation
    agreement: Agreement | None
    calibrated: Calibrated
    runtimes: dict[str, dict[str, float]]
    left_out: int
    size_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        agreement = self.agreement
        return {
            "score": self.score,
            "auroc": _rounded(self.separation.auroc),
            "auroc_float": _rounded(self.separation_float.auroc),
            "int8": None
            if agreement is None
            else {
                "images": agreement.images,
                "mean_cosine": round(agreement.mean_cosine, 4),
                "worst_cosine": round(agreement.worst_cosine, 4),
                "rank_correlation": round(agreement.rank_correlation, 4),
            },
            "fnmr": {
                "1e-2": round(self.calibrated.fnmr[0], 4),
                "1e-4": round(self.calibrated.fnmr[1], 4),
            },
            "passed": {
                "clean": round(self.calibrated.passed[0], 4),
                "damaged": round(self.calibrated.passed[1], 4),
            },
            "calibration": self.calibrated.calibration,
            "quality_error": round(self.calibrated.error, 4),
            "runtimes": {name: _rounded(row) for name, row in self.runtimes.items()},
            "left_out": self.left_out,
            "size_bytes": self.size_bytes,
        }

    def lines(self) -> list[str]:
        """The same on one screen."""
        facts, curve = self.calibrated.calibration, self.calibrated.quality
        weakest = min(self.separation.auroc, key=self.separation.auroc.__getitem__)
        separation, genuine = self.separation, facts["genuine_comparisons"]
        people = f"people       {facts['people']} with {facts['images']} images"
        told = [
            f"score        {self.score}; AUROC damaged against clean {separation.mean:.3f}",
            f"  weakest    {separation.auroc[weakest]:.3f} ({weakest})",
            people + (f", {self.left_out} images left out" if self.left_out else ""),
            f"comparisons  {facts['impostor_comparisons']:,} impostor, {genuine:,} genuine",
            "missed       {:.1%} at FMR 1e-2, {:.1%} at FMR 1e-4".format(*self.calibrated.fnmr),
            f"quality      {curve['method']}, expected error {self.calibrated.error:.3f}",
        ]
        if self.agreement is not None:
            told.append(
                f"INT8         cosine to float {self.agreement.mean_cosine:.4f}, worst "
                f"{self.agreement.worst_cosine:.4f}; score's rank correlation "
                f"{self.agreement.rank_correlation:.4f}"
            )
        told.append(f"size         {self.size_bytes / 1e6:.1f} MB")
        for name, row in self.runtimes.items():
            speed = f", {row['speed']:.2f} × the float network's time" if "speed" in row else ""
            told.append(
                f"{name:<12} runs; cosine to the file's own {row['cosine']:.4f}, log variance off "
                f"by {row['difference']:.3f}{speed}"
            )
        return told


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def write_card(manifest: dict[str, Any], measured: Measured, origin: str) -> str:
    """The card in Markdown."""
    kinds = "\n".join(
        f"| {kind} | {value:.3f} |" for kind, value in measured.separation.auroc.items()
    )
    table = "\n".join(
        f"| {row['fmr']:.0e} | {row['similarity']:.4f} | {row['basis']} |"
        for row in manifest["similarity"]["false_match"]
    )
    proxy = (
        "\n**This network has no score of its own.** Its quality is made of the length of the "
        "embedding before it is normalised (`quality.source: embedding_norm`), which is blind to "
        "some kinds of bad views.\n"
        if manifest["quality"]["source"] == "embedding_norm"
        else ""
    )
    licence = manifest["licences"][0]["licence"]
    figures = "\n".join(f"    {line}" for line in measured.lines())
    return f"""\
# {manifest["name"]} {manifest["version"]}

Imported by edged from {origin}. Licence, as the importer states it: {licence}.
{proxy}
It does not detect presentation attacks: a photograph held before the camera is recognised like the
person on it.

## Measured

{figures}

Quality is {manifest["quality"]["meaning"]}.

| damage, middle of its range | AUROC against clean faces |
|---|---|
{kinds}

| FMR | similarity | basis |
|---|---|---|
{table}

## Limits

- Rows marked `extrapolated` are a fitted tail: too few comparisons support a count. Import again
  with more people before you rest a door on them.
- Thresholds and quality were fitted on the same people on which they are reported.
- The people were the importer's own; a table from other people is another table.
"""

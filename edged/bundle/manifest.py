"""What a model bundle says about itself: the strict form of ``manifest.yaml``."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    field_validator,
    model_validator,
)

from edged.types import QualityLevel, RiskPoint


def _real_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _plain_name(value: str) -> str:
    if value in {".", ".."} or "/" in value or "\\" in value or not value.isprintable():
        raise ValueError("must be the plain name of a file in the bundle's folder")
    return value


Number = Annotated[float, BeforeValidator(_real_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Cosine = Annotated[Number, Field(ge=-1, le=1)]
Count = Annotated[int, BeforeValidator(_real_number), Field(ge=0)]
Text = Annotated[str, Field(min_length=1, max_length=4000)]
FileName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_plain_name)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
BundleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Version = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([-+.][0-9A-Za-z.-]+)?$")]
Landmark = tuple[Positive, Positive]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Part):
    """How a chip becomes the network's input: ``(x - mean) * scale``, channels first."""

    name: Text
    width_px: Annotated[int, Field(ge=16, le=1024)]
    height_px: Annotated[int, Field(ge=16, le=1024)]
    colour: Literal["rgb", "bgr"]
    mean: Number
    scale: Positive


class Alignment(_Part):
    """Where the five landmarks lie in an aligned chip, px: left eye, right eye, nose, left and
    right mouth corner as seen in the image."""

    landmarks: tuple[Landmark, Landmark, Landmark, Landmark, Landmark]


class EmbeddingOutput(_Part):
    """The output that holds the embedding, (1, size), not normalised."""

    name: Text
    size: Annotated[int, Field(ge=8, le=4096)]


class LogVarianceOutput(_Part):
    """The output that holds the network's doubt, one number."""

    name: Text


class Outputs(_Part):
    """A recogniser's two outputs."""

    embedding: EmbeddingOutput
    log_variance: LogVarianceOutput

    @model_validator(mode="after")
    def _distinct(self) -> Outputs:
        if self.embedding.name == self.log_variance.name:
            raise ValueError("embedding and log_variance must be two outputs")
        return self


class Levels(_Part):
    """Lower bounds of the words for a quality; below ``fair`` is poor."""

    excellent: Share
    good: Share
    fair: Share

    @model_validator(mode="after")
    def _falling(self) -> Levels:
        if not self.excellent > self.good > self.fair:
            raise ValueError("must fall from excellent over good to fair")
        return self


class MinimumQuality(_Part):
    """The quality that a profile asks of a view, below which the similarity is ignored."""

    attendance: Share
    access: Share
    high_security: Share


class ReliabilityBand(_Part):
    """Held-out views whose quality lies from ``low`` to ``high``: what was promised, what held.

    ``promised`` is their mean quality, ``passed`` the share of their genuine comparisons that
    passed, ``interval`` its 95 % bounds.
    """

    low: Share
    high: Share
    views: Count
    promised: Share
    passed: Share
    interval: tuple[Share, Share]

    @model_validator(mode="after")
    def _ordered(self) -> ReliabilityBand:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        if self.interval[0] > self.interval[1]:
            raise ValueError("interval must rise")
        return self


class _Quality(_Part):
    """A log variance in, a probability out: what every way to calibrate has in common.

    ``source`` says what the log variance is: the network's own doubt, or, for a network that has
    none, a stand-in made of the length of its embedding.
    """

    source: Literal["network", "embedding_norm"] = "network"
    meaning: Text
    levels: Levels
    minimum: MinimumQuality
    expected_error: Share | None = None
    reliability: Annotated[tuple[ReliabilityBand, ...], Field(max_length=100)] = ()

    def level(self, quality: float) -> QualityLevel:
        """The word for a quality; poor for a NaN."""
        if quality >= self.levels.excellent:
            return QualityLevel.EXCELLENT
        if quality >= self.levels.good:
            return QualityLevel.GOOD
        if quality >= self.levels.fair:
            return QualityLevel.FAIR
        return QualityLevel.POOR


class LogisticQuality(_Quality):
    """``quality = 1 / (1 + exp(slope * (log_variance - midpoint)))``."""

    method: Literal["logistic"]
    midpoint: Number
    slope: Positive

    def quality(self, log_variance: float) -> float:
        """0–1, falling with the log variance; 0 for what is no number, which nobody can trust."""
        if not math.isfinite(log_variance):
            return 0.0
        exponent = self.slope * (log_variance - self.midpoint)
        if exponent > 0:  # so that the exponential never overflows
            shrunk = math.exp(-exponent)
            return shrunk / (1 + shrunk)
        return 1 / (1 + math.exp(exponent))


class IsotonicPoint(_Part):
    """One knot of the curve."""

    log_variance: Number
    quality: Share


class IsotonicQuality(_Quality):
    """Straight lines between knots that fall as the log variance rises; level beyond the ends."""

    method: Literal["isotonic"]
    points: Annotated[tuple[IsotonicPoint, ...], Field(min_length=2, max_length=1000)]

    @field_validator("points")
    @classmethod
    def _falling(cls, points: tuple[IsotonicPoint, ...]) -> tuple[IsotonicPoint, ...]:
        for number, (point, after) in enumerate(pairwise(points), 1):
            if after.log_variance <= point.log_variance or after.quality > point.quality:
                raise ValueError(
                    f"point {number} must have a lower log_variance than the one after it, and no "
                    f"lower quality (got {point.log_variance:g}, {point.quality:g}, then "
                    f"{after.log_variance:g}, {after.quality:g})"
                )
        if points[0].quality == points[-1].quality:
            raise ValueError("a level curve says nothing about any view")
        return points

    def quality(self, log_variance: float) -> float:
        """0–1, never rising with the log variance; 0 for what is no number."""
        if not math.isfinite(log_variance):
            return 0.0
        at = bisect_right(self.points, log_variance, key=lambda point: point.log_variance)
        if at == 0:
            return self.points[0].quality
        if at == len(self.points):
            return self.points[-1].quality
        left, right = self.points[at - 1], self.points[at]
        share = (log_variance - left.log_variance) / (right.log_variance - left.log_variance)
        return left.quality + share * (right.quality - left.quality)


Quality = Annotated[LogisticQuality | IsotonicQuality, Field(discriminator="method")]


class Verification(_Part):
    """1:1: same above ``same``, different below ``different``, doubtful between."""

    same: Cosine
    different: Cosine

    @model_validator(mode="after")
    def _ordered(self) -> Verification:
        if self.same <= self.different:
            raise ValueError("same must be above different")
        return self


class FalseMatch(_Part):
    """At ``similarity`` or above, at most a share ``fmr`` of impostor comparisons passes.

    ``interval`` holds the 95 % bounds of the similarity, people being the unit.
    """

    fmr: Annotated[Number, Field(gt=0, lt=1)]
    similarity: Cosine
    basis: Literal["measured", "extrapolated"]
    interval: tuple[Cosine, Cosine] | None = None

    @model_validator(mode="after")
    def _inside(self) -> FalseMatch:
        if self.interval and not self.interval[0] <= self.similarity <= self.interval[1]:
            raise ValueError(
                f"similarity {self.similarity:g} must lie within its interval "
                f"{self.interval[0]:g} to {self.interval[1]:g}"
            )
        return self


class Similarity(_Part):
    """What a similarity means."""

    verification: Verification
    false_match: Annotated[tuple[FalseMatch, ...], Field(min_length=2, max_length=1000)]

    @field_validator("false_match")
    @classmethod
    def _monotonic(cls, rows: tuple[FalseMatch, ...]) -> tuple[FalseMatch, ...]:
        for number, (row, after) in enumerate(pairwise(rows), 1):
            if after.fmr >= row.fmr or after.similarity <= row.similarity:
                raise ValueError(
                    f"row {number} must have a lower fmr and a higher similarity than the row "
                    f"before (got {row.fmr:g} at {row.similarity:g}, then {after.fmr:g} at "
                    f"{after.similarity:g})"
                )
        return rows

    @property
    def risk(self) -> tuple[RiskPoint, ...]:
        """The false-match table, falling fmr, rising similarity."""
        return tuple(RiskPoint(row.fmr, row.similarity) for row in self.false_match)


class Calibration(_Part):
    """What thresholds and quality were measured on."""

    data: Text
    people: Count
    images: Count
    impostor_comparisons: Count
    genuine_comparisons: Count
    split: Text


class Training(_Part):
    """What the network was trained on, and how."""

    data: Text
    people: Count
    images: Count
    recipe: Text
    seed: int


class Licence(_Part):
    """Under which terms a part may be used."""

    part: Text
    licence: Text
    source: Text


class Provenance(_Part):
    """Where a part came from, byte for byte."""

    part: Text
    source: Text
    sha256: Digest


class _Manifest(_Part):
    schema_: Annotated[Literal[1], Field(alias="schema")]
    name: BundleName
    version: Version
    files: Annotated[dict[FileName, Digest], Field(min_length=1)]
    licences: Annotated[tuple[Licence, ...], Field(min_length=1)]
    provenance: Annotated[tuple[Provenance, ...], Field(min_length=1)]
    notes: str = ""

    @field_validator("files")
    @classmethod
    def _others(cls, files: dict[str, str]) -> dict[str, str]:
        if not files.keys().isdisjoint({"manifest.yaml", "manifest.sig"}):
            raise ValueError("the manifest cannot list itself or its signature")
        return files


class Recogniser(_Manifest):
    """The manifest of a network that turns an aligned face into an embedding and a doubt."""

    kind: Literal["recogniser"]
    input: Input
    alignment: Alignment
    outputs: Outputs
    quality: Quality
    similarity: Similarity
    calibration: Calibration
    training: Training | None = None
    network: FileName
    selftest: FileName | None = None

    @property
    def network_files(self) -> dict[str, str]:
        """File name by role."""
        return {"network": self.network}

    @model_validator(mode="after")
    def _fits(self) -> Recogniser:
        if self.network not in self.files:
            raise ValueError(f"network {self.network} is not listed in files")
        if self.selftest is not None and self.selftest not in self.files:
            raise ValueError(f"selftest {self.selftest} is not listed in files")
        for x, y in self.alignment.landmarks:
            if x >= self.input.width_px or y >= self.input.height_px:
                raise ValueError("alignment.landmarks must lie inside the input")
        return self


class DetectorNetworks(_Part):
    """The three stages of an MTCNN."""

    pnet: FileName
    rnet: FileName
    onet: FileName


class Detector(_Manifest):
    """The manifest of the networks that find faces and their landmarks."""

    kind: Literal["detector"]
    networks: DetectorNetworks

    @property
    def network_files(self) -> dict[str, str]:
        """File name by role."""
        return dict(self.networks)

    @model_validator(mode="after")
    def _fits(self) -> Detector:
        for role, file in self.network_files.items():
            if file not in self.files:
                raise ValueError(f"networks.{role} {file} is not listed in files")
        return self


Manifest = Annotated[Recogniser | Detector, Field(discriminator="kind")]
MANIFEST: TypeAdapter[Recogniser | Detector] = TypeAdapter(Manifest)

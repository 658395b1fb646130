"""The report on one screen of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edged.evaluation.words import MEASURES, PROFILES, bounds, counts, number, percent, power

if TYPE_CHECKING:
    from collections.abc import Iterator

    Document = dict[str, Any]

_WORST_KINDS = 4
PROMISED_FMR = 1e-4


def summary(document: Document) -> list[str]:
    """At most some thirty lines."""
    return [
        *_head(document),
        *_matching(document),
        *_score(document),
        *_search(document),
        *_verification(document),
        *_reference(document),
        *(f"note       {note}" for note in document["notes"]),
    ]


def _head(document: Document) -> Iterator[str]:
    about, got, compared = (document[part] for part in ("protocol", "acquisition", "comparisons"))
    yield f"model      {about['bundle']}, {about['precision']}"
    yield f"run by     {about['runtime']} on {about['device']}; seed {about['seed']}"
    people = f" of {about['people']} people" if "people" in about else ""
    rate = got["failure_to_acquire"]
    yield (
        f"views      {got['views']:,}{people}; failed to acquire {counts(rate)} "
        f"({percent(rate['value'])}){_reasons(got)}"
    )
    yield (
        f"compared   {compared['genuine']:,} genuine, {compared['impostor']:,} impostor; "
        f"equal error rate {percent(_equal_error(document))}"
    )


def _reasons(got: Document) -> str:
    told = [f"{count} {why.replace('_', ' ')}" for why, count in got["by_reason"].items()]
    return f": {', '.join(told)}" if told else ""


def _equal_error(document: Document) -> float:
    point = document["equal_error"]
    return float(point["fmr"] + point["fnmr"]) / 2


def _matching(document: Document) -> Iterator[str]:
    yield "threshold  the bundle says   FMR measured (95 %)              FNMR measured (95 %)"
    for row in document["thresholds"]:
        if row["promised_fmr"] not in (1e-2, 1e-3, 1e-4, 1e-5):
            continue
        fmr = f"{power(row['fmr']['value'])} ({bounds(row['fmr'], power)})"
        fnmr = f"{percent(row['fnmr']['value'])} ({bounds(row['fnmr'])})"
        yield f"  {row['similarity']:.3f}    FMR {power(row['promised_fmr']):<11} {fmr:<32} {fnmr}"


def _score(document: Document) -> Iterator[str]:
    told = []
    for measure, curve in document["discard"]["curves"].items():
        at = {point["share"]: point["value"] for point in curve}
        if 0.2 in at:
            told.append(f"{MEASURES[measure].split(' (')[0]} {percent(at[0.2])}")
    curves = document["discard"]["curves"]
    if told and curves["score"]:
        start = percent(curves["score"][0]["value"])
        yield f"discard    FNMR {start}; without the worst 20 % by {', '.join(told)}"
    if "reliability" in document:
        error = document["reliability"]["undamaged"]["expected_error"]
        mixed = document.get("half_damaged", {}).get("reliability", {}).get("expected_error")
        if error is not None:
            yield f"quality    is off by {number(error)} on average as a probability" + (
                f"; {number(mixed)} with half of the views damaged" if mixed is not None else ""
            )
    if "damage" in document:
        rows = [r for r in document["damage"]["rows"] if r["level"] == "middle"]
        rows.sort(key=lambda row: row["auroc"]["score"])
        worst = ", ".join(f"{r['kind']} {r['auroc']['score']:.2f}" for r in rows[:_WORST_KINDS])
        mean = sum(row["auroc"]["score"] for row in rows) / max(len(rows), 1)
        yield f"damage     AUROC {mean:.2f} on average (middle level); least: {worst}"


def _search(document: Document) -> Iterator[str]:
    for found in document.get("identification", []):
        told = [
            f"{PROFILES[profile['name']]} {percent(profile['fpir']['value'])} / "
            f"{percent(profile['fnir']['value'])}"
            for profile in found["profiles"]
        ]
        yield f"1:{found['gallery']:<8} FPIR / FNIR: {'; '.join(told)}"


def _verification(document: Document) -> Iterator[str]:
    accuracy = document.get("accuracy")
    if accuracy:
        yield (
            f"accuracy   {percent(accuracy['mean'])} ± {percent(accuracy['standard_error'])} "
            f"(standard error) over {accuracy['folds']} folds"
        )
    for row in document.get("verification", []):
        if row["profile"] == "access":
            for kind in ("genuine", "impostor"):
                told = ", ".join(f"{count:,} {verdict}" for verdict, count in row[kind].items())
                yield f"1:1 rule   {kind}: {told} (access)"


def _reference(document: Document) -> Iterator[str]:
    found = document.get("reference")
    if not found:
        return
    alike = found["agreement"]
    yield (
        f"reference  cosine {alike['mean_cosine']:.4f} on average, {alike['worst_cosine']:.4f} at "
        f"worst; rank correlation of the score {alike['rank_correlation']:.4f}"
    )
    usual = [row for row in found["at_fmr"] if row["fmr"] == PROMISED_FMR]
    for row in usual or found["at_fmr"][-1:]:
        yield (
            f"           FNMR at FMR {power(row['fmr'])}: {percent(row['fnmr']['value'])}, "
            f"reference {percent(row['reference_fnmr']['value'])}"
        )

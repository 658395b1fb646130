"""The report's plots as SVG that takes its colours from the page, light or dark."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from edged.evaluation.words import MEASURES, PROFILES, ROUND_FMR, power

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    Document = dict[str, Any]

# Stand-ins that no one else uses; each becomes a colour of the page.
_INK, _FAINT = "#010203", "#010204"
_SERIES = ("#010205", "#010206", "#010207", "#010208", "#010209", "#01020a")
_VARIABLES = {_INK: "var(--ink)", _FAINT: "var(--faint)"} | {
    colour: f"var(--s{number})" for number, colour in enumerate(_SERIES, 1)
}
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)))
_LEAST_POINTS = 5
_MARKERS = ("o", "s", "^", "D", "v", "P")
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "savefig.transparent": True,
}


def _draw(name: str, paint: Callable[[Axes], None], size: tuple[float, float] = (5.4, 3.7)) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: Any = _STYLE | {"svg.hashsalt": name}
    with rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure.subplots())
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Several drawings share one page, and an id must be there once.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"(url\(|href=\")#", rf"\g<1>#{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg


def _line(axes: Axes, at: int, x: list[float], y: list[float], label: str, **more: Any) -> None:
    axes.plot(x, y, color=_SERIES[at], linestyle=_DASHES[at], label=label, **more)


def _shares(axes: Axes, which: str) -> None:
    from matplotlib.ticker import PercentFormatter

    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(PercentFormatter(1, decimals=None))


def det(document: Document) -> str:
    """FNMR against FMR, both logarithmic, with the bundle's own thresholds on it.

    Where hardly anybody is missed at any threshold, FNMR is drawn as it is.
    """
    points = [p for p in document["det"] if p["fmr"] > 0 and p["fnmr"] > 0]
    upright = "log" if len(points) >= _LEAST_POINTS else "linear"
    if upright == "linear":
        points = [p for p in document["det"] if p["fmr"] > 0]

    def paint(axes: Axes) -> None:
        _line(axes, 0, [p["fmr"] for p in points], [p["fnmr"] for p in points], "measured")
        marks = [
            (row["fmr"]["value"], row["fnmr"]["value"], row["promised_fmr"])
            for row in document["thresholds"]
            if row["fmr"]["value"] and row["fnmr"]["value"] and row["promised_fmr"] in ROUND_FMR
        ]
        if marks:
            label = "at the bundle's thresholds"
            x, y = [m[0] for m in marks], [m[1] for m in marks]
            axes.plot(x, y, "o", color=_SERIES[1], markersize=5, label=label)
        for fmr, fnmr, promised in marks:
            axes.annotate(
                power(promised),
                (fmr, fnmr),
                textcoords="offset points",
                xytext=(6, 4),
                fontsize=8,
            )
        axes.set(xscale="log", yscale=upright, xlabel="false match rate (FMR)")
        axes.set_ylabel("false non-match rate (FNMR)")
        _shares(axes, "y")
        axes.legend(loc="lower left")

    return _draw("det", paint)


def discard(name: str, curves: dict[str, list[dict[str, float]]]) -> str:
    """What remains of the FNMR as the worst views are discarded."""

    def paint(axes: Axes) -> None:
        for at, (measure, curve) in enumerate(curves.items()):
            x, y = [p["share"] for p in curve], [p["value"] for p in curve]
            _line(axes, at, x, y, MEASURES[measure])
        axes.set(xlabel="views discarded, worst first", ylabel="FNMR of those left", xlim=(0, 0.5))
        axes.set_ylim(bottom=0)
        _shares(axes, "x")
        _shares(axes, "y")
        axes.legend()

    return _draw(name, paint)


def reliability(document: Document) -> str:
    """What quality promised against what passed."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1.2, label="kept promise")
        series = [("views as they are", document["reliability"]["undamaged"])]
        if "half_damaged" in document:
            series.append(("half of them damaged", document["half_damaged"]["reliability"]))
        for at, (label, found) in enumerate(series):
            bands = [b for b in found["bands"] if b["passed"] is not None and b["views"] >= 5]
            x, y = [b["promised"] for b in bands], [b["passed"] for b in bands]
            low = [max(0.0, b["passed"] - (b["passed_low"] or 0)) for b in bands]
            high = [max(0.0, (b["passed_high"] or 0) - b["passed"]) for b in bands]
            axes.errorbar(
                x,
                y,
                [low, high],
                color=_SERIES[at],
                linestyle=_DASHES[at],
                marker=_MARKERS[at],
                markersize=4.5,
                capsize=2.5,
                linewidth=1.3,
                label=label,
            )
        axes.set(xlabel="promised (mean quality of the band)", xlim=(0, 1.02), ylim=(0, 1.02))
        axes.set_ylabel("genuine comparisons that passed")
        _shares(axes, "x")
        _shares(axes, "y")
        axes.legend(loc="upper left")

    return _draw("reliability", paint)


def damage(document: Document) -> str:
    """AUROC of the score by kind and level, with the norm's beside it."""
    rows = document["damage"]["rows"]
    levels = list(document["damage"]["levels"])
    kinds = list(dict.fromkeys(row["kind"] for row in rows))

    def paint(axes: Axes) -> None:
        for at, level in enumerate(levels):
            here = [row for row in rows if row["level"] == level]
            y = [kinds.index(row["kind"]) for row in here]
            marker, colour = _MARKERS[at], _SERIES[at]
            score = [row["auroc"]["score"] for row in here]
            norm = [row["auroc"]["norm"] for row in here]
            axes.plot(score, y, marker, color=colour, markersize=5.5, label=f"score, {level}")
            axes.plot(
                norm,
                y,
                marker,
                color=colour,
                markersize=5.5,
                fillstyle="none",
                alpha=0.75,
                label=f"norm, {level}",
            )
        axes.axvline(0.5, color=_INK, linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(kinds)), kinds)
        axes.invert_yaxis()
        axes.set_xlabel("AUROC: damaged against undamaged views (0.5: blind, 1: never wrong)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.09), ncols=3, fontsize=8.5)

    return _draw("damage", paint, (7.4, 1.7 + 0.24 * len(kinds)))


def identification(document: Document) -> str:
    """FNIR against FPIR by gallery size, with what the door's profiles give."""

    def paint(axes: Axes) -> None:
        for at, found in enumerate(document["identification"][: len(_SERIES)]):
            curve = found["curve"]
            x, y = [p["fpir"] for p in curve], [p["fnir"] for p in curve]
            _line(axes, at, x, y, f"{found['gallery']} people enrolled")
            for mark, profile in zip(_MARKERS, found["profiles"], strict=False):
                if profile["fpir"]["value"] and profile["fnir"]["value"] is not None:
                    axes.plot(
                        profile["fpir"]["value"],
                        profile["fnir"]["value"],
                        mark,
                        color=_SERIES[at],
                        markersize=6,
                    )
        for mark, profile in zip(_MARKERS, PROFILES.values(), strict=False):
            axes.plot([], [], mark, color=_INK, markersize=6, label=f"door: {profile}")
        axes.set(xscale="log", xlabel="strangers taken for somebody (FPIR)")
        axes.set_ylabel("enrolled people missed (FNIR)")
        axes.set_ylim(bottom=0)
        _shares(axes, "y")
        axes.legend(fontsize=8.5)

    return _draw("identification", paint)

"""Charts as SVG, written by hand: the same figures give the same bytes, so a diff shows what was measured anew."""

from __future__ import annotations

from html import escape
from typing import Any

WIDTH = 720
_LEFT, _RIGHT, _TOP, _ROW = 220, 110, 44, 30
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.title{font-weight:600}.bar{fill:#3e7cb1}"
    ".range{stroke:#1f2933;stroke-width:1.5}.target{stroke:#b4432f;stroke-width:1.5;stroke-dasharray:5 4}"
    ".paper{fill:#fff}.said{fill:#b4432f}"
)


def svg(chart: dict[str, Any]) -> str:
    """Return the picture of a chart, given as in the file of figures."""
    bars, target, unit = chart["bars"], chart["target"], chart["unit"]
    height = _TOP + _ROW * len(bars) + (30 if target is not None else 12)
    most = max([one["spread"]["most"] for one in bars] + ([target] if target is not None else []))
    scale = (WIDTH - _LEFT - _RIGHT) / (most or 1.0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(chart["title"])}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="12" y="24">{escape(chart["title"])}</text>',
    ]
    for place, bar in enumerate(bars):
        lines += _bar(bar, _TOP + _ROW * place, scale, unit)
    if target is not None:
        lines += _target(target, _TOP + _ROW * len(bars), scale, unit)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bar(bar: dict[str, Any], top: int, scale: float, unit: str) -> list[str]:
    spread = bar["spread"]
    width, middle = spread["median"] * scale, top + _ROW // 2
    least, most = _LEFT + spread["least"] * scale, _LEFT + spread["most"] * scale
    return [
        f'<text x="{_LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(bar["name"])}</text>',
        f'<rect class="bar" x="{_LEFT}" y="{top + 5}" width="{width:.1f}" height="{_ROW - 10}"/>',
        f'<path class="range" d="M{least:.1f} {middle}H{most:.1f}'
        f'M{least:.1f} {middle - 4}v8M{most:.1f} {middle - 4}v8"/>',
        f'<text x="{max(most, _LEFT + width) + 8:.1f}" y="{middle + 4}">{spread["median"]:.3g} {escape(unit)}</text>',
    ]


def _target(target: float, bottom: int, scale: float, unit: str) -> list[str]:
    place = _LEFT + target * scale
    return [
        f'<path class="target" d="M{place:.1f} {_TOP}V{bottom + 4}"/>',
        f'<text class="said" x="{place:.1f}" y="{bottom + 20}" text-anchor="middle">'
        f"target {target:g} {escape(unit)}</text>",
    ]

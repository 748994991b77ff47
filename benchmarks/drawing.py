"""Charts as SVG, written by hand: the same figures give the same bytes, so a diff shows what was measured anew.

A picture follows the reader's light or dark, and each of its colours is named beside it.
"""

from __future__ import annotations

from html import escape
from typing import Any

WIDTH = 760
_LEFT, _TOP, _ROW = 260, 44, 28
_LETTER = 7.5
"""Width of one letter, about. The room right of the bars is that of the longest text behind one."""
_LIGHT = ("#3e7cb1", "#81a4cd", "#2f5d50", "#8fb996", "#8a6d9e", "#c9a227")
_DARK = ("#6aa9dd", "#a9c4e4", "#5fae98", "#b5d8ba", "#b79acb", "#e3c65b")
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.title{font-weight:600}.small{font-size:12px}"
    ".range{stroke:#1f2933;stroke-width:1.5;fill:none}"
    ".target{stroke:#b4432f;stroke-width:1.5;stroke-dasharray:5 4}.paper{fill:#fff}"
    ".said,.wrong{fill:#b4432f}.value{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}"
    + "".join(f".p{place}{{fill:{colour}}}" for place, colour in enumerate(_LIGHT))
    + "@media(prefers-color-scheme:dark){text{fill:#e6e9ed}.paper{fill:#14181d}.range{stroke:#e6e9ed}"
    ".target{stroke:#ff8a73}.said,.wrong{fill:#ff8a73}.value{stroke:#14181d}"
    + "".join(f".p{place}{{fill:{colour}}}" for place, colour in enumerate(_DARK))
    + "}"
)


def svg(chart: dict[str, Any]) -> str:
    """Return the picture of a chart, given as in the file of figures."""
    bars, target, unit = chart["bars"], chart["target"], chart["unit"]
    # By name, so that a part has the same colour in every chart that has the same ones.
    parts = sorted({name for one in bars for name in one["parts"]})
    bottom = _TOP + _ROW * len(bars)
    height = bottom + (30 if target is not None else 12) + (24 if parts else 0)
    most = max([one["spread"]["most"] for one in bars] + ([target] if target is not None else []))
    room = max(len(_said(one, unit)) for one in bars) * _LETTER + 16
    scale = (WIDTH - _LEFT - room) / (most or 1.0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(chart["title"])}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="12" y="24">{escape(chart["title"])}</text>',
    ]
    for place, bar in enumerate(bars):
        lines += _bar(bar, parts, _TOP + _ROW * place, scale)
    if target is not None:
        lines += _target(target, bottom, scale, unit)
    lines += [_value(bar, _TOP + _ROW * place, scale, unit) for place, bar in enumerate(bars)]
    lines += _legend(parts, height - 12)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bar(bar: dict[str, Any], parts: list[str], top: int, scale: float) -> list[str]:
    spread, middle = bar["spread"], top + _ROW // 2
    least, most = _LEFT + spread["least"] * scale, _LEFT + spread["most"] * scale
    lines = [f'<text x="{_LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(bar["name"])}</text>']
    end = float(_LEFT)
    for name, value in sorted(bar["parts"].items()) or [("", spread["median"])]:
        colour = "wrong" if bar["is_wrong"] else f"p{parts.index(name) % len(_LIGHT) if name else 0}"
        lines.append(_piece(colour, end, top, value * scale))
        end += value * scale
    if spread["rounds"] > 1:
        lines.append(
            f'<path class="range" d="M{least:.1f} {middle}H{most:.1f}'
            f'M{least:.1f} {middle - 4}v8M{most:.1f} {middle - 4}v8"/>'
        )
    return lines


def _value(bar: dict[str, Any], top: int, scale: float, unit: str) -> str:
    """Return what stands behind a bar: above everything, so that no line strikes it out."""
    end = _LEFT + max(bar["spread"]["most"], sum(bar["parts"].values())) * scale
    return (
        f'<text class="value" x="{end + 8:.1f}" y="{top + _ROW // 2 + 4}">{escape(_said(bar, unit))}</text>'
    )


def _said(bar: dict[str, Any], unit: str) -> str:
    return bar["said"] or f"{_number(bar['spread']['median'])} {unit}".rstrip()


def _piece(colour: str, left: float, top: int, width: float) -> str:
    return f'<rect class="{colour}" x="{left:.1f}" y="{top + 5}" width="{width:.1f}" height="{_ROW - 10}"/>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _target(target: float, bottom: int, scale: float, unit: str) -> list[str]:
    place = _LEFT + target * scale
    return [
        f'<path class="target" d="M{place:.1f} {_TOP}V{bottom + 4}"/>',
        f'<text class="said" x="{place:.1f}" y="{bottom + 20}" text-anchor="middle">'
        f"target {_number(target)} {escape(unit)}</text>",
    ]


def _legend(parts: list[str], baseline: int) -> list[str]:
    lines, left = [], 12
    for place, name in enumerate(parts):
        lines += [
            f'<rect class="p{place % len(_LIGHT)}" x="{left}" y="{baseline - 10}" width="12" height="12"/>',
            f'<text class="small" x="{left + 18}" y="{baseline}">{escape(name)}</text>',
        ]
        left += 34 + 8 * len(name)
    return lines

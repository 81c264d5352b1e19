"""Plots as SVG written by hand: a browser and a code host show them, and nothing has to be installed. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 820
LEFT: Final = 300  # room for labels
RIGHT: Final = 110  # room for values
BAR: Final = 20
GAP: Final = 9
TOP: Final = 58
PLOT_HEIGHT: Final = 260
LEGEND: Final = 200  # a name of a series has so much room
COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#9333ea", "#475569")
GOOD, BAD = "#059669", "#dc2626"
_STYLE: Final = (
    "<style>text{font:13px system-ui,-apple-system,'Segoe UI','Noto Sans CJK SC',sans-serif;fill:#0f172a}"
    ".title{font-weight:600;font-size:15px}.soft{fill:#64748b}</style>"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `mark` draws a goal across it."""

    label: str
    value: float
    text: str
    colour: str = COLOURS[0]
    mark: float | None = None


def bars(title: str, shown: Sequence[Bar], *, note: str = "") -> str:
    """Horizontal bars, the longest as wide as there is room."""
    longest = max([each.value for each in shown] + [each.mark or 0.0 for each in shown] + [1e-9])
    scale = (WIDTH - LEFT - RIGHT) / longest
    parts, at = [], TOP
    for each in shown:
        parts.append(_text(LEFT - 8, at + BAR - 5, each.label, "end"))
        width = max(1.0, each.value * scale)
        parts.append(
            f'<rect x="{LEFT}" y="{at}" width="{width:.1f}" height="{BAR}" rx="2" fill="{each.colour}"/>'
        )
        parts.append(_text(LEFT + max(width, (each.mark or 0) * scale) + 8, at + BAR - 5, each.text))
        if each.mark is not None:
            place = LEFT + each.mark * scale
            parts.append(
                f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{at - 3}" y2="{at + BAR + 3}" '
                'stroke="#0f172a" stroke-width="2"/>'
            )
        at += BAR + GAP
    return _page(title, parts, at + 8, note)


def lines(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    across: str,
    up: str,
    level: float | None = None,
    ticks: Sequence[tuple[float, str]] = (),
) -> str:
    """Points joined, one colour a series; `level` is drawn across as what should be reached."""
    points = [point for each in series.values() for point in each]
    most_x = max([x for x, _ in points] + [1e-9])
    most_y = rounded(max([y for _, y in points] + [level or 0.0, 1e-9]))
    plot = _Plot(most_x, most_y)
    parts = plot.frame(up, across, ticks or [(n * 10, str(n * 10)) for n in range(int(most_x) // 10 + 1)])
    if level is not None:
        height = plot.y(level)
        parts.append(
            f'<line x1="{plot.left}" x2="{plot.right}" y1="{height:.1f}" y2="{height:.1f}" '
            'stroke="#64748b" stroke-dasharray="5 4"/>'
        )
    for number, (name, each) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in each)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        legend = plot.left + number * LEGEND
        parts.append(
            f'<rect x="{legend}" y="{TOP + PLOT_HEIGHT + 28}" width="12" height="12" fill="{colour}"/>'
        )
        parts.append(_text(legend + 18, TOP + PLOT_HEIGHT + 38, name))
    return _page(title, parts, TOP + PLOT_HEIGHT + 50)


@dataclass(frozen=True, slots=True)
class _Plot:
    most_x: float
    most_y: float
    left: int = 80
    right: int = WIDTH - 20

    def x(self, value: float) -> float:
        return self.left + (self.right - self.left) * value / self.most_x

    def y(self, value: float) -> float:
        return TOP + PLOT_HEIGHT * (1 - value / self.most_y)

    def frame(self, up: str, across: str, ticks: Sequence[tuple[float, str]]) -> list[str]:
        bottom = TOP + PLOT_HEIGHT
        parts = [_text(self.left, TOP - 8, up), _text(self.right, bottom + 38, across, "end")]
        for number in range(5):
            value = self.most_y * number / 4
            parts.append(_text(self.left - 8, self.y(value) + 4, _short(value), "end"))
            parts.append(
                f'<line x1="{self.left}" x2="{self.right}" y1="{self.y(value):.1f}" y2="{self.y(value):.1f}" '
                'stroke="#e2e8f0"/>'
            )
        parts += [_text(self.x(value), bottom + 18, text, "middle") for value, text in ticks]
        return parts


def rounded(value: float) -> float:
    """The next number that is easy to divide by four: 4, 8, 12, 20 or 40, times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(each * power / 10 for each in (4, 8, 12, 20, 40, 80, 120) if each * power / 10 >= value)


def _short(value: float) -> str:
    return f"{value / 1000:.3g} k" if value >= 1000 else f"{value:.3g}"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _page(title: str, parts: Sequence[str], height: int, note: str = "") -> str:
    tail = f'<text class="soft" x="12" y="{height + 12}">{escape(note)}</text>' if note else ""
    whole = height + (24 if note else 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole}" width="{WIDTH}" height="{whole}" '
        f'role="img" aria-label="{escape(title)}">{_STYLE}<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text class="title" x="12" y="24">{escape(title)}</text>{"".join(parts)}{tail}</svg>\n'
    )

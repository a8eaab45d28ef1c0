"""Curves and columns, as SVG that is read on light and on dark pages."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

__all__ = ["columns", "curves"]

WIDTH: Final = 720
HEIGHT: Final = 360
LEFT: Final = 70
RIGHT: Final = 170
TOP: Final = 40
BOTTOM: Final = 50
COLOURS: Final = ("#d90", "#8ab", "#7a5", "#c66", "#a7c")

PAGE: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>text {{ font: 13px sans-serif; fill: #777 }} .title {{ font-weight: bold }}</style>
<text class="title" x="0" y="18">{title}</text>
{drawn}
</svg>
"""

Points = Sequence[tuple[float, float]]


def curves(title: str, x_says: str, y_says: str, series: Mapping[str, Points]) -> str:
    """Return curves on two logarithmic axes; a curve of one point is a point."""
    xs = _ticks([x for points in series.values() for x, _ in points])
    ys = _ticks([y for points in series.values() for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / xs[0]) / math.log(xs[-1] / xs[0])
        up = math.log(y / ys[0]) / math.log(ys[-1] / ys[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (
            HEIGHT - TOP - BOTTOM
        )

    drawn = [_axis_text(place(x, ys[0])[0], HEIGHT - BOTTOM + 18, x) for x in xs]
    drawn += [_axis_text(LEFT - 24, place(xs[0], y)[1] + 4, y) for y in ys]
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(x, y) for x, y in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        if len(places) > 1:
            drawn.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
            )
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        drawn += _legend(number, name, colour)
    return _page(title, [*drawn, *_labels(x_says, y_says)])


def columns(title: str, x_says: str, y_says: str, counts: Mapping[str, int]) -> str:
    """Return a column for each count, as high as its logarithm."""
    most = max(counts.values(), default=1)
    step = (WIDTH - LEFT) / max(len(counts), 1)
    drawn: list[str] = []
    for number, (label, count) in enumerate(counts.items()):
        height = math.log1p(count) / math.log1p(most) * (HEIGHT - TOP - BOTTOM)
        x, top = LEFT + number * step, HEIGHT - BOTTOM - height
        drawn += [
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{0.8 * step:.1f}" height="{height:.1f}" '
            f'fill="{COLOURS[0]}"/>',
            _text(x + 0.4 * step, HEIGHT - BOTTOM + 18, label),
            _text(x + 0.4 * step, top - 6, f"{count:,}"),
        ]
    return _page(title, [*drawn, *_labels(x_says, y_says)])


def _ticks(values: Sequence[float]) -> list[float]:
    """Return powers of two, or of eight where they would be many, from below to above."""
    least, most = math.floor(math.log2(min(values))), math.ceil(math.log2(max(values)))
    stride = 1 if most - least <= 8 else 3
    return [2.0**power for power in range(least, max(most, least + 1) + stride, stride)]


def _labels(x_says: str, y_says: str) -> list[str]:
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    return [_text(middle, HEIGHT - 8, x_says), f'<text x="0" y="36">{escape(y_says)}</text>']


def _legend(number: int, name: str, colour: str) -> list[str]:
    y = TOP + 20 * number
    return [
        f'<circle cx="{WIDTH - RIGHT + 16}" cy="{y}" r="4" fill="{colour}"/>',
        f'<text x="{WIDTH - RIGHT + 26}" y="{y + 4}">{escape(name)}</text>',
    ]


def _axis_text(x: float, y: float, value: float) -> str:
    return _text(x, y, f"{value:,.0f}" if value >= 1 else f"{value:.2g}")


def _text(x: float, y: float, said: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(said)}</text>'


def _page(title: str, drawn: Sequence[str]) -> str:
    return PAGE.format(width=WIDTH, height=HEIGHT, title=escape(title), drawn="\n".join(drawn))

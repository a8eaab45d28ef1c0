"""Bars, as SVG that is read on light and on dark pages."""

from collections.abc import Mapping
from html import escape
from typing import Final

from hive_bench.figures import Spread, short

__all__ = ["bars"]

WIDTH: Final = 720
LABELS: Final = 150
FIGURES: Final = 190
BAR: Final = 18
STEP: Final = 30
TOP: Final = 40

PAGE: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>text {{ font: 13px sans-serif; fill: #777 }} .title {{ font-weight: bold }}</style>
<text class="title" x="0" y="18">{title}</text>
{bars}
</svg>
"""

ONE: Final = """\
<text x="{labels_end}" y="{middle}" text-anchor="end" dominant-baseline="central">{label}</text>
<rect x="{left}" y="{top}" width="{length:.1f}" height="{bar}" fill="{colour}"/>
<path d="M {least:.1f} {middle} H {most:.1f}" stroke="#777" stroke-width="2"/>
<text x="{figure}" y="{middle}" dominant-baseline="central">{value}</text>"""


def bars(title: str, spreads: Mapping[str, Spread]) -> str:
    """Return bars as long as medians, each with a line from its least to its most."""
    longest = max((spread.most for spread in spreads.values()), default=1.0) or 1.0
    pixels = (WIDTH - LABELS - FIGURES) / longest
    drawn = [
        ONE.format(
            labels_end=LABELS - 8,
            left=LABELS,
            top=TOP + STEP * place,
            middle=TOP + STEP * place + BAR / 2,
            bar=BAR,
            length=spread.median * pixels,
            least=LABELS + spread.least * pixels,
            most=LABELS + spread.most * pixels,
            figure=LABELS + longest * pixels + 10,
            colour="#d90" if label.startswith("Hive") else "#8ab",
            label=escape(label),
            value=short(spread.median),
        )
        for place, (label, spread) in enumerate(spreads.items())
    ]
    height = TOP + STEP * len(spreads)
    return PAGE.format(width=WIDTH, height=height, title=escape(title), bars="\n".join(drawn))

"""Line charts for the notebook of module 14: SVG, drawn with nothing but Python."""

from collections.abc import Mapping, Sequence

COLOURS = ("#1f6f8b", "#c8553d", "#5b8c5a", "#8e6c8a")
LEFT, TOP, WIDTH, HEIGHT, RIGHT, BOTTOM = 46, 14, 560, 170, 150, 34


class Chart:
    """Curves over time; draws itself in Jupyter.

    Args:
        title: what stands above it.
        curves: a name and a value for each second.
        top: the largest value that is shown.
        bands: (first second, last second, text) of times that are shaded.
        unit: what a value is.
    """

    def __init__(
        self,
        title: str,
        curves: Mapping[str, Sequence[float]],
        *,
        top: float,
        bands: Sequence[tuple[float, float, str]] = (),
        unit: str = "a second",
    ) -> None:
        self.title, self.curves, self.top, self.bands, self.unit = title, curves, top, bands, unit
        self.seconds = max(len(values) for values in curves.values())

    def x(self, second: float) -> float:
        return LEFT + WIDTH * second / self.seconds

    def y(self, value: float) -> float:
        return TOP + 18 + HEIGHT * (1 - min(value, self.top) / self.top)

    def _repr_svg_(self) -> str:
        foot = self.y(0)
        size = f'width="{LEFT + WIDTH + RIGHT}" height="{TOP + HEIGHT + 18 + BOTTOM}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" '
            'font-size="12" fill="#333" role="img">',
            f"<title>{self.title}</title>",
            f'<text x="{LEFT}" y="{TOP}" font-weight="bold">{self.title}</text>',
        ]
        for begin, end, text in self.bands:
            parts.append(
                f'<rect x="{self.x(begin):.1f}" y="{self.y(self.top):.1f}" fill="#f2dfd7" '
                f'width="{self.x(end) - self.x(begin):.1f}" height="{HEIGHT}"/>'
                f'<text x="{self.x(begin) + 4:.1f}" y="{self.y(self.top) + 13:.1f}">{text}</text>'
            )
        for part in range(5):
            value = self.top * part / 4
            parts.append(
                f'<path d="M{LEFT} {self.y(value):.1f}h{WIDTH}" stroke="#ddd"/>'
                f'<text x="{LEFT - 6}" y="{self.y(value) + 4:.1f}" text-anchor="end">'
                f"{value:g}</text>"
            )
        for part in range(7):
            second = self.seconds * part / 6
            parts.append(
                f'<text x="{self.x(second):.1f}" y="{foot + 16:.1f}" text-anchor="middle">'
                f"{second:.0f} s</text>"
            )
        for number, (name, values) in enumerate(self.curves.items()):
            points = " ".join(f"{self.x(s):.1f},{self.y(v):.1f}" for s, v in enumerate(values))
            colour, at = COLOURS[number % len(COLOURS)], TOP + 30 + 18 * number
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
                f'<text x="{LEFT + WIDTH + 12}" y="{at}" fill="{colour}">{name}</text>'
            )
        parts.append(f'<text x="{LEFT + WIDTH + 12}" y="{foot:.1f}">{self.unit}</text></svg>')
        return "".join(parts)

    def __repr__(self) -> str:
        return f"<Chart: {self.title}>"


def per_second(moments: Sequence[float], seconds: int) -> list[float]:
    """How many of these moments lie in each second."""
    counts = [0.0] * seconds
    for moment in moments:
        if 0 <= moment < seconds:
            counts[int(moment)] += 1
    return counts

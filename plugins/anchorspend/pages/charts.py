"""The few kinds of charts, in one style. Words stand in the drawing or in its key, so colour is never alone.

Colours are written as in light mode; the style sheet replaces each by its dark one (`colours`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import altair as alt

from anchorspend.pages import formats
from anchorspend.pages.parts import Drawing

WIDTHS = {"wide": 720, "narrow": 330}
"""Every chart is drawn twice, in pixels: its letters stay readable on a telephone."""

COLOURS = {
    "ink": ("#17212b", "#e7ecf1"),
    "quiet": ("#4a5763", "#b0bbc6"),
    "rule": ("#d3dae0", "#37434e"),
    "paper": ("#ffffff", "#12181e"),
    "one_deep": ("#0f3c5e", "#b9dbf2"),
    "one": ("#1d5f8f", "#6db1df"),
    "one_soft": ("#3d7aa8", "#4a92c6"),
    "two_deep": ("#17493f", "#b0e3d5"),
    "two": ("#2a7967", "#5fbfa6"),
    "two_soft": ("#55737c", "#7fa3ad"),
    "three": ("#8d5b00", "#dfa94c"),
    "four": ("#79498f", "#c79be0"),
    "unknown": ("#6c7781", "#98a4b0"),
    "band": ("#a9cbe3", "#27506f"),
    "target": ("#b03e1c", "#ff9d78"),
}
"""Name to the colour in light and in dark mode; no light one stands twice, and each is written one way only."""

_LETTER = 8  # pixels that a bold one of 14 takes up, about
_FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
_FAMILY = ("one", "two", "three", "unknown")


@dataclass(frozen=True)
class Bar:
    """One bar with its bounds; `words` stand above its end. Plain bars are for what is compared with."""

    label: str
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    words: str
    plain: bool = False


@dataclass(frozen=True)
class Stage:
    """One year of a path, as fractions: what was, the range it may lie in, the target, what can be reached."""

    year: str
    actual: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    target: Decimal | None = None
    reach_low: Decimal | None = None
    reach_high: Decimal | None = None


@dataclass(frozen=True)
class Place:
    """A point of a map; degrees. A `strong` one is filled with the first colour, others with the one for the rest."""

    label: str
    latitude: float
    longitude: float
    amount: Decimal
    strong: bool


def bars(rows: Sequence[Bar], target: Decimal | None = None, whole: Decimal | None = None) -> Drawing:
    """Lying bars, each with its label and words above it, a line from low to high over it, and the target dashed.

    `whole`: where the scale ends, such as 1 for shares; the largest figure where none is given.
    """
    values = [
        {
            "label": f"{position:03}",
            "name": row.label,
            "words": row.words,
            "value": _number(row.value) or 0.0,
            "low": _number(row.low),
            "high": _number(row.high),
            "colour": COLOURS["unknown" if row.plain else "one"][0],
        }
        for position, row in enumerate(rows)
    ]
    largest = max([float(x) for row in rows for x in (row.value, row.high, target) if x is not None], default=1)
    base = _data(values).encode(y=alt.Y("label:N", sort=None, axis=None))
    scale = alt.Scale(
        domain=[
            min([0.0, *(float(row.value) for row in rows if row.value is not None)]),
            float(whole or 0) or largest or 1,
        ]
    )
    x = alt.X("value:Q", axis=None, scale=scale)
    room = 12 + _LETTER * max((len(row.words) for row in rows), default=0)
    layers = [
        base.mark_bar(height=14, yOffset=9).encode(x=x, color=alt.Color("colour:N", scale=None)),
        *(
            base.mark_rule(yOffset=9, stroke=COLOURS[colour][0], strokeWidth=thick)
            .transform_filter("datum.high != null && datum.high > datum.low")
            .encode(x=alt.X("low:Q", axis=None, scale=scale), x2="high:Q")
            for colour, thick in (("paper", 5), ("ink", 2))
        ),
        # A long name ends before the words at the other end of its line begin.
        _words(base, "name", "left", 0, weight=400, room=room),
        _words(base, "words", "right", "width", weight=700),
    ]
    if target is not None:
        layers.append(
            _data([{"value": float(target)}])
            .mark_rule(stroke=COLOURS["target"][0], strokeDash=[5, 4], strokeWidth=2)
            .encode(x=x)
        )
    return alt.layer(*layers).properties(height=alt.Step(48))


def path(stages: Sequence[Stage]) -> Drawing:
    """Years from left to right: what was with its range, the target dashed, what can be reached as a band."""
    years = [stage.year for stage in stages]
    values = [
        {
            "year": stage.year,
            "actual": _number(stage.actual),
            "low": _number(stage.low),
            "high": _number(stage.high),
            "target": _number(stage.target),
            "reach_low": _number(stage.reach_low),
            "reach_high": _number(stage.reach_high),
            "actual_words": "" if stage.actual is None else formats.share(stage.actual),
            "target_words": "" if stage.target is None else f"{stage.target:.0%}",
        }
        for stage in stages
    ]
    axis = alt.Axis(title=None, labelAngle=0, labelOverlap=True, grid=False)
    x = alt.X("year:O", sort=years, axis=axis, scale=alt.Scale(padding=0.35))
    shares = alt.Axis(title=None, format=".0%", tickCount=5, domain=False, ticks=False)

    def part(column: str) -> alt.Chart:
        return _data([value for value in values if value[column] is not None]).encode(x=x)

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", axis=shares, scale=alt.Scale(zero=True))

    def line(column: str, colour: str, dash: Sequence[int]) -> list[alt.Chart]:
        drawn = part(column)
        return [
            drawn.mark_line(stroke=COLOURS[colour][0], strokeWidth=3, strokeDash=list(dash)).encode(y=y(column)),
            drawn.mark_point(
                filled=True, size=64, opacity=1, fill=COLOURS[colour][0], shape="diamond" if dash else "circle"
            ).encode(y=y(column)),
        ]

    reach = part("reach_low").encode(y=y("reach_low"), y2="reach_high:Q")
    spread = part("low").encode(y=y("low"), y2="high:Q")
    return alt.layer(
        reach.mark_area(fill=COLOURS["band"][0], line=False),
        *(
            part(end).mark_line(stroke=COLOURS["one"][0], strokeWidth=1).encode(y=y(end))
            for end in ("reach_low", "reach_high")
        ),
        spread.mark_rule(stroke=COLOURS["one"][0], strokeWidth=9, opacity=1),
        *line("target", "target", [6, 4]),
        *line("actual", "ink", []),
        part("actual")
        .mark_text(dy=-16, fontWeight=700, fill=COLOURS["ink"][0])
        .encode(y=y("actual"), text="actual_words:N"),
        part("target")
        .mark_text(dy=18, fontWeight=700, fill=COLOURS["target"][0])
        .encode(y=y("target"), text="target_words:N"),
    ).properties(height=300)


def stacked(rows: Sequence[tuple[str, Sequence[Decimal]]], colours: Sequence[str] = _FAMILY) -> Drawing:
    """Bars of one length, each the whole of its row; the parts stand in the order of the key."""
    values = []
    for position, (name, parts) in enumerate(rows):
        whole, reached = sum(max(float(part), 0) for part in parts) or 1, 0.0
        for number, part in enumerate(parts):
            size = max(float(part), 0) / whole
            values.append(
                {
                    "label": f"{position:03}",
                    "name": name if number == 0 else "",
                    "start": reached,
                    "end": reached + size,
                    "middle": reached + size / 2,
                    "colour": COLOURS[colours[number]][0],
                    "words": f"{size:.0%}" if size >= 0.09 else "",
                }
            )
            reached += size
    base = _data(values).encode(y=alt.Y("label:N", sort=None, axis=None))
    scale = alt.Scale(domain=[0, 1], nice=False)
    return alt.layer(
        base.mark_bar(height=20, yOffset=10, stroke=COLOURS["paper"][0], strokeWidth=1.5).encode(
            x=alt.X("start:Q", axis=None, scale=scale), x2="end:Q", color=alt.Color("colour:N", scale=None)
        ),
        base.mark_text(dy=10, fontSize=12, fontWeight=700, fill=COLOURS["paper"][0]).encode(
            x=alt.X("middle:Q", axis=None, scale=scale), text="words:N"
        ),
        _words(base, "name", "left", 0, weight=400),
    ).properties(height=alt.Step(54))


def places(points: Sequence[Place], labelled: int = 8) -> Drawing:
    """Points where they lie on the ground, each an area in proportion to its pounds; the largest are named."""
    largest = sorted(points, key=lambda point: -point.amount)
    named = _apart([point for point in largest if point.amount * 8 >= largest[0].amount], labelled)
    values = [
        {
            "label": point.label if point in named else "",
            "latitude": point.latitude,
            "longitude": point.longitude,
            "amount": max(float(point.amount), 0),
            "colour": COLOURS["one" if point.strong else "unknown"][0],
        }
        for point in largest
    ]
    base = _data(values).encode(latitude="latitude:Q", longitude="longitude:Q")
    words = base.encode(text="label:N")
    return (
        alt.layer(
            base.mark_circle(opacity=0.75, stroke=COLOURS["paper"][0], strokeWidth=1).encode(
                size=alt.Size("amount:Q", legend=None, scale=alt.Scale(range=[6, 1600])),
                color=alt.Color("colour:N", scale=None),
            ),
            words.mark_text(fontWeight=700, fontSize=12, stroke=COLOURS["paper"][0], strokeWidth=4, strokeJoin="round"),
            words.mark_text(fontWeight=700, fontSize=12, fill=COLOURS["ink"][0]),
        )
        .project(type="mercator")
        .properties(height=440)
    )


def _apart(points: Sequence[Place], most: int) -> list[Place]:
    """The first points whose names do not run into one another, by where they lie in the frame of all."""
    wide = max((point.longitude for point in points), default=0) - min((point.longitude for point in points), default=0)
    high = max((point.latitude for point in points), default=0) - min((point.latitude for point in points), default=0)
    kept: list[Place] = []
    for point in points:
        free = all(
            abs(point.longitude - other.longitude) > 0.18 * wide or abs(point.latitude - other.latitude) > 0.05 * high
            for other in kept
        )
        if free and len(kept) < most:
            kept.append(point)
    return kept


def specification(figure: Drawing, width: int) -> dict[str, Any]:
    """A chart as Vega-Lite has it, of a width in pixels."""
    wanted = figure.properties(width=width).to_dict(validate=False)
    wanted["autosize"] = {"type": "fit", "contains": "padding"}
    wanted["config"] = _STYLE
    return wanted


def colours() -> str:
    """The style sheet's part on colours: a variable each, and the dark ones in place of those written in drawings."""
    light = "".join(f"--{name}:{colour};" for name, (colour, _) in COLOURS.items())
    dark = "".join(f"--{name}:{colour};" for name, (_, colour) in COLOURS.items())
    drawn = "".join(
        f'svg [{kind}="{colour}"]{{{kind}:var(--{name})}}\n'
        for name, (colour, _) in COLOURS.items()
        for kind in ("fill", "stroke")
    )
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{drawn}"


_STYLE: dict[str, Any] = {
    "background": None,
    "font": _FONT,
    "padding": {"left": 2, "right": 2, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "text": {"fontSize": 14, "font": _FONT},
    "axis": {
        "labelColor": COLOURS["quiet"][0],
        "labelFontSize": 13,
        "labelPadding": 6,
        "gridColor": COLOURS["rule"][0],
        "domainColor": COLOURS["quiet"][0],
        "tickColor": COLOURS["quiet"][0],
    },
}


def _data(values: Sequence[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=list(values)))


def _words(
    base: alt.Chart,
    column: str,
    align: Literal["left", "right"],
    x: int | str,
    weight: Literal[400, 700],
    room: int = 0,
) -> Any:
    """Words above each bar; what would come within `room` pixels of the far edge is cut off."""
    drawn = base.mark_text(
        align=align,
        baseline="middle",
        dy=-11,
        fontWeight=weight,
        fill=COLOURS["ink"][0],
        limit=alt.ExprRef(f"width - {room}"),
    )
    return drawn.encode(x={"value": x}, text=f"{column}:N")


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)

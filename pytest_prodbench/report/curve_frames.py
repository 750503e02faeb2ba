"""Curves set into a frame: charts of one kind share their axes, which take Vega most of a drawing's time.

A frame is the chart with one row a curve instead of all of them. Vega draws it once, with its axes, titles
and one mark of each layer; the marks of a chart are then copies of these, at the places where d3's scales
and lines put them. What is not made of lines, areas and points over such axes has no frame.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_prodbench.report.vega_lite import Spec

NUMBERS = ("x", "y", "low", "high")
"""What a row holds beside words that say to which curve it belongs."""

DRAWN = frozenset({"type", "interpolate", "strokeDash", "filled", "fill"})
"""All that a mark may state: with anything else it could stand elsewhere."""

TERM = re.compile(r"datum\.(\w+) === '(\w+)'|(!?)datum\.(\w+)")
"""One condition of a filter, as charts write it; several are joined with ``&&``."""

_Row = Mapping[str, Any]
_Point = tuple[float, float]


def frame(spec: Spec) -> Spec | None:
    """Return the chart that charts of its kind share; None where it has none."""
    if not _is_plain(spec):
        return None
    rows = spec["data"]["values"]
    shown = [row for layer in spec["layer"] for row in _rows_of(layer, rows)]
    numbers = {frozenset(set(row) & set(NUMBERS)) for row in rows}
    if not shown or len(numbers) != 1 or not all(map(_is_placed, rows)):
        return None
    # An area whose rows have no edges, as those of a damaged record: Vega leaves it out.
    if any(layer["mark"]["type"] == "area" for layer in spec["layer"]) and "low" not in rows[0]:
        return None
    across = [row["x"] for row in shown]
    x = spec["encoding"]["x"]
    low, high = domain = x["scale"].get("domain", [min(across), max(across)])
    if not 0 < low < high:
        return None
    # A mark at the right end makes the drawing wider: of each curve that is the row that stays.
    last: dict[str, _Row] = {}
    for row in rows:
        kind = str({key: value for key, value in row.items() if key not in NUMBERS})
        if kind not in last or row["x"] > last[kind]["x"]:
            last[kind] = row
    half = dict.fromkeys(NUMBERS[1:], 0.5)
    kept = [{key: half.get(key, value) for key, value in row.items()} for row in last.values()]
    encoding = spec["encoding"] | {"x": x | {"scale": x["scale"] | {"domain": domain}}}
    return spec | {"data": {"values": kept}, "encoding": encoding}


def filled(drawing: str, framed: Spec, spec: Spec) -> str | None:
    """Set the curves of a chart into the drawing of its frame.

    Args:
        drawing: SVG of the frame, as Vega writes it.
        framed: the frame.
        spec: the chart.

    Returns:
        SVG; None where the drawing is not as expected.
    """
    low, high = map(math.log, framed["encoding"]["x"]["scale"]["domain"])
    width, height = spec["width"], spec["height"]

    def place(row: _Row, name: str) -> _Point:
        return width * ((math.log(row["x"]) - low) / (high - low)), height * (1 - row[name])

    for number, layer in enumerate(spec["layer"]):
        rows = sorted(_rows_of(layer, spec["data"]["values"]), key=lambda row: row["x"])
        if not rows:
            continue
        kind = layer["mark"]["type"]
        steps = "interpolate" in layer["mark"]
        group = re.compile(
            rf'(<g class="mark-\w+ role-mark layer_{number}_marks"[^>]*>)(<path [^>]*/>)(?=</g>)'
        )
        found = group.search(drawing)
        if found is None:
            return None
        opening, mark = found.groups()
        if kind == "point":
            in_order = _rows_of(layer, spec["data"]["values"])
            marks = "".join(_at(mark, place(row, "y")) for row in in_order)
        elif kind == "line":
            points = [place(row, "y") for row in rows]
            path = "M" + "L".join(_line(points, steps=steps)) + "Z" * (len(points) == 1)
            marks = _along(mark, path)
        else:
            above = _line([place(row, "low") for row in rows], steps=steps)
            # Back along the other edge, where a step goes up before it goes on.
            below = _line([place(row, "high") for row in rows], steps=steps)[::-1]
            marks = _along(mark, f"M{'L'.join([*above, *below])}Z")
        drawing = drawing[: found.start()] + opening + marks + drawing[found.end() :]
    return drawing


def _is_plain(spec: Spec) -> bool:
    """Whether a chart is made of nothing but curves over a logarithm, between 0 and 1."""
    encoding, layers = spec.get("encoding", {}), spec.get("layer", [])
    x, y = encoding.get("x", {}), encoding.get("y", {})
    return (
        set(encoding) == {"x", "y"}
        and set(spec.get("data", {})) == {"values"}
        and (x.get("field"), x.get("type")) == ("x", "quantitative")
        and (y.get("field"), y.get("type")) == ("y", "quantitative")
        and x.get("scale", {}).items() >= {"type": "log", "nice": False}.items()
        and set(x["scale"]) <= {"type", "nice", "domain"}
        and y.get("scale") == {"domain": [0, 1]}
        and isinstance(spec.get("width"), int)
        and isinstance(spec.get("height"), int)
        and bool(layers)
        and all(map(_is_curve, layers))
    )


def _is_curve(layer: Spec) -> bool:
    mark, encoding = layer["mark"], layer.get("encoding", {})
    edges = {key: value for key, value in encoding.items() if key != "tooltip"}
    expected = {"y": {"field": "low"}, "y2": {"field": "high"}} if mark["type"] == "area" else {}
    filters = layer.get("transform", [])
    return (
        set(layer) <= {"mark", "encoding", "transform"}
        and mark["type"] in {"line", "area", "point"}
        and set(mark) <= DRAWN
        and mark.get("interpolate", "step-after") == "step-after"
        and edges == expected
        and len(filters) <= 1
        and all(set(one) == {"filter"} and _terms(one["filter"]) for one in filters)
    )


def _is_placed(row: _Row) -> bool:
    numbers = [row[name] for name in NUMBERS if name in row]
    return all(map(math.isfinite, numbers)) and row.get("x", 0) > 0 and "y" in row


def _terms(condition: str) -> list[tuple[str, str | bool]] | None:
    """A filter as fields and what they must hold; None where it is another kind of expression."""
    found = [TERM.fullmatch(part) for part in condition.split(" && ")]
    terms: list[tuple[str, str | bool]] = []
    for one in found:
        if one is None:
            return None
        name, word, negated, flag = one.groups()
        terms.append((name, word) if name else (flag, not negated))
    return terms


def _rows_of(layer: Spec, rows: Iterable[_Row]) -> list[_Row]:
    terms = [term for one in layer.get("transform", []) for term in _terms(one["filter"]) or ()]
    return [row for row in rows if all(_holds(row.get(name), value) for name, value in terms)]


def _holds(found: object, wanted: str | bool) -> bool:
    return found == wanted if isinstance(wanted, str) else bool(found) is wanted


def _line(points: list[_Point], *, steps: bool) -> list[str]:
    """The corners of a line; with steps it stays where it is until the next point."""
    corners = [_pair(*points[0])]
    for (_, before), (x, y) in pairwise(points):
        corners += [_pair(x, before), _pair(x, y)] if steps else [_pair(x, y)]
    return corners


def _along(mark: str, path: str) -> str:
    return re.sub(r' d="[^"]*"', f' d="{path}"', mark, count=1)


def _at(mark: str, point: _Point) -> str:
    place = ",".join(_text(value) for value in point)
    return re.sub(r"translate\([^)]*\)", f"translate({place})", mark, count=1)


def _pair(x: float, y: float) -> str:
    return f"{_text(math.floor(x * 1000 + 0.5) / 1000)},{_text(math.floor(y * 1000 + 0.5) / 1000)}"


def _text(value: float) -> str:
    """A number as JavaScript writes it."""
    return repr(value).removesuffix(".0") if value else "0"

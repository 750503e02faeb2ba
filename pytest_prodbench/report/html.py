"""One self-contained page: verdict first, then what it rests on. No network; whole without its script."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.report import wording
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.page import build
from pytest_prodbench.report.standing import change_gain
from pytest_prodbench.report.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jinja2 import Environment
    from markupsafe import Markup

    from pytest_prodbench.report.reporter import ReportInput
    from pytest_prodbench.report.vega_lite import Spec


def write_html(report: ReportInput) -> Path:
    """Write ``index.html`` into the run's folder (and thumbnails beside it)."""
    thumbnails = Thumbnails(report.project, report.run_dir, report.cache_dir)
    drawings = Drawings(report.cache_dir)
    specs: list[Spec] = []

    def placed(spec: Spec) -> int:
        """Take a specification into the page's list, and say where it stands in it."""
        specs.append(spec)
        return len(specs) - 1

    view = build(report.record, report.queries)
    style = page_style()
    scripts = [*([drawings.script()] if view.drawn else []), page_script()]
    text = (
        environment()
        .get_template("index.html")
        .render(
            page=view,
            record=report.record,
            thumbnail=thumbnails.uri,
            style=style,
            drawn=drawings.svg,
            placed=placed,
            specs=specs,
            scripts=scripts,
            policy=content_security_policy(style, scripts),
            drop_seen=wording.DROP_SEEN,
            drop_seen_means=wording.DROP_SEEN_MEANS,
        )
    )
    path = report.run_dir / "index.html"
    atomic_write_text(path, text)
    return path


def content_security_policy(style: str, scripts: Sequence[str] = ()) -> str:
    """Return a policy under which a page shows its own style and embedded images, and runs its own scripts.

    Even if escaping had a hole, what came through it could neither run nor load anything.
    """

    def source(text: str) -> str:
        return (
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()}'"
        )

    runs = f"script-src {' '.join(map(source, scripts))}; " if scripts else ""
    return (
        f"default-src 'none'; img-src data:; style-src {source(style)}; {runs}"
        "base-uri 'none'; form-action 'none'"
    )


def page_style() -> str:
    """Return the style of every page."""
    return (files("pytest_prodbench.report") / "templates" / "report.css").read_text("utf-8")


def page_script() -> str:
    """Return what sorts and filters a page; nothing of the data is in it."""
    return (files("pytest_prodbench.report") / "templates" / "report.js").read_text("utf-8")


@cache
def environment() -> Environment:
    """Return what fills in templates, with the filters that every text of the data goes through."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def show(text: str, limit: int = wording.TEXT_LIMIT) -> Markup:
        # Isolated: a right-to-left mark in an id must not turn the number beside it.
        return Markup("<bdi>{}</bdi>").format(wording.line(text, limit))

    def note(text: str) -> Markup:
        return Markup("<bdi>{}</bdi>").format(wording.paragraph(text))

    def attribute(text: str, limit: int = wording.TEXT_LIMIT) -> str:
        # Nothing can be isolated inside an attribute or a title.
        return wording.line(wording.unturned(text), limit)

    def cut(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
        # As they are shown: a filter needs no megabyte.
        return [[attribute(name, 80), attribute(value, 80)] for name, value in pairs]

    def script_json(data: object) -> Markup:
        # In a script element nothing is an entity; what could end the element is written as an escape.
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return Markup(text)  # noqa: S704 - no markup is left in it

    environment = Environment(
        loader=PackageLoader("pytest_prodbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["bounds"] = wording.BOUNDS
    environment.filters.update(
        show=show,
        note=note,
        attribute=attribute,
        gain=change_gain,
        cut=cut,
        json=partial(json.dumps, ensure_ascii=False),
        gist=wording.gist,
        figure=wording.figure,
        interval=wording.interval,
        known=wording.known,
        count=wording.count,
        duration=wording.duration,
        short=wording.short,
        script_json=script_json,
    )
    return environment

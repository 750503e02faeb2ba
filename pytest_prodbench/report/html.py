"""One self-contained page: verdict first, then what it rests on. No network, no script."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.report import scales, wording
from pytest_prodbench.report.page import build
from pytest_prodbench.report.thumbnails import Thumbnails

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Environment
    from markupsafe import Markup

    from pytest_prodbench.report.reporter import ReportInput


def write_html(report: ReportInput) -> Path:
    """Write ``index.html`` into the run's folder (and thumbnails beside it)."""
    thumbnails = Thumbnails(report.project, report.run_dir, report.cache_dir)
    style = page_style()
    text = (
        environment()
        .get_template("index.html")
        .render(
            page=build(report.record, report.queries),
            record=report.record,
            thumbnail=thumbnails.uri,
            style=style,
            policy=content_security_policy(style),
            drop_seen=wording.DROP_SEEN,
            drop_seen_means=wording.DROP_SEEN_MEANS,
        )
    )
    path = report.run_dir / "index.html"
    atomic_write_text(path, text)
    return path


def content_security_policy(style: str) -> str:
    """Return a policy under which a page shows its own style and embedded images, and nothing else.

    Even if escaping had a hole, what came through it could neither run nor load anything.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def page_style() -> str:
    """Return the style of every page."""
    return (files("pytest_prodbench.report") / "templates" / "report.css").read_text("utf-8")


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

    environment = Environment(
        loader=PackageLoader("pytest_prodbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["size"] = {
        "width": scales.WIDTH,
        "height": scales.HEIGHT,
        "left": scales.LEFT,
        "right": scales.RIGHT,
        "bottom": scales.BOTTOM,
    }
    environment.filters.update(
        show=show,
        note=note,
        attribute=attribute,
        gist=wording.gist,
        figure=wording.figure,
        interval=wording.interval,
        known=wording.known,
        count=wording.count,
        duration=wording.duration,
        short=wording.short,
    )
    return environment

"""One self-contained page: verdict first, then what it rests on. No network; whole without its script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.errors import unturned
from pytest_prodbench.report import wording
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.page import build
from pytest_prodbench.report.published_figures import PUBLISHED_MEANS
from pytest_prodbench.report.standing import change_gain
from pytest_prodbench.report.thumbnails import Thumbnails

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from jinja2 import Environment
    from markupsafe import Markup

    from pytest_prodbench.evidence.types import RunRecord
    from pytest_prodbench.report.reporter import ReportInput
    from pytest_prodbench.report.vega_lite import Spec


SELF = "'self'"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a page takes from outside itself.

    Attributes:
        picture: (place of a dataset, image) → address of its thumbnail, None where it cannot be shown.
        drawings: draws charts, and has the script that draws them again.
        library: address of that script; empty: its text stands in the page.
        links: where a page of several leads, words → address; a page that stands alone has none.
    """

    picture: Callable[[str, str], str | None]
    drawings: Drawings
    library: str = ""
    links: Mapping[str, str] = field(default_factory=dict)


class Later:
    """Places in a text for what is made when the rest of it stands."""

    def __init__(self) -> None:
        # Made anew for each text: nothing of the data can look like a place.
        self._mark = secrets.token_hex(16)
        self._makers: list[Callable[[], str]] = []

    def place(self, make: Callable[[], str]) -> str:
        """Return what stands in the text for what will be made."""
        self._makers.append(make)
        return f"{self._mark}.{len(self._makers) - 1}."

    def filled(self, text: str) -> str:
        """Return the text with everything in its place."""
        parts = re.split(rf"{self._mark}\.(\d+)\.", text)
        parts[1::2] = [self._makers[int(number)]() for number in parts[1::2]]
        return "".join(parts)


def write_html(report: ReportInput) -> Path:
    """Write ``index.html`` into the run's folder (and thumbnails beside it)."""
    thumbnails = Thumbnails(report.project, report.run_dir, report.cache_dir)
    around = Surroundings(thumbnails.uri, report.drawings or Drawings(report.cache_dir))
    path = report.run_dir / "index.html"
    atomic_write_text(path, run_page(report.record, report.queries, around))
    return path


def run_page(record: RunRecord, queries: Mapping[str, pa.Table], around: Surroundings) -> str:
    """Return the page of a run.

    Args:
        record: of the run.
        queries: ``model:dataset`` → table of its queries, of pairs that have one.
        around: where its pictures are.
    """
    view = build(record, queries)
    around.drawings.begin((chart.spec for chart in view.charts), script=not around.library)
    # Meanwhile the pictures: thumbnails are kept once they are made.
    for root, image in view.pictures:
        around.picture(root, image)
    return render(
        "index.html",
        around,
        drawn=view.drawn,
        page=view,
        record=record,
        terms=view.terms,
        definitions=record.definitions,
        published_means=PUBLISHED_MEANS,
        drop_seen=wording.DROP_SEEN,
        drop_seen_means=wording.DROP_SEEN_MEANS,
    )


def render(template: str, around: Surroundings, *, drawn: bool, **values: Any) -> str:
    """Fill in a template that begins with ``head.html`` and ends with ``tail.html``.

    Args:
        template: its name.
        around: where its pictures are.
        drawn: whether it has charts.
        values: what else it needs.
    """
    style = page_style()
    library = around.library if drawn else ""
    scripts: list[Callable[[], str]] = [page_script]
    if drawn and not library:
        scripts.insert(0, cache(around.drawings.script))
    specs: list[Spec] = []
    drawings, last = Later(), Later()

    def placed(spec: Spec) -> int:
        """Take a specification into the page's list, and say where it stands in it."""
        specs.append(spec)
        return len(specs) - 1

    def policy() -> str:
        from markupsafe import escape

        texts = [script() for script in scripts]
        return escape(content_security_policy(style, texts, beside=bool(around.links)))

    # What other processes may still be at comes when the rest stands; they are longest at the script.
    text = (
        environment()
        .get_template(template)
        .render(
            thumbnail=around.picture,
            drawn=lambda spec: drawings.place(partial(around.drawings.svg, spec)),
            placed=placed,
            specs=specs,
            style=style,
            scripts=[last.place(script) for script in scripts],
            library=library,
            links=around.links,
            policy=last.place(policy),
            **values,
        )
    )
    return last.filled(drawings.filled(text))


def content_security_policy(style: str, scripts: Sequence[str], *, beside: bool) -> str:
    """Return a policy under which a page shows its own style and images, and runs its own scripts.

    Even if escaping had a hole, what came through it could neither run nor load anything from elsewhere.
    ``beside``: images and scripts may also be files of the same site.
    """

    def source(text: str) -> str:
        return (
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()}'"
        )

    runs = [*map(source, scripts), *([SELF] if beside else [])]
    return (
        f"default-src 'none'; img-src data:{' ' + SELF if beside else ''}; style-src {source(style)}; "
        f"script-src {' '.join(runs)}; base-uri 'none'; form-action 'none'"
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
    from markupsafe import Markup, escape

    def isolated(text: str) -> Markup:
        return Markup(f"<bdi>{escape(text)}</bdi>")  # noqa: S704 - escaped

    def show(text: str, limit: int = wording.TEXT_LIMIT) -> Markup:
        # Isolated: a right-to-left mark in an id must not turn the number beside it.
        return isolated(wording.line(text, limit))

    def note(text: str) -> Markup:
        return isolated(wording.paragraph(text))

    def attribute(text: str, limit: int = wording.TEXT_LIMIT) -> str:
        # Nothing can be isolated inside an attribute or a title.
        return wording.line(unturned(text), limit)

    def shortened(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
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
        shortened=shortened,
        cut=wording.line,
        cut_lines=wording.paragraph,
        json=partial(json.dumps, ensure_ascii=False),
        gist=wording.gist,
        figure=wording.figure,
        interval=wording.interval,
        known=wording.known,
        count=wording.count,
        duration=wording.duration,
        engine=wording.engine,
        short=wording.short,
        script_json=script_json,
    )
    return environment

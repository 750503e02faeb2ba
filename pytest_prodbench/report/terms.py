"""Names of metrics in the middle of a sentence, each with the place where it is defined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.report.all_numbers import anchor_of, anchors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_prodbench.evidence.types import RunRecord

_PLAIN = re.compile(r"[a-z][a-z0-9_]*")
"""What is looked for in sentences; a metric of another form is linked where it stands alone."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a page defines.

    Attributes:
        places: term → id of its definition.
        named: finds names of metrics that have one; None where there are none.
    """

    places: Mapping[str, str]
    named: re.Pattern[str] | None

    @classmethod
    def of(cls, record: RunRecord) -> Terms:
        """Return the definitions of a run; words such as ``rank`` are terms, and no names of metrics."""
        places = anchors(record.definitions)
        measured = (name for p in record.pairs if p.measurement for name in p.measurement.metrics)
        stems = {name.partition("@")[0] for name in (*record.metric_versions, *measured)}
        stems |= {term.removesuffix("@k") for term in places if term.endswith("@k")}
        known = sorted(
            (
                stem
                for stem in stems
                if _PLAIN.fullmatch(stem) and (stem in places or f"{stem}@k" in places)
            ),
            key=lambda stem: (-len(stem), stem),
        )
        if not known:
            return cls(places, None)
        # Not a part of a path, of a pair's name or of a longer word.
        pattern = rf"(?<![\w@./:-])(?:{'|'.join(known)})(?:@(?:k|[0-9]{{1,4}}))?(?![\w@/:-]|\.\w)"
        return cls(places, re.compile(pattern))

    def anchor(self, metric: str) -> str | None:
        """Return the id of what defines a metric; None where nothing does."""
        return anchor_of(metric, self.places)

    def pieces(self, text: str) -> list[tuple[str, str | None]]:
        """Return a text in pieces, those that name a metric with their anchor; each name once."""
        pieces: list[tuple[str, str | None]] = []
        end, seen = 0, set()
        for match in self.named.finditer(text) if self.named else ():
            name = match[0]
            place = self.anchor(name)
            if place is None or name in seen:
                continue
            seen.add(name)
            pieces += [(text[end : match.start()], None), (name, place)]
            end = match.end()
        pieces.append((text[end:], None))
        return [(piece, place) for piece, place in pieces if piece]

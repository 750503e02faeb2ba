"""``prodbench render``: a catalog and queries from STEP or STL files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_prodbench.errors import SettingsError


def render_cad(
    cad: Sequence[str], plan: str | None, out: str, jobs: int, *, check: bool = False
) -> int:
    """Render what is missing; 0 if every picture is there, 2 if one failed."""
    from pytest_prodbench.rendering import catalog as files

    folder = Path(out)
    if check:
        found = files.problems(folder)
        sys.stdout.write("".join(f"{line}\n" for line in found) or f"{out}: all files agree\n")
        return 2 if found else 0
    from pytest_prodbench.rendering.plan_file import read_plan
    from pytest_prodbench.rendering.work import render

    _require_renderer()
    catalog = read_plan(Path(plan) if plan else None, [Path(name) for name in cad], folder)
    shown = f" --plan {plan}" if plan else ""
    failed = render(
        catalog,
        folder,
        command=f"prodbench render --cad {' '.join(cad)}{shown} --out {out}",
        jobs=jobs,
        say=lambda line: print(line, flush=True),
    )
    return 2 if failed else 0


def _require_renderer() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("mitsuba", "build123d", "trimesh") if find_spec(name) is None]
    if missing:
        raise SettingsError(
            "prodbench render",
            found=f"{' and '.join(missing)} not installed",
            next_step="pip install 'pytest-prodbench[render]'",
        )

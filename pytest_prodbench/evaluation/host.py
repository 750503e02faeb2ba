"""Facts of the machine, the moment and the git tree of a run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pytest_prodbench.evidence.types import Host
from pytest_prodbench.settings.types import RunSettings


def host_facts(project: Path, settings: RunSettings) -> Host:
    """Look at the machine, the moment, and the git tree that a project lies in."""
    commit, dirty = _git(project, (settings.report_dir, settings.cache_dir))
    return Host(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        platform=platform.platform(),
        python=platform.python_version(),
        cpu_count=os.cpu_count() or 1,
        gpus=_gpus(),
        commit=commit,
        dirty=dirty,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in (
        "pytest-prodbench",
        "pytest",
        "pytest-xdist",
        "torch",
        "faiss-cpu",
        "numpy",
        "pillow",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _gpus() -> list[str]:
    """Names of the GPUs; asks the driver's own tool, so that torch need not be imported for it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        answer = subprocess.run(  # noqa: S603 - the tool's own path, fixed arguments
            [tool, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def _git(project: Path, written: Sequence[Path]) -> tuple[str | None, bool | None]:
    """Commit of the project's tree, and whether anything but what a run itself writes differs from it."""
    tool = shutil.which("git")
    if tool is None:
        return None, None
    inside = [
        path.resolve() for path in written if path.resolve().is_relative_to(project.resolve())
    ]
    left_out = [f":(exclude){path.relative_to(project.resolve())}" for path in inside]
    answers = []
    for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", ".", *left_out]):
        try:
            answer = subprocess.run(  # noqa: S603 - the tool's own path; paths stand behind "--"
                [tool, "-C", str(project), *command],
                capture_output=True,
                text=True,
                timeout=30,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None, None
        answers.append(answer.stdout.strip())
    return answers[0], bool(answers[1])

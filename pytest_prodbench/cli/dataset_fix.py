"""``prodbench dataset fix``: a new manifest beside the old one, and what changed in it."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_prodbench.cli.dataset_doctor import examine_patient, open_patient
from pytest_prodbench.doctor.fixing import Plan, plan
from pytest_prodbench.doctor.rewriting import rewrite
from pytest_prodbench.errors import SettingsError


def fix(given: argparse.Namespace) -> int:
    """Write the new manifest, list every change; 0, or 1 if findings are left that make it lie."""
    patient = open_patient(given, given.dataset_name, asked_by="prodbench dataset fix")
    spec = patient.spec
    if spec.layout != "manifest":
        raise SettingsError(
            f"prodbench dataset fix {given.dataset_name}",
            found=f"the layout {spec.layout!r}",
            expected="a manifest: of other layouts the doctor says what to mend by hand",
        )
    found = examine_patient(given, patient)
    known = {finding.id: finding for finding in found.findings}
    for id_ in given.confirm:
        if id_ not in known or not known[id_].edits:
            raise SettingsError(
                f"--confirm {id_}",
                found="no open finding of this id that rows of the manifest could mend",
                expected="an id that 'prodbench doctor' prints",
            )
    planned = plan(found, given.confirm)
    source = spec.path
    target = (
        Path.cwd() / given.out
        if given.out
        else source.with_name(f"{source.stem}-fixed{source.suffix}")
    )
    if planned.dropped or planned.changed:
        columns = spec.options.get("columns") or {}
        changed = {
            number: {columns.get(name, name): value for name, value in values.items()}
            for number, values in planned.changed.items()
        }
        rewrite(
            source,
            target,
            planned.dropped,
            changed,
            delimiter=spec.options.get("delimiter") or ",",
        )
    _print(planned, target)
    return int(any(finding.severity == "finding" for finding in planned.left))


def _print(planned: Plan, target: Path) -> None:
    for finding in planned.applied:
        for edit in finding.edits:
            what = f"{edit.column} = {edit.value!r}" if edit.column else "left out"
            print(f"  line {edit.number}: {what}: {finding.told}  [{finding.id}]")
    for query in planned.bereft:
        print(f"  {query.name}: left out: no positive is left for it")
    for finding in planned.left:
        wait = f"--confirm {finding.id}" if finding.edits else finding.fix
        print(f"  not mended: {finding.told}\n    {wait}")
    if planned.dropped or planned.changed:
        print(
            f"  {target}: {len(planned.dropped):,} rows left out, {len(planned.changed):,} changed; "
            "no image was touched"
        )
    else:
        print("  nothing to mend by rows; nothing was written")

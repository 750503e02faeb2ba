"""``prodbench explain`` and ``list``: which rule holds for whom, and where it stands."""

from __future__ import annotations

import re

import pytest

from pytest_prodbench.cli import main

MODELS = """\
[models]
lite0 = "timm:tf_efficientnet_lite0"
lite1 = "timm:tf_efficientnet_lite1"
domain-a = "timm:tf_efficientnet_lite2"
"""
SECTOR = """\
owner = "parts team"
[datasets.parts]
path = "parts.csv"
[datasets.tools]
path = "tools.csv"
thresholds = { "recall@1" = 0.6 }

[thresholds]
"recall@1" = 0.5

[[rules]]
metric = "recall@5"
models = "domain-*"
min = 0.9
confidence = 0.95
inconclusive = "warn"

[[rules]]
metric = "eer"
max = 0.1
severity = "info"

[[rules]]
metric = "recall@1"
worst_condition = "light"
min = 0.3
severity = "warn"
confidence = 0.9

[[rules]]
metric = "mrr"
condition = { view = "top", light = "dim" }
datasets = "tools"
min = 0.25

[[rules]]
metric = "recall@1"
aggregate = "mean"
min = 0.55
[[rules]]
metric = "mrr"
aggregate = "worst"
models = "lite[01]"
min = 0.4
severity = "warn"

[[waivers]]
metric = "recall@1"
models = "lite1"
datasets = "parts"
min = 0.45
reason = "new lamps"
owner = "Ada"
granted = 2020-01-01
expires = 2999-12-31

[[waivers]]
metric = "mrr"
aggregate = "worst"
models = "lite1"
min = 0.35
reason = "few tools"
owner = "Bo"
granted = 2020-01-01
expires = 2999-12-31
"""
FILE = "suites/diy/sector.toml"


def write(project, sector=SECTOR, models=MODELS):
    (project / "suites/diy").mkdir(parents=True, exist_ok=True)
    (project / "suites/models.toml").write_text(models, encoding="utf-8")
    (project / FILE).write_text(sector, encoding="utf-8")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


@pytest.fixture
def said(capsys):
    """Run a command that must succeed; its lines, spaces at both ends kept."""

    def run(*arguments):
        code = main(list(arguments))
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, "")
        return printed.out.splitlines()

    return run


def test_each_rule_of_a_pair_with_its_line(project, said):
    assert said("explain", "lite0", "parts") == [
        "lite0:parts, sector diy",
        f'  recall@1 >= 0.5  [{FILE}:9: thresholds."recall@1"]',
        f"  eer <= 0.1 (info)  [{FILE}:18: rules[1]]",
        "  recall@1 at the worst light >= 0.3 with confidence 0.9 (inconclusive: block) (warn)"
        f"  [{FILE}:23: rules[2]]",
        "lite0 on all datasets of diy",
        f"  mean recall@1 of the sector >= 0.55  [{FILE}:36: rules[4]]",
        f"  worst mrr of the sector >= 0.4 (warn)  [{FILE}:40: rules[5]]",
    ]


def test_only_the_effective_ones(project, said):
    """The threshold of the dataset in the place of the sector's, a slice, and a rule of one model."""
    assert said("explain", "domain-a", "tools") == [
        "domain-a:tools, sector diy",
        f'  recall@1 >= 0.6  [{FILE}:6: datasets.tools.thresholds."recall@1"]',
        f"  recall@5 >= 0.9 with confidence 0.95 (inconclusive: warn)  [{FILE}:11: rules[0]]",
        f"  eer <= 0.1 (info)  [{FILE}:18: rules[1]]",
        "  recall@1 at the worst light >= 0.3 with confidence 0.9 (inconclusive: block) (warn)"
        f"  [{FILE}:23: rules[2]]",
        f"  mrr where light = dim and view = top >= 0.25  [{FILE}:30: rules[3]]",
        "domain-a on all datasets of diy",
        f"  mean recall@1 of the sector >= 0.55  [{FILE}:36: rules[4]]",
    ]


def test_a_waiver_below_its_rule_with_its_own_line(project, said):
    lines = said("explain", "lite1", "parts")
    assert lines[1:3] == [
        f'  recall@1 >= 0.45  [{FILE}:9: thresholds."recall@1"]',
        f"    waived from 0.5 until 2999-12-31 by Ada: new lamps  [{FILE}:47: waivers[0]]",
    ]
    assert lines[-2:] == [
        f"  worst mrr of the sector >= 0.35 (warn)  [{FILE}:40: rules[5]]",
        f"    waived from 0.4 until 2999-12-31 by Bo: few tools  [{FILE}:57: waivers[1]]",
    ]
    assert "waived" not in "\n".join(said("explain", "lite1", "tools")[:-1])


def test_a_pair_without_a_rule(project, said):
    write(project, "[datasets.parts]\npath = 'parts.csv'\n")
    assert said("explain", "lite0", "parts") == [
        "lite0:parts, sector diy",
        "  no rule: it can be measured, but nothing can be accepted",
    ]


def test_a_suite_in_one_file(project, said):
    keys = re.sub(r"^(\[+)", r"\1sectors.diy.", SECTOR, flags=re.MULTILINE)
    (project / "bench.toml").write_text(
        "# the whole suite\n" + keys.partition("\n")[2] + "\n" + MODELS, encoding="utf-8"
    )
    lines = said("explain", "lite1", "parts", "bench.toml")
    assert lines[1:3] == [
        '  recall@1 >= 0.45  [bench.toml:9: sectors.diy.thresholds."recall@1"]',
        "    waived from 0.5 until 2999-12-31 by Ada: new lamps"
        "  [bench.toml:47: sectors.diy.waivers[0]]",
    ]


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (("lite2", "parts"), "model 'lite2', which nothing defines"),
        (("lite0", "part"), "dataset 'part', which nothing defines"),
        (("parts", "lite0"), "model 'parts', which nothing defines"),
        (("*", "parts"), "model '*', which nothing defines"),
        (("lite0", "diy"), "dataset 'diy', which nothing defines"),
    ],
)
def test_names_that_nothing_defines(project, capsys, names, wrong):
    assert main(["explain", *names]) == 4
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"prodbench: prodbench explain: {wrong}; expected a defined ")


@pytest.mark.parametrize(
    ("names", "nearest"),
    [(("lit0", "parts"), "lite0"), (("lite0", "tols"), "tools"), (("domian-a", "x"), "domain-a")],
)
def test_the_nearest_name_is_named(project, capsys, names, nearest):
    assert main(["explain", *names]) == 4
    assert f"did you mean '{nearest}'?" in capsys.readouterr().err


def test_the_options_of_a_run_are_taken_and_narrow_nothing(project, said):
    (project / "other.toml").write_text('[models]\nbig = "timm:resnet18"\n')
    narrowed = said("explain", "lite0", "parts", "--model", "lite1", "--dataset", "tools")
    assert narrowed == said("explain", "lite0", "parts")
    write(project, '[datasets.parts]\npath = "x"\n[thresholds]\nmrr = 0.5\n')
    lines = said("explain", "big", "parts", "--models-file", "other.toml")
    assert lines == ["big:parts, sector diy", f"  mrr >= 0.5  [{FILE}:4: thresholds.mrr]"]


@pytest.mark.parametrize("command", [["explain", "lite0", "parts"], ["list"], ["run"]])
@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        (
            "2999-12-31",
            "2020-12-31",
            "47: waivers[0]: a waiver that expired on 2020-12-31, owner Ada",
        ),
        ("2020-01-01", "2999-01-01", "47: waivers[0]: a waiver granted on 2999-01-01, and a clock"),
        ('models = "lite1"', 'models = "lite9"', "47: waivers[0]: models = 'lite9'"),
        ("min = 0.45", "min = 0.55", "47: waivers[0]: a waiver for recall@1 that makes no rule"),
        ("domain-*", "dmain-*", "11: rules[0]: models = 'dmain-*', datasets = '*', which match"),
        ("max = 0.1", "min = 0.1", "18: rules[1]: a min on eer, of which less is better"),
        (
            'metric = "eer"\nmax = 0.1\nseverity = "info"',
            'metric = "recall@1"\nmin = 0.1',
            '9: thresholds."recall@1": equally specific for lite0:parts, on recall@1, as '
            f"{FILE}:18: rules[1]",
        ),
    ],
    ids=["expired", "not yet", "nobody", "harder", "no pair", "wrong side", "twice"],
)
def test_a_policy_that_makes_no_sense_stops_every_command(
    project, capsys, command, before, after, wrong
):
    assert before in SECTOR
    write(project, SECTOR.replace(before, after))
    assert main(command) == 4
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"prodbench: {FILE}:{wrong}")
    assert not (project / "reports").exists()


def test_list_prints_the_rules_of_each_model(project, said):
    lines = said("list")
    assert lines[0] == "models"
    start, end = lines.index(f"sector diy, owner parts team ({FILE})"), lines.index("6 of 6 pairs")
    everyones = [
        f"eer <= 0.1 (info)  [{FILE}:18: rules[1]]",
        "recall@1 at the worst light >= 0.3 with confidence 0.9 (inconclusive: block) (warn)"
        f"  [{FILE}:23: rules[2]]",
    ]
    half = f'recall@1 >= 0.5  [{FILE}:9: thresholds."recall@1"]'
    tools = f'recall@1 >= 0.6  [{FILE}:6: datasets.tools.thresholds."recall@1"]'
    slices = f"mrr where light = dim and view = top >= 0.25  [{FILE}:30: rules[3]]"
    domain = f"recall@5 >= 0.9 with confidence 0.95 (inconclusive: warn)  [{FILE}:11: rules[0]]"
    mean = f"mean recall@1 of the sector >= 0.55  [{FILE}:36: rules[4]]"
    assert lines[start + 1 : end - 1] == [
        "  parts  manifest suites/diy/parts.csv",
        "    lite0",
        f"      {half}",
        *(f"      {line}" for line in everyones),
        "    lite1",
        f'      recall@1 >= 0.45  [{FILE}:9: thresholds."recall@1"]',
        f"        waived from 0.5 until 2999-12-31 by Ada: new lamps  [{FILE}:47: waivers[0]]",
        *(f"      {line}" for line in everyones),
        "    domain-a",
        f"      {half}",
        f"      {domain}",
        *(f"      {line}" for line in everyones),
        "  tools  manifest suites/diy/tools.csv",
        "    lite0, lite1",
        f"      {tools}",
        *(f"      {line}" for line in everyones),
        f"      {slices}",
        "    domain-a",
        f"      {tools}",
        f"      {domain}",
        *(f"      {line}" for line in everyones),
        f"      {slices}",
        "  all datasets together",
        "    lite0",
        f"      {mean}",
        f"      worst mrr of the sector >= 0.4 (warn)  [{FILE}:40: rules[5]]",
        "    lite1",
        f"      {mean}",
        f"      worst mrr of the sector >= 0.35 (warn)  [{FILE}:40: rules[5]]",
        f"        waived from 0.4 until 2999-12-31 by Bo: few tools  [{FILE}:57: waivers[1]]",
        "    domain-a",
        f"      {mean}",
    ]


def test_list_says_who_has_no_rule(project, said):
    text = '[datasets.parts]\npath = "x"\n[[rules]]\nmetric = "mrr"\nmin = 0.5\n'
    write(project, text + 'models = "lite0"\n')
    lines = said("list")
    start = lines.index("  parts  manifest suites/diy/x")
    assert lines[start + 1 : start + 5] == [
        "    lite0",
        f"      mrr >= 0.5  [{FILE}:3: rules[0]]",
        "    lite1, domain-a",
        "      no threshold: it can be measured, but nothing can be accepted",
    ]


def test_list_without_a_model_shows_what_holds_for_all(project, said):
    write(
        project,
        '[datasets.parts]\npath = "x"\n[thresholds]\nmrr = 0.5\n[[rules]]\nmetric = "mrr"\n'
        'min = 0.6\naggregate = "mean"\n',
        models="",
    )
    lines = said("list")
    start = lines.index("  parts  manifest suites/diy/x")
    assert lines[start + 1 :] == [
        f"    mrr >= 0.5  [{FILE}:4: thresholds.mrr]",
        "  all datasets together",
        f"    mean mrr of the sector >= 0.6  [{FILE}:5: rules[0]]",
        "",
        "0 of 0 pairs",
    ]

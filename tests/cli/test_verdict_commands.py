"""Commands on evidence alone: accept, gate, merge, thresholds suggest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib

import pytest

from pytest_prodbench.cli import main
from pytest_prodbench.evidence.baseline import read_baseline
from pytest_prodbench.evidence.store import RunFolder, read_evidence
from pytest_prodbench.evidence.types import stable

MODELS = """
[models]
one = { source = "timm:test_efficientnet", checkpoint = "random:1" }
two = { source = "timm:test_efficientnet", checkpoint = "random:2" }
"""
TEST = "def test_retrieval(prodbench):\n    prodbench.evaluate().check()\n"
MET = '[thresholds]\n"recall@1" = 0.01\n'
MISSED = '[thresholds]\n"recall@1" = 1.0\n'


class Here:
    """The working directory: a repository with finished runs."""

    def __init__(self, path, catalogs, cache):
        self.path, self.catalogs, self.cache = path, catalogs, cache

    def policy(self, diy=MET, retail=MET):
        for sector, name, rules in (("diy", "bolts", diy), ("retail", "boxes", retail)):
            folder = self.path / "suites" / sector
            folder.mkdir(parents=True, exist_ok=True)
            manifest = self.catalogs / name / "manifest.csv"
            text = f'[datasets.{name}]\npath = "{manifest}"\n{rules}'
            (folder / "sector.toml").write_text(text, encoding="utf-8")
            (folder / f"test_{sector}.py").write_text(TEST)
        (self.path / "suites/models.toml").write_text(MODELS)

    def git(self, *words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(self.path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self):
        self.git("init", "-q")
        (self.path / ".gitignore").write_text("reports/\n.prodbench/\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def run(self, name, *words, suites="suites"):
        return main(
            [
                *("run", suites, "--run", name, "--resamples", "100"),
                *("--cache-dir", str(self.cache), *words),
            ]
        )

    def evidence(self, name):
        return read_evidence(self.path / "reports" / name)

    def edited(self, name, **changes):
        """Another run with the evidence of one, but for some fields."""
        record = self.evidence("good").model_copy(update=changes | {"run": name})
        folder = RunFolder(self.path / "reports", name)
        shutil.copytree(self.path / "reports/good/queries", folder.path / "queries")
        folder.write_evidence(record)
        return f"reports/{name}"

    def baseline(self, role="production"):
        return read_baseline(self.path / "baselines" / role, f"baselines/{role}").record


@pytest.fixture(scope="module")
def template(tmp_path_factory, catalogs, warm_cache):
    """A committed suite with a run that everybody is happy with, and one of a model alone."""
    path = tmp_path_factory.mktemp("template")
    here = Here(path, catalogs, warm_cache)
    here.policy()
    here.commit()
    before = os.getcwd()  # noqa: PTH109 - what chdir takes back
    os.chdir(path)
    try:
        assert here.run("good") == 0
        assert here.run("narrow", "--model", "one") == 2
    finally:
        os.chdir(before)
    return path


@pytest.fixture
def here(template, tmp_path, monkeypatch, catalogs, warm_cache):
    path = tmp_path / "here"
    shutil.copytree(template, path)
    monkeypatch.chdir(path)
    return Here(path, catalogs, warm_cache)


def accept(run, *words, model="one", reason="the best so far"):
    named = [] if model is None else ["--model", model]
    return main(["accept", run, "--reason", reason, *named, *words])


def refused(capsys, run, said, *words, **more):
    assert accept(run, *words, **more) == 4
    message = capsys.readouterr().err
    assert said in message
    return message


# --- accept


def test_a_run_is_accepted(here, capsys):
    assert accept("reports/good") == 0
    said = capsys.readouterr().out
    assert "production: one, 2 datasets, run good (baselines/production, " in said
    assert "git add baselines/production && git commit" in said
    record = here.baseline()
    assert (record.role, record.model.name, record.run) == ("production", "one", "good")
    assert (record.reason, record.despite, record.verdict) == ("the best so far", None, "accept")
    assert record.commit == here.git("rev-parse", "HEAD")
    assert set(record.datasets) == {"bolts", "boxes"}
    run = here.evidence("good")
    for name, entry in record.datasets.items():
        pair = run.pair(f"one:{name}")
        assert entry.dataset == run.datasets[name]
        assert entry.metrics["recall@1"] == pair.measurement.metrics["recall@1"]
        data = [here.path / folder / entry.queries_file for folder in ("reports/good",)]
        data.append(here.path / "baselines/production" / entry.queries_file)
        assert data[0].read_bytes() == data[1].read_bytes()


def test_the_same_run_accepted_twice_is_the_same_files(here):
    found = []
    for _ in range(2):
        assert accept("reports/good") == 0
        folder = here.path / "baselines/production"
        found.append({p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_another_role(here):
    assert accept("reports/good", "--as", "shadow", model="two") == 0
    assert here.baseline("shadow").model.name == "two"
    assert not (here.path / "baselines/production").exists()


@pytest.mark.parametrize("role", ["..", "a/b", "", ".hidden", "/srv"])
def test_a_role_that_is_no_name(here, capsys, role):
    refused(capsys, "reports/good", "--as: role name", "--as", role)
    assert not (here.path / "baselines").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"model": None}, "--model: none named, and 2 models in the run; expected one of one, two"),
        ({"model": "tow"}, "--model: 'tow'; expected one of one, two; did you mean 'two'?"),
        ({"reason": " "}, "--reason: no words"),
    ],
)
def test_words_that_are_missing(here, capsys, more, said):
    refused(capsys, "reports/good", said, **more)
    assert not (here.path / "baselines").exists()


def test_a_despite_without_words(here, capsys):
    refused(capsys, "reports/good", "--despite: no words", "--despite", "")


def test_a_reason_must_be_given(here):
    with pytest.raises(SystemExit) as caught:
        main(["accept", "reports/good", "--model", "one"])
    assert caught.value.code == 2


def test_a_narrowed_run_is_not_accepted(here, capsys):
    said = "run narrow: a partial run (model one)"
    refused(capsys, "reports/narrow", said)
    refused(capsys, "reports/narrow", said, "--despite", "I am sure")
    # Also where the narrowing left out nothing.
    run = here.edited("k", selection=["-k one"])
    refused(capsys, run, "run k: a partial run (-k one)")
    assert not (here.path / "baselines").exists()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"dirty": True}, "a git tree that differed from its commit"),
        ({"dirty": None}, "files that no git commit holds"),
        ({"commit": None, "dirty": None}, "files that no git commit holds"),
    ],
)
def test_what_no_commit_holds_is_not_accepted(here, capsys, facts, said):
    host = here.evidence("good").host.model_copy(update=facts)
    run = here.edited("other", host=host)
    refused(capsys, run, said)
    refused(capsys, run, said, "--despite", "I am sure")


def test_a_tree_that_was_edited(here, capsys):
    (here.path / "suites/diy/note.md").write_text("x")
    assert here.run("dirty") == 0
    assert here.evidence("dirty").host.dirty is True
    refused(capsys, "reports/dirty", "differed from its commit")
    here.git("add", "-A")
    here.git("commit", "-q", "-m", "note")
    assert here.run("clean") == 0
    assert accept("reports/clean") == 0


def test_a_folder_that_is_no_repository(here, capsys):
    shutil.rmtree(here.path / ".git")
    assert here.run("bare") == 0
    assert here.evidence("bare").host.commit is None
    refused(capsys, "reports/bare", "no git commit holds")


@pytest.mark.parametrize("gate", ["report", "off"])
def test_a_run_that_was_not_judged_is_not_accepted(here, capsys, gate):
    run = here.edited("other", gate=gate)
    refused(capsys, run, f"a run whose gate was set to {gate}")
    refused(capsys, run, f"a run whose gate was set to {gate}", "--despite", "I am sure")


def test_a_model_that_failed_needs_a_despite(here, capsys):
    here.policy(diy=MISSED)
    here.git("commit", "-q", "-a", "-m", "stricter")
    assert here.run("missed") == 1
    message = refused(capsys, "reports/missed", "one is not accepted: reject", model="one")
    assert "one:bolts: reject" in message
    assert accept("reports/missed", "--despite", "production is down", model="one") == 0
    record = here.baseline()
    assert (record.despite, record.verdict) == ("production is down", "reject")
    # It stands in every run that is compared with it.
    here.git("add", "-A")
    here.git("commit", "-q", "-m", "baseline")
    capsys.readouterr()
    here.run("next")
    said = "production was accepted although it failed: production is down"
    assert said in capsys.readouterr().out
    for name in ("summary.md", "index.html", "junit.xml"):
        assert "production is down" in (here.path / "reports/next" / name).read_text(), name
    assert here.evidence("next").baseline.despite == "production is down"


def test_a_despite_for_a_model_that_needs_none_is_not_recorded(here):
    assert accept("reports/good", "--despite", "to be sure") == 0
    assert here.baseline().despite is None


def test_a_pair_that_was_lost_is_never_accepted(here, capsys):
    good = here.evidence("good")
    pairs = [
        pair.model_copy(
            update={
                "status": "lost",
                "verdict": "incomplete",
                "measurement": None,
                "checks": [],
                "queries_file": None,
                "queries_digest": None,
            }
        )
        if pair.name == "one:bolts"
        else pair
        for pair in good.pairs
    ]
    run = here.edited("lost", pairs=pairs, candidates={"one": "incomplete", "two": "accept"})
    for words in ((), ("--despite", "I am sure")):
        refused(capsys, run, "no result of one:bolts", *words)
    assert accept(run, model="two") == 0


def test_evidence_that_was_damaged_is_not_accepted(here, capsys):
    path = here.path / "reports/good/queries/one@bolts.parquet"
    path.write_bytes(path.read_bytes() + b"!")
    refused(capsys, "reports/good", "one@bolts.parquet")
    refused(capsys, "reports/nowhere", "reports/nowhere: no folder")
    assert not (here.path / "baselines").exists()


def test_a_run_of_one_sector_takes_nothing_from_the_others(here, capsys):
    """A run of its folder is not partial; the baseline of the whole suite would lose the rest."""
    assert accept("reports/good") == 0
    here.git("add", "-A")
    here.git("commit", "-q", "-m", "baseline")
    assert here.run("diy", suites="suites/diy") == 0
    said = refused(capsys, "reports/diy", "nothing of retail, which baselines/production has")
    assert "prodbench merge" in said
    assert set(here.baseline().datasets) == {"bolts", "boxes"}


# --- gate


@pytest.fixture
def accepted(here, capsys):
    assert accept("reports/good") == 0
    capsys.readouterr()
    return here


def gate(*words, run="reports/good"):
    return main(["gate", run, *words])


def test_a_run_judged_again_by_its_own_rules(here, capsys):
    assert gate() == 0
    said = capsys.readouterr().out
    assert "ACCEPT: 4 pairs planned, 4 selected, 4 evaluated" in said
    assert "no baseline yet" in said


def test_judging_again_writes_nothing_unless_asked(here):
    before = {p: p.read_bytes() for p in (here.path / "reports").rglob("*") if p.is_file()}
    assert gate() == 0
    assert {p: p.read_bytes() for p in (here.path / "reports").rglob("*") if p.is_file()} == before


def test_judged_by_other_rules(here, capsys):
    here.policy(diy=MISSED)
    assert gate("--policy", "suites") == 1
    assert "diy: REJECT" in capsys.readouterr().out
    assert gate() == 0, "the rules that it was made with"
    here.policy(diy="")
    assert gate("--policy", "suites") == 2
    assert here.evidence("good").verdict == "accept"


def test_judged_against_a_baseline(accepted, capsys):
    drops = {}
    for sector, name in (("diy", "bolts"), ("retail", "boxes")):
        before, after = (
            accepted.evidence("good").pair(f"{m}:{name}").measurement.metrics["mrr"].value
            for m in ("one", "two")
        )
        drops[sector] = before - after
    sector = max(drops, key=drops.get)
    name = {"diy": "bolts", "retail": "boxes"}[sector]
    assert drops[sector] > 0.0, "model two is worse somewhere"
    accepted.policy(**{sector: MET + '"mrr" = { max_drop = 0.0 }\n'})
    words = ("--policy", "suites", "--baseline", "production", "--out", "reports/again")
    assert gate(*words) == 1
    said = capsys.readouterr().out
    assert "compared with production: one" in said
    record = accepted.evidence("again")
    assert record.candidates == {"one": "accept", "two": "reject"}
    (check,) = [c for c in record.pair(f"two:{name}").checks if c.bound == "max_drop"]
    assert (check.outcome, check.value) == ("fails", pytest.approx(drops[sector], abs=2e-10))
    assert record.pair(f"one:{name}").comparison.changes["mrr"].drop.value == 0.0
    assert (record.run, record.baseline.model) == ("again", "one")
    for file in ("index.html", "junit.xml", "summary.md"):
        assert (accepted.path / "reports/again" / file).exists()
    # Without the baseline the same rules demand no more than the rest of them.
    assert gate("--policy", "suites") == 0


@pytest.mark.parametrize("text", ["production", "baselines/production"])
def test_a_baseline_by_role_or_by_folder(accepted, capsys, text):
    assert gate("--baseline", text) == 0
    assert "compared with production: one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baseline", "staging"], "baselines/staging/baseline.json: no readable baseline"),
        (["--baseline", "some/folder"], "some/folder/baseline.json: no readable baseline"),
        (["--policy", "nowhere"], "nowhere: nothing"),
        (["--policy", "reports"], "no sector.toml in it"),
        (["--out", "reports/good"], "a run of this name"),
    ],
)
def test_mistakes_of_the_gate_exit_with_4(here, capsys, words, said):
    assert gate(*words) == 4
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[thresholds]\n"recal@1" = 0.5\n', "did you mean 'recall'"),
        ('[thresholds]\n"recall@1" = 0.0\n', "else everything passes"),
        ('[[rules]]\nmetric = "mrr"\nmodels = "three"\nmin = 0.1\n', "match no pair"),
        (
            MET + '[[waivers]]\nmetric = "recall@1"\nmin = 0.005\nreason = "r"\nowner = "o"\n'
            "granted = 2020-01-01\nexpires = 2020-12-31\n",
            "a waiver that expired on 2020-12-31",
        ),
        (
            MET + '[[waivers]]\nmetric = "recall@1"\nmin = 0.005\nreason = "r"\nowner = "o"\n'
            "granted = 2999-01-01\nexpires = 2999-12-31\n",
            "a clock that says",
        ),
    ],
    ids=["unknown metric", "everything passes", "matches nothing", "expired", "not yet"],
)
def test_a_policy_that_makes_no_sense_judges_nothing(here, capsys, text, said):
    here.policy(diy=text)
    assert gate("--policy", "suites") == 4
    assert said in capsys.readouterr().err


def test_a_damaged_baseline_judges_nothing(accepted, capsys):
    (accepted.path / "baselines/production/queries/one@bolts.parquet").write_bytes(b"x")
    assert gate("--baseline", "production") == 4
    assert "one@bolts.parquet" in capsys.readouterr().err


def test_a_dataset_that_changed_is_compared_only_if_asked(accepted, capsys):
    accepted.policy(diy='[thresholds]\n"recall@1" = { min = 0.01, max_drop = 0.9 }\n')
    path = accepted.path / "baselines/production/baseline.json"
    data = json.loads(path.read_text())
    data["datasets"]["bolts"]["dataset"]["content_digest"] = "0" * 64
    path.write_text(json.dumps(data))
    words = ("--policy", "suites", "--baseline", "production")
    assert gate(*words) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "the content of the dataset changed" in said
    assert gate(*words, "--rebase") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "compared although the content of the dataset changed" in said
    assert "on 12 queries" in said


# --- merge


def test_shards_joined_are_what_one_run_says(here, capsys):
    assert here.run("one-run") == 0
    assert here.run("diy", "--sector", "diy") == 2
    assert here.run("retail", "--sector", "retail") == 2
    capsys.readouterr()
    words = ["reports/diy", "reports/retail"]
    assert main(["merge", *words, "--out", "reports/whole"]) == 0
    assert "ACCEPT: 4 pairs planned, 4 selected, 4 evaluated" in capsys.readouterr().out
    assert stable(here.evidence("whole")) == stable(here.evidence("one-run"))
    for file in (here.path / "reports/good/queries").iterdir():
        assert (here.path / "reports/whole/queries" / file.name).read_bytes() == file.read_bytes()
    assert main(["merge", *words[::-1], "--out", "reports/turned"]) == 0
    assert stable(here.evidence("turned")) == stable(here.evidence("whole"))
    assert accept("reports/whole") == 0


def test_what_no_shard_has_is_not_run(here, capsys):
    """One shard was made in another folder: photos have another root, and are the same."""
    assert here.run("diy", "--sector", "diy") == 2
    assert main(["merge", "reports/diy", "reports/narrow", "--out", "reports/part"]) == 2
    record = here.evidence("part")
    assert record.pair("two:boxes").status == "not run"
    refused(capsys, "reports/part", "a partial run")


def test_shards_that_do_not_belong_together(here, capsys):
    host = here.evidence("good").host.model_copy(update={"commit": "b" * 40})
    other = here.edited("other", host=host)
    assert main(["merge", "reports/good", other, "--out", "reports/x"]) == 4
    message = capsys.readouterr().err
    assert all(part in message for part in ("commit", "run other", "run good"))
    assert not (here.path / "reports/x").exists()


def test_merged_runs_get_a_name_of_their_own(here):
    assert main(["merge", "reports/good"]) == 0
    (folder,) = (here.path / "reports").glob("merged-*")
    assert read_evidence(folder).run == folder.name


# --- thresholds suggest


def test_suggested_thresholds_are_those_that_the_run_meets(here, capsys):
    assert main(["thresholds", "suggest", "reports/good"]) == 0
    text = capsys.readouterr().out
    found = {}
    for part in text.split("# suites/")[1:]:
        sector, _, rest = part.partition("/sector.toml\n")
        found[sector] = tomllib.loads(rest)
    assert set(found) == {"diy", "retail"}
    for sector, name in (("diy", "bolts"), ("retail", "boxes")):
        path = here.path / f"suites/{sector}/sector.toml"
        head = path.read_text().partition("[thresholds]")[0]
        part = text.partition(f"# suites/{sector}/sector.toml\n")[2].partition("\n# suites/")[0]
        path.write_text(head + part)
        limits = found[sector]["datasets"][name]["thresholds"]
        best = max(
            here.evidence("good").pair(f"{m}:{name}").measurement.metrics["recall@1"].low
            for m in ("one", "two")
        )
        assert limits["recall@1"] <= best
    # The best model of each dataset meets them.
    main(["gate", "reports/good", "--policy", "suites", "--out", "reports/judged"])
    judged = here.evidence("judged")
    for name in ("bolts", "boxes"):
        assert "accept" in {judged.pair(f"{m}:{name}").verdict for m in ("one", "two")}


def test_a_model_meets_what_is_suggested_for_it(here, capsys):
    words = ["--model", "two", "--metric", "recall@5", "--metric", "instance_gap"]
    assert main(["thresholds", "suggest", "reports/good", *words]) == 0
    text = capsys.readouterr().out
    for sector in ("diy", "retail"):
        path = here.path / f"suites/{sector}/sector.toml"
        part = text.partition(f"# suites/{sector}/sector.toml\n")[2].partition("\n# suites/")[0]
        path.write_text(path.read_text().partition("[thresholds]")[0] + part)
    main(["gate", "reports/good", "--policy", "suites", "--out", "reports/judged"])
    assert here.evidence("judged").candidates["two"] == "accept"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "tow"], "--model tow: no such model in the run"),
        (["--metric", "recal@1"], "did you mean 'recall'"),
        (["--metric", "recall@77"], "no value of recall@77"),
    ],
)
def test_what_cannot_be_suggested(here, capsys, words, said):
    assert main(["thresholds", "suggest", "reports/good", *words]) == 4
    assert said in capsys.readouterr().err


# --- run


def test_a_run_finds_the_accepted_one_by_itself(accepted, capsys):
    assert accepted.run("next") == 0
    said = capsys.readouterr().out
    assert "compared with production: one" in said
    assert accepted.evidence("next").pair("two:bolts").comparison.model == "one"


def test_a_run_against_a_baseline_that_is_damaged_embeds_nothing(accepted, capsys):
    (accepted.path / "baselines/production/baseline.json").write_text("{")
    assert accepted.run("next") == 4
    assert "baselines/production/baseline.json: no readable baseline" in capsys.readouterr().err
    assert not (accepted.path / "reports/next").exists()


@pytest.mark.parametrize("gate", ["report", "off"])
def test_a_gate_that_is_not_enforced_exits_with_0_and_says_so(here, capsys, gate):
    here.policy(diy=MISSED)
    assert here.run("x", "--gate", gate) == 0
    assert {"report": "GATE SET TO REPORT", "off": "GATE OFF"}[gate] in capsys.readouterr().out
    assert here.run("y", "--gate", gate, "--model", "one") == 2


def test_a_full_decision_can_be_required(here):
    assert here.run("x", "--require-full") == 0
    assert here.run("y", "--require-full", "--gate", "off") == 2, "nothing was decided"


# --- compare


def test_production_against_a_run(here, capsys):
    assert accept("reports/good") == 0
    capsys.readouterr()
    assert main(["compare", "production", "reports/good", "--after", "two"]) == 0
    said = capsys.readouterr().out
    assert "diy: bolts: one → two" in said
    assert "retail: boxes: one → two" in said
    assert "corrected for 2 comparisons" in said
    assert main(["compare", "baselines/production", "reports/good", "--after", "two"]) == 0
    assert capsys.readouterr().out == said


def test_a_run_against_itself_changes_nothing(here, capsys):
    assert main(["compare", "reports/good", "reports/good"]) == 0
    said = capsys.readouterr().out
    for pair in ("bolts: one → one", "bolts: two → two", "boxes: one → one", "boxes: two → two"):
        assert pair in said
    assert "newly failing: " not in said
    changes = [line for line in said.splitlines() if line.startswith("  recall@1 ")]
    assert len(changes) == 4
    assert all("+0.0000" in line for line in changes)


def test_a_page_with_photos(template, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(template)  # where the photos are found from
    file = tmp_path / "changes.html"
    words = ["--before", "one", "--after", "two", "--html", str(file)]
    assert main(["compare", "reports/good", "reports/good", *words]) == 0
    page = file.read_text(encoding="utf-8")
    assert str(file) in capsys.readouterr().out
    assert "data:image/jpeg;base64," in page
    assert "Newly failing" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reports/good", "reports/gone"], "reports/gone: no folder"),
        (["nobody", "reports/good"], "nobody: no folder"),
        (
            ["reports/good", "reports/good", "--after", "three"],
            "model 'three'; expected one of one, two",
        ),
        (["reports/good", "reports/good", "--before", "x"], "--before: model 'x'"),
    ],
)
def test_what_cannot_be_compared(here, capsys, words, said):
    assert main(["compare", *words]) == 4
    assert said in capsys.readouterr().err


# --- what was bent, what was killed


def test_a_run_that_was_judged_by_other_rules_is_no_baseline(here, capsys):
    here.policy(diy=MISSED)
    assert here.run("strict") == 1
    here.policy()
    assert main(["gate", "reports/strict", "--policy", "suites", "--out", "reports/bent"]) == 0
    assert "judged by other rules than it was made with" in capsys.readouterr().out
    refused(capsys, "reports/bent", "overridden thresholds")
    refused(capsys, "reports/bent", "overridden thresholds", "--despite", "please")
    assert main(["merge", "reports/bent", "--out", "reports/merged"]) == 0
    refused(capsys, "reports/merged", "overridden thresholds")
    # By the rules that it was made with it is what it was.
    assert main(["gate", "reports/good", "--policy", "suites", "--out", "reports/same"]) == 0
    assert not here.evidence("same").overridden
    assert accept("reports/same") == 0


def test_a_shard_that_was_killed_is_joined_as_far_as_it_came(here, capsys):
    folder = here.path / "reports/good"
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "journal.jsonl").write_bytes(b"".join(lines[:-1]))
    (folder / "evidence.json").unlink()
    assert main(["merge", "reports/good", "--out", "reports/merged"]) == 2
    said = capsys.readouterr().out
    assert "the run was killed before this pair was reported" in said.replace("\n    ", " ")
    assert len(here.evidence("merged").evaluated) == 3

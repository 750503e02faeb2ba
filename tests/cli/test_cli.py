"""The ``prodbench`` command as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from pytest_prodbench.cli import main
from pytest_prodbench.evidence.types import stable


@pytest.fixture
def here(repository, monkeypatch):
    monkeypatch.chdir(repository.path)
    monkeypatch.setenv("PRODBENCH_CACHE_DIR", str(repository.cache))
    return repository


def test_run_gives_the_evidence_that_pytest_gives(here):
    assert here.run("-p", "no:xdist", name="by-pytest").ret == 0
    assert main(["run", "suites", "--run", "by-command", "--resamples=200"]) == 0
    assert stable(here.evidence("by-command")) == stable(here.evidence("by-pytest"))


def test_run_says_with_its_exit_code_what_it_decided(here, capsys):
    assert main(["run", "--sector", "diy"]) == 2, "narrowed: not everything planned was evaluated"
    assert "PARTIAL: narrowed by sector diy" in capsys.readouterr().out
    here.sector("diy", "bolts", minimum=1.0)
    assert main(["run"]) == 1
    assert "short by" in capsys.readouterr().out


def test_one_file_with_a_whole_suite(here, capsys):
    manifest = here.catalogs / "bolts" / "manifest.csv"
    here.write(
        "bench.toml",
        f"""
[models]
one = {{ source = "timm:test_efficientnet", checkpoint = "random:1" }}
[sectors.diy.datasets.bolts]
path = "{manifest}"
[sectors.diy.thresholds]
"recall@1" = 0.01
[run]
resamples = 300
""",
    )
    assert main(["run", "bench.toml", "--run", "bench"]) == 0
    assert here.evidence("bench")["policy_files"] == ["bench.toml"]
    assert here.pairs("bench")["one:bolts"]["measurement"]["resamples"] == 300
    assert main(["run", "bench.toml", "suites"]) == 4
    assert "expected that file alone" in capsys.readouterr().err


def test_list_shows_every_rule_with_its_file(here, capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert 'recall@1 >= 0.01  [suites/diy/sector.toml:4: thresholds."recall@1"]' in said
    assert "4 of 4 pairs" in said
    assert "one:boxes" in said
    assert main(["list", "--model", "two"]) == 0
    assert "2 of 4 pairs" in capsys.readouterr().out


def test_reports_can_be_made_again_from_the_evidence_alone(here):
    here.run("-p", "no:xdist")
    folder = here.path / "reports/run"
    before = {
        name: (folder / name).read_bytes() for name in ("index.html", "junit.xml", "summary.md")
    }
    for name in before:
        (folder / name).unlink()
    shutil.rmtree(here.path / "suites")
    assert main(["report", "reports/run"]) == 0
    assert {name: (folder / name).read_bytes() for name in before} == before
    (folder / "junit.xml").unlink()
    assert main(["report", "reports/run", "--kind", "junit"]) == 0
    assert (folder / "junit.xml").read_bytes() == before["junit.xml"]


def test_a_run_that_was_killed_is_recovered_from_its_journal(here):
    here.write(
        "conftest.py",
        "import os, signal\n"
        "def pytest_runtest_logfinish(nodeid):\n"
        "    if 'two:bolts' in nodeid:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    command = [sys.executable, "-m", "pytest", "suites", "-p", "no:xdist", "--prodbench-run=dead"]
    done = subprocess.run(
        command, cwd=here.path, env=dict(os.environ), capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert not (here.path / "reports/dead/evidence.json").exists()
    assert main(["report", "reports/dead"]) == 0
    statuses = {name: pair["status"] for name, pair in here.pairs("dead").items()}
    assert statuses == {
        "one:bolts": "evaluated",
        "one:boxes": "evaluated",
        "two:bolts": "evaluated",
        "two:boxes": "lost",
    }
    assert here.evidence("dead")["verdict"] == "incomplete"
    assert (here.path / "reports/dead/index.html").exists()


def test_init_writes_a_suite_that_collects(pytester, monkeypatch, capsys):
    monkeypatch.chdir(pytester.path)
    assert main(["init"]) == 0
    assert "suites/retail/sector.toml" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert "4 of 4 pairs" in capsys.readouterr().out
    result = pytester.runpytest_subprocess("suites", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["suites/diy/test_diy.py::test_retrieval?lite0:diy?"])
    # Without photos the run says where they are expected.
    result = pytester.runpytest_subprocess("suites", "-k", "diy", "-p", "no:xdist")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*lite0:diy: *data/diy/manifest.csv*"])


def test_init_overwrites_nothing(pytester, monkeypatch, capsys):
    monkeypatch.chdir(pytester.path)
    assert main(["init", "bench", "--sector", "returns-desk"]) == 0
    path = pytester.path / "bench/returns-desk/sector.toml"
    path.write_text("mine")
    (pytester.path / "bench/models.toml").unlink()
    assert main(["init", "bench", "--sector", "returns-desk"]) == 4
    assert "bench/returns-desk/sector.toml" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert not (pytester.path / "bench/models.toml").exists()
    assert main(["init", "bench", "--sector", "a b"]) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nowhere"], "nowhere: nothing"),
        (["run", "--model", "nonsuch"], "--model nonsuch: model 'nonsuch'"),
        (["run", "--batch-size", "x"], "--batch-size: 'x'"),
        (["run", "--resamples", "3"], "--resamples"),
        (["run", "reports"], "no sector.toml in it"),
        (["report", "nowhere"], "nowhere: no folder"),
        (["report", "suites"], "no journal"),
        (["download", "nonsuch"], "model or published set 'nonsuch'"),
        (["download", "tim:x"], "did you mean 'timm'?"),
        (["run", "--device", "cuda:9"], "cuda:9"),
    ],
)
def test_mistakes_are_named_and_exit_with_4(here, capsys, arguments, said):
    (here.path / "reports").mkdir()
    code = main(arguments)
    assert code == 4
    assert said in capsys.readouterr().err


def test_download_takes_all_models_of_a_file(here, capsys):
    """Without a network the first one says so; packaged weights need none."""
    here.write("more.toml", '[models]\nlite0 = "timm:tf_efficientnet_lite0"\n')
    assert main(["download", "--models-file", "more.toml"]) == 0
    assert "lite0: " in capsys.readouterr().out
    assert (
        main(["download", "lite0", "timm:tf_efficientnet_lite1", "--models-file", "more.toml"]) == 0
    )
    assert capsys.readouterr().out.count(".pth") == 2


def test_the_help_of_the_command_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from pytest_prodbench.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'numpy', 'pydantic'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "init" in done.stdout


def test_evidence_of_a_command_is_json_with_sorted_keys(here):
    main(["run", "--run", "x", "--model", "one"])
    text = (here.path / "reports/x/evidence.json").read_text(encoding="utf-8")
    data = json.loads(text)
    assert list(data) == sorted(data)


@pytest.mark.parametrize("text", ['{"kind": "plan"}', '{"kind": "plan", "planned": 3}'])
def test_a_journal_that_nobody_wrote_is_a_message_and_no_traceback(tmp_path, capsys, text):
    (tmp_path / "journal.jsonl").write_text(text + "\n")
    assert main(["report", str(tmp_path)]) == 4
    assert "no run of this release wrote" in capsys.readouterr().err


def test_what_breaks_one_pair_costs_that_pair(here, monkeypatch, capsys):
    """A traceback would leave with 1, which means reject, and with no evidence of the others."""
    from pytest_prodbench.evaluation.bench import Bench

    real = Bench.evaluate

    def broken(self, plan, *rest):
        if plan.name == "one:bolts":
            raise OSError(28, "No space left on device", str(here.path / "x"))
        return real(self, plan, *rest)

    monkeypatch.setattr(Bench, "evaluate", broken)
    assert main(["run", "suites", "--cache-dir", str(here.cache), "--run", "run"]) == 2
    pairs = here.pairs()
    assert pairs["one:bolts"]["error"] == "OSError: [Errno 28] No space left on device: 'x'"
    assert {p["verdict"] for name, p in pairs.items() if name != "one:bolts"} == {"accept"}


def test_who_reads_the_beginning_only_gets_no_traceback():
    """As ``prodbench download --list | head -1``: the pipe is closed while there is more to say."""
    listed = [
        sys.executable,
        "-c",
        "import sys; from pytest_prodbench.cli import main; sys.exit(main())",
    ]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*listed, "download", "--list"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")

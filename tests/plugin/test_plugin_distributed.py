"""Serial and parallel give the same evidence; a dead worker costs its pair and nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pytest_prodbench.evidence.types import stable

PREPROCESS = {"size": 96, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
"""As of the other two models of a cold repository."""

WAYS = [["-p", "no:xdist"], ["-n0"], ["-n1"], ["-n2"], ["-n3"]]

KILLER = """
import os, signal
from pathlib import Path

def pytest_prodbench_register(catalog):
    from pytest_prodbench.models.module import ModuleLibrary

    class Deadly(ModuleLibrary):
        '''The real library, whose process is killed in the middle of the first embedding, once.'''

        def load(self, spec, device):
            embedder = super().load(spec, device)
            real, calls = embedder.embed, []

            def embed(batch):
                calls.append(1)
                if len(calls) == 3 and {condition}:
                    Path({marker!r}).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(batch)

            embedder.embed = embed
            return embedder

    catalog.add_library("deadly", Deadly)
    # Torch itself: the proof of an engine would take the forward passes that are counted here.
    catalog.add_model("zed", "deadly:small_network:zed", preprocess={preprocess}, engine="torch")
"""


def test_the_same_evidence_from_every_way_to_run(cold_repository, tmp_path):
    """Each way starts with an empty cache, so that schedule and batches really differ."""
    found = []
    for number, way in enumerate(WAYS):
        result = cold_repository.run(*way, cache=tmp_path / f"cache-{number}", name=f"run-{number}")
        assert result.ret == 0, result.stdout.str()
        evidence = stable(cold_repository.evidence(f"run-{number}"))
        assert evidence["pairs"]
        found.append(evidence)
    for way, evidence in zip(WAYS[1:], found[1:], strict=True):
        assert evidence == found[0], way


def mortal(repository, tmp_path, condition="not Path({marker!r}).exists()"):
    marker = str(tmp_path / "killed")
    condition = condition.format(marker=marker)
    repository.write(
        "conftest.py", KILLER.format(condition=condition, marker=marker, preprocess=PREPROCESS)
    )
    return Path(marker)


@pytest.mark.parametrize("workers", ["-n1", "-n2", "-n3"])
def test_a_killed_worker_costs_its_pair_and_the_next_run_takes_it_up(
    cold_repository, tmp_path, workers
):
    marker = mortal(cold_repository, tmp_path)
    result = cold_repository.run(workers, "--junitxml=own.xml")
    assert marker.exists()
    assert result.ret == 1
    pairs = cold_repository.pairs()
    lost = [name for name, pair in pairs.items() if pair["status"] == "lost"]
    assert len(lost) == 1
    assert lost[0].startswith("zed:")
    assert all(pair["verdict"] == "accept" for name, pair in pairs.items() if name not in lost)
    assert cold_repository.evidence()["verdict"] == "incomplete"
    result.stdout.fnmatch_lines([f"{lost[0]}: lost: worker 'gw*' crashed*run again to take it up"])
    assert "/" not in pairs[lost[0]]["error"].replace("suites/diy/", "").replace(
        "suites/retail/", ""
    )
    cases = list(ET.parse(cold_repository.path / "own.xml").iter("testcase"))
    broken = [case.attrib["name"] for case in cases if len(case)]
    sector = "diy" if lost[0].endswith("bolts") else "retail"
    assert broken == [f"test_retrieval[{lost[0]}]", f"sector[{sector}]", "candidate[zed]"]
    assert len(cases) == 6 + 2 + 3
    own = ET.parse(cold_repository.path / "reports/run/junit.xml")
    assert lost[0] in {case.attrib["name"] for case in own.iter("testcase") if len(case)}
    again = cold_repository.run(workers, name="again")
    assert again.ret == 0, again.stdout.str()
    assert cold_repository.evidence("again")["verdict"] == "accept"


def test_what_was_embedded_before_the_kill_is_taken_up(cold_repository, tmp_path):
    mortal(cold_repository, tmp_path)
    text = (cold_repository.path / "conftest.py").read_text()
    # Write a block after every batch, as a long run does after every few seconds.
    text = "import pytest_prodbench.embedding.embed as e\ne.BLOCK_IMAGES = 1\n" + text
    cold_repository.write("conftest.py", text)
    cold_repository.run("-n1", "--prodbench-model=zed")
    lost = [n for n, pair in cold_repository.pairs().items() if pair["status"] == "lost"]
    cold_repository.run("-p", "no:xdist", "--prodbench-model=zed", name="again")
    timing = cold_repository.pairs("again")[lost[0]]["timing"]
    assert timing["images_cached"] == 8  # two batches of four
    assert timing["images_embedded"] == 10


@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_no_worker_left_is_never_a_pass_and_never_a_hang(cold_repository, tmp_path, workers):
    """Every process that embeds with this model dies, and none is replaced."""
    mortal(cold_repository, tmp_path, condition="True")
    result = cold_repository.run(
        workers, "--max-worker-restart=0", "--junitxml=own.xml", "--prodbench-model=zed"
    )
    assert result.ret not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    pairs = cold_repository.pairs()
    assert {pairs["zed:bolts"]["status"], pairs["zed:boxes"]["status"]} == {"lost"}
    assert cold_repository.evidence()["verdict"] == "incomplete"
    cases = ET.parse(cold_repository.path / "own.xml").iter("testcase")
    broken = [case for case in cases if len(case) and case[0].tag != "skipped"]
    assert len(broken) == 2 + 2 + 1  # the pairs, their sectors and their model


def test_auto_is_never_more_workers_than_pairs(repository):
    result = repository.run(
        "-n", "auto", "-k", "bolts", "--prodbench-model=one", "--prodbench-dataset=bolts"
    )
    result.stdout.fnmatch_lines(["created: 1/1 worker"])
    assert repository.evidence()["host"]["workers"] == 1


def test_auto_is_left_to_xdist_where_no_pair_is_planned(pytester):
    pytester.makepyfile("def test_a(): pass")
    pytester.runpytest_subprocess("-n", "auto").assert_outcomes(passed=1)


@pytest.mark.parametrize("dist", ["loadscope", "loadfile", "worksteal", "each"])
def test_other_distributions_stay_available(repository, dist):
    result = repository.run("-n2", f"--dist={dist}")
    assert result.ret == 0
    assert repository.evidence()["verdict"] == "accept"


def test_workers_judge_by_the_rules_the_controller_read(repository):
    """An edit between the start of the controller and that of a worker must not split the verdict."""
    repository.write(
        "conftest.py",
        """
from pathlib import Path
def pytest_configure_node(node):
    path = Path("suites/diy/sector.toml")
    path.write_text(path.read_text() + "# edited\\n")
""",
    )
    result = repository.run("-n2")
    assert result.ret != 0
    assert "was edited while the run was" in result.stdout.str() + result.stderr.str()


def test_each_worker_gets_its_own_gpu_of_those_that_are_visible(repository, monkeypatch):
    """An index into the outer CUDA_VISIBLE_DEVICES; here there is no GPU, so the test only reads it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    test = (
        "import os\n"
        "def test_it(prodbench, worker_id):\n"
        "    assert os.environ['CUDA_VISIBLE_DEVICES'] == {'gw0': '5', 'gw1': '7'}[worker_id]\n"
        "    prodbench.evaluate().check()\n"
    )
    repository.sector("diy", "bolts", test=test)
    repository.sector("retail", "boxes", test=test)
    result = repository.run("-n2")
    assert result.ret == 0, result.stdout.str()


def test_threads_are_divided_among_workers(cold_repository):
    """One torch thread a worker unless told otherwise; with more threads each, fewer workers."""
    test = (
        "import sys\n"
        "def test_it(prodbench):\n"
        "    prodbench.evaluate().check()\n"
        "    assert sys.modules['torch'].get_num_threads() == {threads}\n"
    )
    from pytest_prodbench.embedding.device import cpu_count

    cold_repository.sector("diy", "bolts", test=test.replace("{threads}", "1"))
    narrow = ["--prodbench-sector=diy"]
    assert cold_repository.run("-n2", *narrow).ret == 0
    cold_repository.sector("diy", "bolts", test=test.replace("{threads}", str(cpu_count())))
    more = [
        f"--prodbench-threads={cpu_count()}",
        f"--prodbench-cache-dir={cold_repository.path}/c2",
    ]
    result = cold_repository.pytester.runpytest_subprocess("suites", "-n", "auto", *narrow, *more)
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(["created: 1/1 worker"])

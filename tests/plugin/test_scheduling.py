"""The scheduler against a simulation of xdist's protocol: nothing lost, nothing twice, never stuck."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.plugin.scheduling import QUEUE, ModelScheduling


class Log:
    def __getattr__(self, name):
        return lambda *args: None


class Worker:
    """What xdist's worker does: runs an item once it knows the next one or that there is none."""

    def __init__(self, number):
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.queue = []
        self.ended = False
        self.shutting_down = False
        self.loaded = []

    def send_runtest_some(self, indices):
        assert not self.shutting_down
        self.queue += indices

    def shutdown(self):
        self.shutting_down = True

    @property
    def can_run(self):
        return bool(self.queue) and (len(self.queue) >= QUEUE or self.shutting_down)


def model_of(nodeid):
    return nodeid.partition(":")[0]


def simulate(collection, workers, choose, crashes=(), restart=True):
    """Drive a run to its end; return (executed, crashed, workers)."""
    config = SimpleNamespace(
        getvalue=lambda name: ["popen"] * workers if name == "tx" else None,
        option=SimpleNamespace(tx=["popen"] * workers),
        hook=SimpleNamespace(pytest_collectreport=lambda report: None),
    )
    scheduler = ModelScheduling(config, Log(), model_of)
    scheduler._expected = workers
    live = [Worker(number) for number in range(workers)]
    everyone = list(live)
    for node in live:
        scheduler.add_node(node)
    for node in live:
        scheduler.add_node_collection(node, collection)
        if scheduler.collection_is_completed:
            scheduler.schedule()
    executed, crashed, step = [], [], 0
    while True:
        if scheduler.tests_finished:
            for node in live:
                node.shutdown()
        able = [node for node in live if node.can_run]
        if not able:
            break
        node = able[choose(len(able))]
        step += 1
        if step in crashes:
            live.remove(node)
            crashed.append(scheduler.remove_node(node))
            if restart:
                fresh = Worker(len(everyone))
                everyone.append(fresh)
                live.append(fresh)
                scheduler.add_node(fresh)
                scheduler.add_node_collection(fresh, collection)
                scheduler.schedule()
            continue
        index = node.queue.pop(0)
        node.loaded.append(model_of(collection[index]))
        executed.append(collection[index])
        scheduler.mark_test_complete(node, index)
    return executed, crashed, everyone


collections = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), min_size=1, max_size=20, unique=True
).map(lambda pairs: [f"{model}:{dataset}" for model, dataset in pairs])


@settings(max_examples=300, deadline=None)
@given(collections, st.integers(1, 5), st.randoms(use_true_random=False))
def test_each_item_runs_exactly_once(collection, workers, random):
    executed, crashed, _ = simulate(collection, workers, random.randrange)
    assert sorted(executed) == sorted(collection)
    assert not crashed


@settings(max_examples=300, deadline=None)
@given(
    collections,
    st.integers(1, 4),
    st.sets(st.integers(1, 25), max_size=6),
    st.randoms(use_true_random=False),
)
def test_crashes_cost_the_running_item_and_no_other(collection, workers, crashes, random):
    executed, crashed, _ = simulate(collection, workers, random.randrange, crashes)
    assert sorted(executed + crashed) == sorted(collection)


@settings(max_examples=100, deadline=None)
@given(
    collections,
    st.integers(1, 4),
    st.sets(st.integers(1, 25), max_size=6),
    st.randoms(use_true_random=False),
)
def test_without_replacements_nothing_runs_twice_and_it_ends(collection, workers, crashes, random):
    executed, crashed, _ = simulate(collection, workers, random.randrange, crashes, restart=False)
    done = executed + crashed
    assert len(set(done)) == len(done)


def test_two_equal_models_on_two_workers_are_each_loaded_once():
    collection = [f"{model}:{n}" for model in "ab" for n in range(6)]
    turn = iter(range(1000))
    _, _, workers = simulate(collection, 2, lambda n: next(turn) % n)
    assert [sorted(set(worker.loaded)) for worker in workers] == [["a"], ["b"]]


def test_an_idle_worker_is_lent_the_rest():
    collection = [f"a:{n}" for n in range(6)] + ["b:0"]
    turn = iter(range(1000))
    _, _, workers = simulate(collection, 2, lambda n: next(turn) % n)
    assert all("a" in worker.loaded for worker in workers)

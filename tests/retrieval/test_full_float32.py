"""Float32 stays float32 however the process has set torch, and the process finds its settings unchanged."""

from unittest import mock

import numpy as np
import pytest
import torch
from vector_problems import ways

from pytest_prodbench.retrieval import full_float32 as full_float32_module
from pytest_prodbench.retrieval import normalise, search
from pytest_prodbench.retrieval.full_float32 import full_float32
from pytest_prodbench.retrieval.torch_backends import _full_accumulation

SWITCHED = hasattr(torch.backends.cuda.matmul, "fp32_precision")
since_torch_2_9 = pytest.mark.skipif(not SWITCHED, reason="one switch a device came with torch 2.9")
# Some versions warn of the older functions, which callers use all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Please use the new API")


def switches():
    """Every switch that products of float32 matrices may depend on."""
    if not SWITCHED:
        return {}
    return {
        "all": torch.backends,
        "cuda": torch.backends.cudnn,
        "cuda.matmul": torch.backends.cuda.matmul,
        "mkldnn": torch.backends.mkldnn,
        "mkldnn.matmul": torch.backends.mkldnn.matmul,
    }


def state():
    """All that can be read; the older functions raise where they do not know the newer ones' state."""
    found = {name: switch.fp32_precision for name, switch in switches().items()}
    for name, read in (
        ("older", torch.get_float32_matmul_precision),
        ("allow_tf32", lambda: torch.backends.cuda.matmul.allow_tf32),
    ):
        try:
            found[name] = read()
        except RuntimeError as error:
            found[name] = str(error)[:30]
    return found


@pytest.fixture(autouse=True)
def _unchanged():
    before = state()
    yield
    torch.set_float32_matmul_precision(before["older"])
    for name, switch in switches().items():
        # From the widest to the narrowest; nobody has set one of them before these tests.
        switch.fp32_precision = before[name]
    assert state() == before


def precisions_inside():
    """What is in force while a search multiplies matrices."""
    seen = []
    product = torch.mm

    def spy(*arguments, **options):
        seen.append(state())
        return product(*arguments, **options)

    rng = np.random.default_rng(0)
    unit = normalise(rng.normal(size=(40, 16)).astype(np.float32), str)
    with mock.patch.object(torch, "mm", spy):
        # A name of the CPU by which it is a device like others: torch multiplies.
        rows, _ = search(unit, unit, 2, backend="torch", device="cpu:0")
    assert rows[:, 0].tolist() == list(range(40))
    assert seen
    return seen


def older(precision):
    torch.set_float32_matmul_precision(precision)


def tf32_allowed_and_forbidden():
    # What a model's library and this project's own embedding do one after the other.
    torch.set_float32_matmul_precision("medium")
    torch.backends.cuda.matmul.allow_tf32 = False


CALLERS = {
    "nobody": lambda: None,
    "older, highest": lambda: older("highest"),
    "older, high": lambda: older("high"),
    "older, medium": lambda: older("medium"),
    "older, allow_tf32": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "older, allowed and forbidden": tf32_allowed_and_forbidden,
}
NEWER = {
    "cuda.matmul tf32": [("cuda.matmul", "tf32")],
    "cuda.matmul ieee": [("cuda.matmul", "ieee")],
    "mkldnn.matmul bf16": [("mkldnn.matmul", "bf16")],
    "mkldnn.matmul tf32": [("mkldnn.matmul", "tf32")],
    "both": [("cuda.matmul", "tf32"), ("mkldnn.matmul", "bf16")],
    "all tf32": [("all", "tf32")],
    "all tf32 but cuda.matmul": [("all", "tf32"), ("cuda.matmul", "ieee")],
    "all bf16": [("all", "bf16")],
}


@pytest.mark.parametrize("caller", CALLERS)
def test_products_are_full_for_a_caller_of_the_older_functions(caller):
    CALLERS[caller]()
    before = state()
    for inside in precisions_inside():
        if SWITCHED:
            assert (inside["cuda.matmul"], inside["mkldnn.matmul"]) == ("ieee", "ieee")
        else:
            assert inside["older"] == "highest"
    assert state() == before


@since_torch_2_9
@pytest.mark.parametrize("caller", NEWER)
def test_products_are_full_for_a_caller_of_the_newer_switches(caller):
    for name, precision in NEWER[caller]:
        switches()[name].fp32_precision = precision
    before = state()
    for inside in precisions_inside():
        assert (inside["cuda.matmul"], inside["mkldnn.matmul"]) == ("ieee", "ieee")
    assert state() == before


@since_torch_2_9
def test_what_was_inherited_is_inherited_afterwards():
    torch.backends.fp32_precision = "tf32"
    with full_float32():
        pass
    torch.backends.fp32_precision = "ieee"
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"


def test_an_error_inside_leaves_nothing_behind():
    before = state()
    with pytest.raises(ZeroDivisionError), full_float32():
        raise ZeroDivisionError
    assert state() == before


def test_before_torch_2_9_the_older_functions_are_used():
    torch.set_float32_matmul_precision("medium")
    with mock.patch.object(full_float32_module, "_switches", return_value=[]):
        assert {inside["older"] for inside in precisions_inside()} == {"highest"}
    assert torch.get_float32_matmul_precision() == "medium"


SPLIT_K = "allow_bf16_reduced_precision_reduction_split_k"


@pytest.mark.parametrize("reduced", [True, False])
def test_sums_of_bfloat16_products_are_full_inside_and_as_before_outside(reduced):
    switch = torch.backends.cuda.matmul
    name = "allow_bf16_reduced_precision_reduction"
    before = getattr(switch, name), getattr(switch, SPLIT_K, None)
    # Split sums may only be forbidden together with reduced ones.
    setattr(switch, name, (reduced, reduced) if hasattr(switch, SPLIT_K) else reduced)
    wanted = getattr(switch, name), getattr(switch, SPLIT_K, None)
    seen = []
    product = torch.mm

    def now():
        return getattr(switch, name), getattr(switch, SPLIT_K, None)

    def spy(*arguments, **options):
        seen.append(now())
        return product(*arguments, **options)

    unit = normalise(np.random.default_rng(0).normal(size=(40, 16)), str)
    try:
        with _full_accumulation():
            assert now() == (False, wanted[1])
        assert now() == wanted
        # It is a switch of GPUs, and of the whole process: threads of a CPU leave it alone.
        with ways("reduced"), mock.patch.object(torch, "mm", spy):
            search(unit, unit, 2)
        assert set(seen) == {wanted}
    finally:
        setattr(switch, name, before if hasattr(switch, SPLIT_K) else before[0])

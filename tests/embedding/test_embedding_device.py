"""Where the forward pass runs: what is asked for, what is there, and what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from pytest_prodbench.embedding import device as room
from pytest_prodbench.embedding.device import (
    choose_batch_size,
    choose_device,
    choose_precision,
    cpu_count,
    keep_heap,
    may_have_gpu,
    prepare_process,
    visible_gpus,
)
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.types import RunSettings

GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0


def test_processors_that_may_be_used():
    assert 1 <= cpu_count() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("quota", "count"),
    [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("250000 100000", 2), ("x", 8)],
)
def test_a_quota_counts(monkeypatch, quota, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: quota)
    assert cpu_count() == count


def test_the_heap_is_kept_or_it_is_said():
    assert isinstance(keep_heap(), bool)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", []),
        ("-1", []),
        (" ", []),
        ("0", ["0"]),
        ("2,3", ["2", "3"]),
        (" 2 , 3 ", ["2", "3"]),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", ["GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"]),
        ("MIG-1,GPU-2", ["MIG-1", "GPU-2"]),
        ("0,-1,1", ["0"]),
        ("0,,1", ["0"]),
        ("0,", ["0"]),
    ],
)
def test_what_the_outer_process_lets_us_see(monkeypatch, value, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == names


@pytest.mark.parametrize("value", ["", "-1"])
def test_hidden_gpus_are_not_looked_for(monkeypatch, value):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert not may_have_gpu()
    assert choose_device("auto") == "cpu"


def test_the_cpu_is_always_there():
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if GPUS else "cpu")


@pytest.mark.parametrize(
    "wanted",
    ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:²", "cuda:0:1", "mps", "cpu:0"],
)
def test_devices_that_are_none(wanted):
    with pytest.raises(SettingsError, match="auto, cpu, cuda or cuda:N") as caught:
        choose_device(wanted)
    assert repr(wanted) in str(caught.value)


@pytest.mark.parametrize("wanted", [f"cuda:{GPUS}", "cuda:99"])
def test_a_gpu_that_is_not_there(wanted):
    with pytest.raises(SettingsError, match=f"sees {GPUS} GPUs.*--prodbench-device auto"):
        choose_device(wanted)


@pytest.mark.skipif(GPUS > 0, reason="there is a GPU")
def test_no_gpu_at_all():
    with pytest.raises(SettingsError, match="sees 0 GPUs"):
        choose_device("cuda")


def test_precision():
    # A verdict does not depend on where it was measured.
    assert choose_precision("auto", "cpu") == choose_precision("auto", "cuda") == "float32"
    assert choose_precision("float32", "cpu") == "float32"
    assert choose_precision("float16", "cuda:1") == "float16"
    for wanted in ("bfloat16", "float16"):
        with pytest.raises(SettingsError, match=f"'{wanted}' on the CPU; expected float32"):
            choose_precision(wanted, "cpu")


def test_batch_size():
    assert choose_batch_size(0, "cpu") == room.CPU_BATCH
    assert choose_batch_size(0, "cuda:1") == room.GPU_BATCH
    assert choose_batch_size(7, "cpu") == choose_batch_size(7, "cuda") == 7


def test_float32_means_float32():
    torch.backends.cudnn.allow_tf32 = True
    prepare_process(RunSettings(threads=1), "cpu")
    assert torch.get_num_threads() == 1
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32

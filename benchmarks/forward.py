"""Forward pass on the CPU: batch sizes, and whether the heap is kept, side by side in one run.

python benchmarks/forward.py [--images N] [--rounds N]

One torch thread, channels_last, ``tf_efficientnet_lite0``. Each round measures every combination in turn in
processes of their own (the heap's thresholds cannot be set back); medians and the ratio to the slowest.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

CHILD = """
import sys, time, torch, timm
from pytest_prodbench.embedding.device import keep_heap
batch, images, keep = map(int, sys.argv[1:])
if keep:
    assert keep_heap()
torch.set_num_threads(1)
model = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
model = model.to(memory_format=torch.channels_last)
data = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
with torch.inference_mode():
    for _ in range(3):
        model(data)
    start = time.perf_counter()
    for _ in range(images // batch):
        model(data)
    print(images // batch * batch / (time.perf_counter() - start))
"""


def rate(batch: int, images: int, keep: bool) -> float:
    """Images a second."""
    command = [sys.executable, "-c", CHILD, str(batch), str(images), str(int(keep))]
    return float(subprocess.check_output(command, text=True))  # noqa: S603


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    cases = [(batch, keep) for batch in (1, 4, 8, 16, 32) for keep in (False, True)]
    rates: dict[tuple[int, bool], list[float]] = {case: [] for case in cases}
    for _ in range(given.rounds):
        for case in cases:
            rates[case].append(rate(case[0], given.images, case[1]))
    medians = {case: statistics.median(found) for case, found in rates.items()}
    slowest = min(medians.values())
    for (batch, keep), found in medians.items():
        heap = "kept" if keep else "given back"
        print(f"batch {batch:2}, heap {heap:10}  {found:6.1f} images/s  {found / slowest:.2f}")


if __name__ == "__main__":
    main()

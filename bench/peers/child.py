"""Runs one operation of one library on one instance in this process and prints one JSON line.

Usage: child.py INSTANCE OPERATION LIBRARY[:VARIANT] SECONDS
Started by run.py, which pins this process and sets the thread limits before the interpreter starts.
"""
from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data
import instances

MIN_RUNS, MAX_RUNS = 3, 200


def main(name: str, operation: str, library: str, seconds: str) -> None:
    """Checks the answer of a cold run, then times warm runs for about the given seconds."""
    instance = instances.by_name(name)
    arrays = instance.make()
    if data.fingerprint(arrays) != instance.fingerprint:
        raise SystemExit(f"data of {name} differ from those of the reference answers: numpy changed its draws")

    module, _, variant = library.partition(":")
    adapter = importlib.import_module(f"{instance.adapters}.{module}")
    run, answer_of = adapter.build(arrays, operation, variant)

    rss_before = resident_mib("VmRSS")
    cold_wall, cold_cpu, result = timed(run)
    rss_peak = resident_mib("VmHWM")
    answer = {key: float(value) for key, value in answer_of(result).items()}
    del result

    walls, cpus = [], []
    while len(walls) < MAX_RUNS and (len(walls) < MIN_RUNS or sum(walls) < float(seconds)):
        wall, cpu, _ = timed(run)
        walls.append(wall)
        cpus.append(cpu)

    error = instances.worst_relative_error(answer, instance.answers[operation])
    print(json.dumps({
        "version": adapter.version(),
        "agrees": error <= instance.tolerance(module), "relative_error": error, "answer": answer,
        "cold_wall_s": cold_wall, "cold_cpu_s": cold_cpu,
        "warm_cpu_s": min(cpus), "warm_wall_s": min(walls), "num_runs": len(walls),
        "peak_rss_mib": rss_peak, "rss_before_mib": rss_before,
    }))


def timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """Returns wall seconds, user+sys seconds and the result of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def resident_mib(field: str) -> float:
    """Reads VmRSS (now) or VmHWM (peak) of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    main(*sys.argv[1:])

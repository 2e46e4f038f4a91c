"""Times statewise and its peers on the instances, one fresh pinned process at a time.

    python bench/peers/run.py                                   everything that is installed here
    python bench/peers/run.py --quick                           small instances, short timings
    python bench/peers/run.py --libraries statewise             beside the peers' stored records
    python bench/peers/run.py --env dynamax=PATH_TO_PYTHON      that library from another interpreter

Every answer is checked against the reference before its time counts. Records are appended to the results
file as JSON lines; the tables at the end take the newest record of each kind from that file.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import report
from instances import COLD_START, INSTANCES, LIBRARIES

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results" / "measurements.jsonl"
TIMEOUT_S = 600
NUM_COLD_STARTS = 5


def main() -> None:
    """Runs the chosen jobs and prints the tables."""
    options = parse_arguments()
    interpreters = dict(pair.split("=", 1) for pair in options.env)
    for library, instance, operation in jobs(options):
        python = interpreters.get(library.partition(":")[0], sys.executable)
        for num_threads in thread_counts(library, operation, options.two_cores):
            cores = set(range(options.core, options.core - num_threads, -1))
            if operation in COLD_START:
                measured = cold_start(python, library, operation, cores)
            else:
                seconds = 0.5 if options.quick else 3.0
                arguments = [str(HERE / "child.py"), instance, operation, library, str(seconds)]
                measured = one_process(python, arguments, cores)
            record = {
                "instance": instance, "operation": operation, "library": library, "threads": num_threads,
                **measured, "load": os.getloadavg()[0], "cpu": cpu_model(),
                "utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            }
            print(summary(record), flush=True)
            with open(options.results, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
    print()
    print(report.tables(report.load(options.results)))


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", default="", help="comma-separated parts of workload or instance names")
    parser.add_argument("--libraries", default=",".join(LIBRARIES), help="comma-separated, like dynamax,hmmlearn")
    parser.add_argument("--quick", action="store_true", help="small instances and short timings")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=PYTHON", help="interpreter of a library")
    parser.add_argument("--two-cores", action="store_true", help="also run the EM of statewise with two threads")
    parser.add_argument("--core", type=int, default=os.cpu_count() - 1, help="the core to pin to")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON lines file to append to")
    return parser.parse_args()


def jobs(options: argparse.Namespace) -> list[tuple[str, str, str]]:
    """Lists (library, instance, operation), instance by instance."""
    names = [(instance.workload, instance.name, tuple(instance.answers))
             for instance in INSTANCES if instance.quick or not options.quick]
    names.append(("W10", "cold_start", COLD_START))
    wanted = options.libraries.split(",")
    patterns = options.instances.split(",")
    return [
        (library, name, operation)
        for workload, name, operations in names
        if any(pattern == workload or pattern in name for pattern in patterns)
        for operation in operations
        for library, supported in LIBRARIES.items()
        if (library in wanted or library.partition(":")[0] in wanted) and operation in supported.get(workload, ())
    ]


def thread_counts(library: str, operation: str, two_cores: bool) -> list[int]:
    """Returns the numbers of threads to run a job with."""
    return [1, 2] if two_cores and library == "statewise" and operation == "em20" else [1]


def one_process(python: str, arguments: list[str], cores: set[int]) -> dict:
    """Runs child.py pinned to the cores and returns the record it printed."""
    try:
        child = start(python, arguments, cores)
    except subprocess.TimeoutExpired:
        return {"status": f"more than {TIMEOUT_S} s"}
    if child.returncode:
        return {"status": (child.stderr.strip().splitlines() or ["failed"])[-1]}
    return {"status": "ok", **json.loads(child.stdout.splitlines()[-1])}


def cold_start(python: str, library: str, operation: str, cores: set[int]) -> dict:
    """Times whole processes; the first one, which fills the page cache, does not count."""
    source = (HERE / "adapters" / f"{library}.py").read_text()
    code = re.search(rf'^{operation.upper()} = ("""|")(.*?)\1$', source, re.M | re.S).group(2)
    walls, cpus = [], []
    for _ in range(NUM_COLD_STARTS + 1):
        wall, cpu = time.perf_counter(), children_cpu()
        child = start(python, ["-c", code], cores)
        walls.append(time.perf_counter() - wall)
        cpus.append(children_cpu() - cpu)
        if child.returncode:
            return {"status": (child.stderr.strip().splitlines() or ["failed"])[-1]}
    return {"status": "ok", "wall_s": min(walls[1:]), "cpu_s": min(cpus[1:])}


def start(python: str, arguments: list[str], cores: set[int]) -> subprocess.CompletedProcess:
    """Runs an interpreter on the cores, with one thread per core in every library."""
    limits = ("OMP", "OPENBLAS", "MKL", "NUMBA", "STATEWISE")
    environment = {
        **os.environ,
        **{f"{name}_NUM_THREADS": str(len(cores)) for name in limits},
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads={len(cores)}",
        "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    return subprocess.run(
        [python, "-W", "ignore", *arguments], env=environment, capture_output=True, text=True,
        timeout=TIMEOUT_S, preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


def children_cpu() -> float:
    """Returns user+sys seconds of all finished children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_model() -> str:
    """Returns the processor's name."""
    return re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()).group(1)


def summary(record: dict) -> str:
    """Describes a record in one line."""
    head = f"{record['instance']} / {record['operation']}: {record['library']}, {record['threads']} thread(s),"
    if record["status"] != "ok":
        return f"{head} {record['status']}"
    if "wall_s" in record:
        return f"{head} {report.seconds(record['wall_s'])}"
    verdict = "agrees" if record["agrees"] else f"DISAGREES (relative error {record['relative_error']:.1e})"
    return f"{head} {verdict}, cpu {report.seconds(record['warm_cpu_s'])}"


if __name__ == "__main__":
    main()

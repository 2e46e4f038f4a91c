"""Turns records into Markdown tables: `python bench/peers/report.py [FILE.jsonl]`."""
from __future__ import annotations

import json
import sys
from pathlib import Path

from instances import COLD_START, COLD_START_TARGET_S, INSTANCES, LIBRARIES

Records = dict[tuple[str, str, str, int], dict]
"""The newest record by instance, operation, library and number of threads."""

YARDSTICK = "numba_ref"


def load(path: Path) -> Records:
    """Reads a JSON lines file; later lines replace earlier ones, a failure does not replace a result."""
    records: Records = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        key = record["instance"], record["operation"], record["library"], record["threads"]
        if record["status"] == "ok" or key not in records:
            records[key] = record
    return records


def tables(records: Records) -> str:
    """Returns all tables."""
    parts = [measurements(records), comparison(records), two_cores(records), cold_starts(records)]
    return "\n\n".join("\n".join(part) for part in parts if len(part) > 4)


def measurements(records: Records) -> list[str]:
    """Lists every library on every instance, fastest first."""
    lines = ["### Measurements, one core", "",
             "| instance | operation | library | cold wall | warm CPU | warm wall | peak RSS MiB | answer |",
             "|---|---|---|---|---|---|---|---|"]
    for instance in INSTANCES:
        for operation in instance.answers:
            rows = [records.get((instance.name, operation, library, 1)) for library in LIBRARIES]
            for row in sorted(filter(None, rows), key=lambda row: row.get("warm_cpu_s", float("inf"))):
                head = f"| {instance.name} | {operation} | {row['library']} |"
                if row["status"] != "ok":
                    lines.append(f"{head} | | | | {row['status']} |")
                    continue
                verdict = "agrees" if row["agrees"] else f"DISAGREES by {row['relative_error']:.1e}"
                lines.append(f"{head} {seconds(row['cold_wall_s'])} | {seconds(row['warm_cpu_s'])} | "
                             f"{seconds(row['warm_wall_s'])} | {row['peak_rss_mib']:.0f} | {verdict} |")
    return lines


def comparison(records: Records) -> list[str]:
    """Sets statewise beside the fastest peer, the yardstick, the targets and the peers' memory."""
    lines = ["### statewise against its peers, one core, warm CPU", "",
             "| instance | operation | statewise | fastest peer | peer / statewise | target | verdict | "
             "numba_ref / statewise | RSS MiB, lowest peer | memory |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for instance in INSTANCES:
        for goal in [*instance.answers, *(target for target in instance.targets if ":" in target)]:
            operation, _, variant = goal.partition(":")
            agreed = {library: row for library in LIBRARIES
                      if not library.startswith("statewise")
                      and (row := records.get((instance.name, operation, library, 1))) and row.get("agrees")}
            own = records.get((instance.name, operation, f"statewise:{variant}" if variant else "statewise", 1), {})
            yardstick = agreed.pop(YARDSTICK, None)
            if not own.get("agrees") or not agreed:
                continue
            fastest = min(agreed.values(), key=lambda row: row["warm_cpu_s"])
            lowest = min(row["peak_rss_mib"] for row in agreed.values())
            ratio = fastest["warm_cpu_s"] / own["warm_cpu_s"]
            target = instance.targets.get(goal)
            lines.append(
                f"| {instance.name} | {goal} | {seconds(own['warm_cpu_s'])} | "
                f"{fastest['library']} {seconds(fastest['warm_cpu_s'])} | {ratio:.1f} | "
                f"{f'at least {target}' if target else ''} | {verdict(ratio >= target) if target else ''} | "
                f"{format(yardstick['warm_cpu_s'] / own['warm_cpu_s'], '.1f') if yardstick else ''} | "
                f"{own['peak_rss_mib']:.0f}, {lowest:.0f} | {verdict(own['peak_rss_mib'] < lowest)} |"
            )
    return lines


def two_cores(records: Records) -> list[str]:
    """Compares one and two threads of statewise by wall time."""
    lines = ["### EM of statewise on two cores, warm wall", "",
             "| instance | one thread | two threads | speed-up |", "|---|---|---|---|"]
    for instance in INSTANCES:
        one, two = (records.get((instance.name, "em20", "statewise", threads), {}) for threads in (1, 2))
        if one.get("agrees") and two.get("agrees"):
            lines.append(f"| {instance.name} | {seconds(one['warm_wall_s'])} | {seconds(two['warm_wall_s'])} | "
                         f"{one['warm_wall_s'] / two['warm_wall_s']:.2f} |")
    return lines


def cold_starts(records: Records) -> list[str]:
    """Lists import and first result of fresh processes."""
    lines = ["### Fresh process, wall (CPU)", "",
             "| library | import | import and example | target |", "|---|---|---|---|"]
    for library in LIBRARIES:
        rows = [records.get(("cold_start", operation, library, 1), {}) for operation in COLD_START]
        if all(row.get("status") == "ok" for row in rows):
            cells = " | ".join(f"{seconds(row['wall_s'])} ({seconds(row['cpu_s'])})" for row in rows)
            met = verdict(rows[1]["wall_s"] <= COLD_START_TARGET_S)
            target = f"at most {COLD_START_TARGET_S} s: {met}" if library == "statewise" else ""
            lines.append(f"| {library} | {cells} | {target} |")
    return lines


def verdict(reached: bool) -> str:
    """Says whether a target was reached."""
    return "met" if reached else "**missed**"


def seconds(value: float) -> str:
    """Formats a duration with three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


if __name__ == "__main__":
    default = Path(__file__).resolve().parent.parent / "results" / "measurements.jsonl"
    print(tables(load(Path(sys.argv[1]) if len(sys.argv) > 1 else default)))

"""What the doctor finds: faults planted into good models, data and labels, and clean cases beside them.

Usage: ``python benchmarks/doctor.py [mnist.npz] [--only NAME] [--json FILE] [--keep FOLDER] [--jobs 2]``. Small
networks are trained on scikit-learn's digits, plain and coloured, with seeds; with the file that Keras keeps for MNIST
every fault of grey images is put into a network for MNIST too. Each fault is written to files, as a user would have
them, and `diag.diagnose` is asked. A fault counts as found when one of the codes that name it is reported with at least
the severity that it must have, and the good model beside it does not have that already. Exit status 1 when recall is
below .9, or a clean case has a critical finding.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doctor_faults import runs, sets
from doctor_faults.bench import CONTROLS, FAULTS, TRAINED, Base, Fault, write_base
from doctor_faults.runs import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.pool import Pool

LEAST_RECALL = 0.9
MNIST = (("mnist", "cnn-bn"), ("mnist", "cnn"), ("mnist", "mlp"))
ORDER = ("critical", "warning", "note")


def trained(task: tuple[str, str, Path, Path | None]) -> Base:
    """Train one good model; what lies in the folder already is used again."""
    images, kind, folder, mnist = task
    made = {"digits": sets.digits, "colour": sets.colour}
    image_set = made[images]() if images in made else sets.mnist(Path(str(mnist)))
    return write_base(image_set, images, kind, folder / images / kind)


def asked(task: tuple[str, str, Base | None, dict[str, str], Path]) -> Result:
    """Run one case, in a process that runs many. A bug of a check is the case's result, not the end of the run."""
    kind, name, base, clean, folder = task
    try:
        if base is None or kind == "control":
            return runs.run_control(runs.find_control(name), base, folder)
        if kind == "good":
            return runs.run_base(base, folder)
        return runs.run_fault(runs.find_fault(name), base, clean, folder)
    except Exception as error:  # noqa: BLE001
        found = False if kind == "fault" else None
        said = f"a bug: {traceback.format_exception_only(error)[-1].strip()} ({last_place(error)})"
        return Result(name or "good model", base.name if base else "", found, {}, {}, refusal=said)
    finally:
        runs.forget()


def last_place(error: Exception) -> str:
    """Return file and line where an error was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def places(fault: Fault, with_mnist: bool) -> list[tuple[str, str]]:
    """Return the good models that a fault is put into."""
    kinds = [kind for images, kind in fault.on if images == "digits" and ("mnist", kind) in MNIST]
    return [*fault.on, *(("mnist", kind) for kind in kinds[:1] if with_mnist)]


def chosen(only: str | None) -> tuple[list[Fault], list[Any]]:
    """Return the faults and clean cases whose name holds a text, or the faults that a code names."""
    if only is None:
        return list(FAULTS), list(CONTROLS)
    text = only.lower()
    faults = [each for each in FAULTS if text in each.name.lower() or only in each.expect or text == each.group]
    return faults, [each for each in CONTROLS if text in each.name.lower() or text == "clean"]


def collect(pool: Pool, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], title: str) -> list[Any]:
    """Return what `function` makes of each task, as it comes, and say on standard error how far it is."""
    done = []
    for result in pool.imap_unordered(function, tasks):
        done.append(result)
        print(f"\r{title}: {len(done)}/{len(tasks)} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return done


def run(arguments: argparse.Namespace, folder: Path) -> tuple[list[Result], list[Result]]:
    """Train, ask, and return the results of faults and of clean cases, in the order of their lists."""
    faults, controls = chosen(arguments.only)
    wanted = {(fault.name, place) for fault in faults for place in places(fault, arguments.data is not None)}
    needed = {place for _, place in wanted} | {each.on for each in controls if each.on is not None}
    if arguments.only is None:
        needed |= {*TRAINED, *(MNIST if arguments.data is not None else ())}
    context = multiprocessing.get_context("spawn")
    with context.Pool(arguments.jobs, runs.set_up, (folder / "cache",), maxtasksperchild=40) as pool:
        tasks = [(*place, folder / "good", arguments.data) for place in sorted(needed)]
        bases = collect(pool, trained, tasks, "good models")
        found = {(base.images, base.kind): base for base in bases}
        good = collect(pool, asked, [("good", "", base, {}, folder) for base in bases], "good models asked")
        clean = {result.base: dict(result.codes) for result in good}
        cases: list[tuple[str, str, Base | None, dict[str, str]]] = [
            ("fault", fault.name, found[place], clean[found[place].name])
            for fault in faults
            for place in places(fault, arguments.data is not None)
        ]
        cases += [("control", each.name, found[each.on] if each.on else None, {}) for each in controls]
        results = collect(pool, asked, [(*case, folder) for case in cases], "cases")
    place = {(name, base.name if base else ""): number for number, (_, name, base, _) in enumerate(cases)}
    results.sort(key=lambda result: place[result.name, result.base])
    good.sort(key=lambda result: result.base)
    return [each for each in results if each.found is not None], [
        *good,
        *(each for each in results if each.found is None),
    ]


def listed(result: Result, severities: Sequence[str] = ORDER) -> str:
    """Return the codes of a result, the most severe first, with the severity's first letter."""
    codes = sorted(result.codes.items(), key=lambda item: (ORDER.index(item[1]), item[0]))
    shown = " ".join(f"{code}{severity[0]}" for code, severity in codes if severity in severities)
    return f"refused: {result.refusal}" if result.refusal else shown or "-"


def percent(result: Result) -> str:
    """Return the accuracy that the report would show, five characters wide."""
    return "    -" if result.accuracy is None else f"{result.accuracy:5.1%}"


def print_faults(results: Sequence[Result]) -> float:
    """Print one line a fault and model, then the recall; return that of all."""
    print(
        "\nFaults: what was planted, where, whether it was named, accuracy, seconds, all codes "
        "(c critical, w warning, n note)\n"
    )
    for result in results:
        said = f"  [{result.named}]" if result.named else ""
        mark = "found " if result.found else "MISSED"
        print(
            f"{result.name:58} {result.base:18} {mark} {percent(result)} {result.seconds:5.1f}s  {listed(result)}{said}"
        )
    by_fault: dict[str, list[bool]] = defaultdict(list)
    for result in results:
        by_fault[result.name].append(bool(result.found))
    print("\nRecall by fault\n")
    for name, marks in by_fault.items():
        print(f"{name:58} {sum(marks)}/{len(marks)}")
    total = sum(bool(result.found) for result in results) / len(results)
    whole = sum(all(marks) for marks in by_fault.values())
    print(
        f"\n{len(by_fault)} faults in {len(results)} cases: {sum(bool(result.found) for result in results)} found, "
        f"recall {total:.3f}; {whole} faults found on every model"
    )
    return total


def print_clean(results: Sequence[Result]) -> int:
    """Print one line a clean case; return how many critical findings, and refusals, there are."""
    print("\nClean cases: critical findings and warnings are false alarms\n")
    counts = dict.fromkeys(ORDER, 0)
    for result in results:
        for severity in result.codes.values():
            counts[severity] += 1
        alarms = listed(result, ORDER[:2])
        notes = " ".join(code for code, severity in sorted(result.codes.items()) if severity == "note")
        title = f"{result.name} {result.base}".strip()
        print(f"{title:46} {percent(result)} {result.seconds:5.1f}s  {alarms:24} notes: {notes or '-'}")
        for code, severity in result.codes.items():
            if severity != "note":
                print(f"    {code} {severity}: {result.messages[code]}")
    refused = sum(bool(result.refusal) for result in results)
    print(
        f"\n{len(results)} clean cases: {counts['critical']} critical, {counts['warning']} warnings, {refused} refused"
    )
    return counts["critical"] + refused


def main() -> None:
    """Run what was asked for, print the tables, and say by the exit status whether it is good enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="the file that Keras keeps for MNIST")
    parser.add_argument("--only", metavar="NAME", help="cases whose name holds this, a group, a code, or 'clean'")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results, with what was said")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the good models there, and use them again")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one core each")
    arguments = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        faults, clean = run(arguments, folder)
    if not faults and not clean:
        parser.error(f"--only: no case has {arguments.only!r} in its name")
    recall = print_faults(faults) if faults else 1.0
    bad = print_clean(clean)
    print(f"{time.perf_counter() - started:.0f} s")
    if arguments.json is not None:
        values = {"recall": recall, "faults": [each.to_dict() for each in faults]}
        text = json.dumps({**values, "clean": [each.to_dict() for each in clean]}, indent=1)
        arguments.json.write_text(text, encoding="utf-8")
    sys.exit(1 if recall < LEAST_RECALL or bad else 0)


if __name__ == "__main__":
    main()

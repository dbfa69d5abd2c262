"""What the models of a comparison are called: short, and no two alike."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from diag.io.preprocessing import Preprocessing
from diag.printable import distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.results.evaluation import Evaluation


def names_of(runs: Sequence[Evaluation]) -> tuple[str, ...]:
    """Return the runs' names; equal ones get what tells their files apart, and their preprocessing; else a number."""
    names = [run.name for run in runs]
    for name in [name for name, count in Counter(names).items() if count > 1]:
        files: dict[Path, list[int]] = {}
        for place, run in enumerate(runs):
            if run.name == name:
                files.setdefault(run.model.path, []).append(place)
        for end, places in zip(_tails(list(files)), files.values(), strict=True):
            steps = _differing([runs[place].model.preprocessing for place in places])
            for place, text in zip(places, steps, strict=True):
                told = ", ".join(filter(None, [end, text]))
                names[place] = f"{name} ({told})" if told else name
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return distinct(unique)


def _tails(paths: Sequence[Path]) -> list[str]:
    """Return the ends of different paths, as many folders of each as tell all apart: nothing of a single one.

    Examples
    --------
    >>> _tails([Path("/a/old/cnn.h5"), Path("/a/new/cnn.h5")])
    ['old/cnn.h5', 'new/cnn.h5']
    """
    depth, tails = 0, [""] * len(paths)
    while len(set(tails)) < len(paths):
        depth += 1
        tails = [Path(*path.parts[-depth:]).as_posix() for path in paths]
    return tails


def _differing(steps: Sequence[Preprocessing]) -> list[str]:
    """Return of each preprocessing what the others do not share, as options of the command line.

    Examples
    --------
    >>> _differing([Preprocessing(scale=1.0, layout="flat"), Preprocessing(scale=0.5, layout="flat")])
    ['--scale 1', '--scale 0.5']
    """
    written = [each.written() for each in steps]
    shared = {key for key, text in written[0].items() if all(each.get(key) == text for each in written)}
    own = [{key: value for key, value in each.to_dict().items() if key not in shared} for each in steps]
    texts = [Preprocessing.from_dict(fields).flags() for fields in own]
    return [text or "nothing else" for text in texts] if any(texts) else texts

"""The report's texts and tables: results become plain values for the template."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag import __version__
from diag.io.overview import title_of
from diag.views.blocks import LONG_TABLE, MANY_CLASSES

if TYPE_CHECKING:
    from diag.io.datasets import Dataset
    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation

MAX_PAIRS = 45
MAX_CANDIDATES = 12
SURE = 0.9
N_CONFUSIONS = 3
"""Confusions that are named among what to look at next."""
FEW_IMAGES = 2
"""Confusions of so few images are named only where they do not tie with others."""


def overview(
    comparison: Comparison,
    seed: int,
    explain: int = 20,
    background: int | str = 100,
    checks: bool = True,
    train: Dataset | None = None,
) -> dict[str, Any]:
    """Return all that the template says outside of charts and images."""
    first = comparison.runs[0]
    table = comparison.table()
    pairs = comparison.pairs().to_dict("records")
    order = {name: place for place, name in enumerate(comparison.names)}
    return {
        "title": " and ".join(comparison.names) if len(comparison.names) <= 2 else f"{len(comparison.names)} models",
        "verdict": comparison.verdict(),
        "table": [{"name": name, "place": order[str(name)], **row} for name, row in _records(table)],
        "pairs": [{**pair, "place_a": order[pair["a"]], "place_b": order[pair["b"]]} for pair in pairs[:MAX_PAIRS]],
        "more_pairs": max(0, len(pairs) - MAX_PAIRS),
        "notes": _other_notes(comparison),
        "detections": detections(comparison),
        "data": {
            "name": first.data.name,
            "split": first.data.split,
            "title": title_of(first.data),
            "n": len(first),
            "shape": "×".join(str(size) for size in first.data.images.shape[1:]),
            "classes": first.n_classes,
            "digest": first.data.digest[:16],
        },
        "long_table": first.n_classes > LONG_TABLE,
        "many_classes": first.n_classes > MANY_CLASSES,
        "models": [model_page(name, run) for name, run in zip(comparison.names, comparison.runs, strict=True)],
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": __version__,
        "seed": seed,
        "command": _command(comparison, seed, explain, background, checks, train),
    }


def _command(
    comparison: Comparison, seed: int, explain: int, background: int | str, checks: bool, train: Dataset | None
) -> str | None:
    """Return the command that makes this report again; None when the data came from Python."""
    import shlex

    data = comparison.runs[0].data
    if data.source == "arrays" or (train is not None and train.source == "arrays"):
        return None
    parts = ["diag", "report", *(_near(run.model.path) for run in comparison.runs), "--data", _near(Path(data.source))]
    parts += [] if data.split == "test" else ["--split", data.split]
    parts += [] if train is None else ["--train", _near(Path(train.source))]
    parts += [] if checks else ["--no-checks"]
    parts += ["--explain", str(explain), "--background", str(background), "--seed", str(seed)]
    return shlex.join(parts)


def detections(comparison: Comparison) -> list[dict[str, Any]]:
    """Return how each model's preprocessing was found, with the candidates that were tried."""
    return [
        {
            "name": name,
            "head": run.detection.headline(),
            "said": run.detection.notes(),
            "uncertain": run.detection.uncertain,
            "flags": run.detection.flags,
            "rows": run.detection.evidence[:MAX_CANDIDATES],
            "more": max(0, len(run.detection.evidence) - MAX_CANDIDATES),
            "n_predicted": run.detection.n_predicted,
        }
        for name, run in zip(comparison.names, comparison.runs, strict=True)
        if run.detection is not None
    ]


def _other_notes(comparison: Comparison) -> list[str]:
    """Return what was assumed, without the sentences that stand beside the candidates tried."""
    shown = {text for run in comparison.runs if run.detection is not None for text in run.detection.notes()}
    return [note for note in comparison.notes() if not any(note.endswith(text) for text in shown)]


def _near(path: Path) -> str:
    """Return a path as seen from here, else its name: a report is passed on, with nothing of its maker's folders."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return path.name


def _input(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )


def model_page(name: str, run: Evaluation) -> dict[str, Any]:
    """Return the texts of one model's part."""
    figures = run.figures()
    per_class = [{"name": key, **row} for key, row in _records(run.per_class())]
    card = run.model.card
    return {
        "name": name,
        "file": run.model.path.name,
        "description": card.description,
        "card_results": {key.replace("_", " "): f"{value:g}" for key, value in card.results.items()},
        "figures": figures,
        "errors": int((~run.correct_mask).sum()),
        "per_class": per_class,
        "next": next_steps(run),
        "digest": run.model.digest[:16],
        "input": _input(run.model.preprocessing.to_dict()),
        "versions": ", ".join(f"{package} {version}" for package, version in run.versions.items()),
        "from_cache": run.from_cache,
        "keras": run.model.is_keras,
    }


def next_steps(run: Evaluation) -> list[dict[str, Any]]:
    """Return what to look at next: each a sentence with its numbers, and where its images are.

    Returns
    -------
    list of dict
        ``text``; ``cell``: the confusion ``[true, predicted]`` or None; ``jump``: the part of the page or None;
        ``number``: the class whose images are meant there, or None.
    """
    wrong = ~run.correct_mask
    n_wrong = int(wrong.sum())
    if not n_wrong:
        return [_step("There is no error in this data. Test on more, or on harder images.")]
    steps = _top_confusions(run, n_wrong)
    per_class = run.per_class()
    order = per_class.index.tolist()
    for worst, row in _records(per_class.dropna(subset="recall").sort_values("recall", kind="stable").head(1)):
        text = (
            f"Class {worst} has the lowest recall: {row['recall']:.1%} "
            f"(95% {row['recall_low']:.1%} to {row['recall_high']:.1%}, {_images(int(row['support']))})."
        )
        steps.append(_step(text, jump="errors", number=order.index(worst)))
    sure = int((wrong & (run.samples["confidence"] >= SURE)).sum())
    if sure:
        said = f"{sure} of {n_wrong} errors are made with at least {SURE:.0%} confidence"
        steps.append(_step(f"{said}: look whether their labels are right.", jump="errors"))
    return steps


def _top_confusions(run: Evaluation, n_wrong: int) -> list[dict[str, Any]]:
    """Return the three most frequent confusions; those that only chance puts before others are one sentence."""
    names = run.class_names
    confusion = run.counts().confusion.copy()
    for place in range(run.n_classes):
        confusion[place, place] = 0
    order = (-confusion).ravel().argsort(kind="stable")[: N_CONFUSIONS + 1]
    counts = [int(confusion.ravel()[flat]) for flat in order]
    last = counts[-1] if len(counts) > N_CONFUSIONS else 0
    tied = last if 0 < last <= FEW_IMAGES and counts[N_CONFUSIONS - 1] == last else 0
    steps = []
    for flat, count in zip(order[:N_CONFUSIONS], counts, strict=False):
        if count > tied:
            true, predicted = divmod(int(flat), run.n_classes)
            text = f"{count} of {n_wrong} errors ({_share(count / n_wrong)}) take {names[true]} for {names[predicted]}."
            steps.append(_step(text, cell=[true, predicted]))
    if tied:
        each = f"{int((confusion == tied).sum()):,}"
        images = _images(tied)
        if steps:
            steps.append(_step(f"{each} other confusions have {images} each: no other pair of classes stands out."))
        else:
            steps.append(
                _step(f"{each} confusions have {images} each, and none has more: no pair of classes stands out.")
            )
    return steps


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"


def _images(count: int) -> str:
    return f"{count:,} image" if count == 1 else f"{count:,} images"


def _step(
    text: str, *, cell: list[int] | None = None, jump: str | None = None, number: int | None = None
) -> dict[str, Any]:
    return {"text": text, "cell": cell, "jump": jump, "number": number}


def _records(frame: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(str(name), row.to_dict()) for name, row in frame.iterrows()]

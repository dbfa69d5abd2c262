"""What a comparison says in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation

WORTH_SAYING = 0.001
"""The verdict names the optimism of choosing the best from 0.1 points on."""
MOST_NAMED = 3
"""Classes with equally many errors that a sentence names."""
MOST_RIVALS = 6
"""Models that a sentence names; of more it names the first half, which are the closest, and counts the others."""


def pair_sentence(pair: Mapping[str, Any], n: int, level: float, margin: float) -> str:
    """Return one sentence on a row of `Comparison.pairs`.

    Notes
    -----
    The relation comes from the adjusted p-values alone. An interval is printed only beside the verdict that it
    agrees with: of the difference when one is found (it does not hold 0 then, see `diag.metrics.comparison`), and the
    narrower one of the two one-sided tests when the models are equivalent (it lies inside the margin then).
    """
    a, b = str(pair["a"]), str(pair["b"])
    relation, difference = str(pair["relation"]), float(pair["difference"])
    p_value = p_text(float(pair["p_adjusted"]))
    if relation in ("better", "worse"):
        low, high = float(pair["difference_low"]), float(pair["difference_high"])
        if relation == "worse":
            a, b, difference, low, high = b, a, -difference, -high, -low
        size, low_text, high_text = points(difference, low, high)
        slight = f", which is less than {_points_of(margin)}" if float(pair["p_equivalent"]) < level else ""
        interval = f"{per_cent(1 - level)} {low_text} to {high_text}"
        return f"{a} is better than {b} by {size} points ({interval}, {p_value}){slight}."
    if relation == "equivalent":
        return f"{a} and {b} are {_equivalence(pair, level, margin)}."
    return f"The data cannot separate {a} and {b} ({p_value}){power_clause([pair], n)}."


def power_clause(pairs: Sequence[Mapping[str, Any]], n: int) -> str:
    """Return below which difference four of five such test sets would not do, and how many images one pair needs."""
    smallest = max((float(pair["smallest_detectable"]) for pair in pairs), default=float("nan"))
    if smallest != smallest:
        return f": {_images(n)} cannot show any difference"
    text = f": {_images(n)} cannot reliably show a difference under {points(smallest)[0]} points"
    if len(pairs) != 1:
        return text
    needed, difference = float(pairs[0]["n_needed"]), abs(float(pairs[0]["difference"]))
    if needed != needed:
        return text + "; both have equally many right"
    return text + f"; for the {points(difference)[0]} observed, about {rounded(needed)} would be needed"


def comparison_verdict(comparison: Comparison) -> str:
    """Return which model is best, what it is better than, what cannot be separated from it, and its optimism."""
    table = comparison.table()
    best = str(table.index[0])
    accuracy = {str(key): value for key, value in table.iloc[0].items()}
    n = int(accuracy["n"])
    head = (
        f"{best}: {accuracy['accuracy']:.1%} of {_images(n)} right "
        f"(95% interval {accuracy['accuracy_low']:.1%} to {accuracy['accuracy_high']:.1%})."
    )
    baseline = _baseline(comparison, float(accuracy["accuracy_low"]))
    if len(comparison.runs) == 1:
        return " ".join([head, *baseline])
    against = _against(comparison, best, [str(name) for name in table.index[1:]])
    clauses = _clauses(comparison, against, n)
    test = f"McNemar's exact test, {'Holm, ' if len(comparison.runs) > 2 else ''}{per_cent(comparison.level)}"
    if len(comparison.runs) == 2 and "better" in against:
        said = "It is better than " + clauses[0].removesuffix(")") + f"; {test})"
    elif "better" in against:
        said = "It is better than " + "; ".join(clauses)
    else:
        shared = float(table["accuracy"].iloc[1]) == float(table["accuracy"].iloc[0])
        lead = "No other has a higher accuracy" if shared else "It has the highest accuracy"
        link = "; it " if "equivalent" in against else ", but "
        said = lead + link + "; ".join(clauses)
    said += "" if said.endswith(f"{test})") else f" ({test})"
    undecided = "undecided" in against and "better" not in against
    said += ": do not choose by this table alone." if undecided and len(comparison.runs) > 2 else "."
    return " ".join([head, said, *baseline, *_optimism(comparison)])


def run_verdict(run: Evaluation) -> str:
    """Return how many images one model has right, which class has the most errors, and what they are taken for.

    Examples
    --------
    >>> run.verdict()  # doctest: +SKIP
    'CNN sd: 99.2% of 797 images right. Class 8 has the most errors: 3 of its 78 images (3.8%), 2 of them taken for 1.'
    """
    if not len(run):
        return f"{run.name}: there are no images."
    said = f"{run.name}: {run.figures()['accuracy']:.1%} of {_images(len(run))} right."
    counts = run.counts().confusion
    wrong = counts.sum(axis=1) - np.diagonal(counts)
    most = int(wrong.max(initial=0))
    if not most:
        return f"{said} No class has an error."
    worst = np.flatnonzero(wrong == most)
    if len(worst) > 1:
        names = [run.class_names[number] for number in worst[:MOST_NAMED]]
        if len(worst) > MOST_NAMED:
            names.append(f"{len(worst) - MOST_NAMED:,} more")
        return f"{said} Classes {', '.join(names[:-1])} and {names[-1]} have the most errors, {most:,} each."
    row = counts[worst[0]].copy()
    row[worst[0]] = 0
    name, rival = run.class_names[worst[0]], run.class_names[int(row.argmax())]
    support = int(counts[worst[0]].sum())
    taken = "" if most == 1 else "all " if row.max() == most else f"{int(row.max()):,} of them "
    return (
        f"{said} Class {name} has the most errors: {most:,} of its {_images(support)} ({most / support:.1%}), "
        f"{taken}taken for {rival}."
    )


def same_answers(comparison: Comparison, a: str, b: str) -> str:
    """Return that two models are one file, or give the same class to every image; nothing where they do not."""
    one, two = comparison.run(a), comparison.run(b)
    if not len(one) or not np.array_equal(one.samples["y_pred"], two.samples["y_pred"]):
        return ""
    if one.model.digest == two.model.digest:
        return f"{a} and {b} are the same file."
    return f"{a} and {b} give the same class to every image."


def _baseline(comparison: Comparison, low: float) -> list[str]:
    """Return what always naming the most frequent class gives, where the best model is not surely better than that."""
    first = comparison.runs[0]
    support = np.bincount(first.samples["y_true"], minlength=first.n_classes)
    if np.count_nonzero(support) < 2 or low > (share := support.max() / support.sum()):
        return []
    return [f"Always answering {first.class_names[int(support.argmax())]} would have {share:.1%} right."]


def _optimism(comparison: Comparison) -> list[str]:
    found = comparison.optimism()
    return [found.sentence()] if found.optimism >= WORTH_SAYING else []


def _against(comparison: Comparison, best: str, others: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the pairs of `best` with the others by relation, in the order of the table."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in others:
        pair = comparison.pair(best, name)
        found.setdefault(pair["relation"], []).append(pair)
    return found


def _clauses(comparison: Comparison, against: Mapping[str, Sequence[Mapping[str, Any]]], n: int) -> list[str]:
    clauses = []
    better, equal = against.get("better", ()), against.get("equivalent", ())
    undecided = against.get("undecided", ())
    if len(better) == 1:
        size, low, high = points(*(float(better[0][f"difference{end}"]) for end in ("", "_low", "_high")))
        interval = f"{per_cent(1 - comparison.level)} {low} to {high}, {p_text(float(better[0]['p_adjusted']))}"
        clauses.append(f"{better[0]['b']} by {size} points ({interval})")
    elif better:
        clauses.append(_rivals(better))
    if len(equal) == 1:
        subject = "it is" if better else "is"
        clauses.append(f"{subject} equivalent to {equal[0]['b']}{_margin(equal[0], comparison)}")
    elif equal:
        subject = "it is" if better else "is"
        clauses.append(f"{subject} equivalent to {_rivals(equal)} within {_points_of(comparison.margin)}")
    if undecided:
        clauses.append(f"the data cannot separate it from {_rivals(undecided)}{power_clause(undecided, n)}")
    return clauses


def _rivals(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Return the second model of each pair, in words; of many the first."""
    names = [str(pair["b"]) for pair in pairs]
    if len(names) > MOST_RIVALS:
        names = [*names[: MOST_RIVALS // 2], f"{len(names) - MOST_RIVALS // 2} others"]
    return listed(names)


def _margin(pair: Mapping[str, Any], comparison: Comparison) -> str:
    return _equivalence(pair, comparison.level, comparison.margin).removeprefix("equivalent")


def _equivalence(pair: Mapping[str, Any], level: float, margin: float) -> str:
    low, high = points(float(pair["equivalent_low"]), float(pair["equivalent_high"]))
    return f"equivalent within {_points_of(margin)} ({per_cent(1 - 2 * level)} interval {low} to {high})"


def _images(n: int) -> str:
    return f"{n:,} image{'' if n == 1 else 's'}"


def _points_of(margin: float) -> str:
    return f"{points(margin)[0]} points"


def points(*shares: float) -> tuple[str, ...]:
    """Return shares as percentage points, with as many digits (1 to 3) as show that they differ, and from 0.

    Examples
    --------
    >>> points(0.008, -0.0004)
    ('0.80', '-0.04')
    >>> points(0.0, 0.123)
    ('0.0', '12.3')
    """
    for digits in (1, 2, 3):
        shown = [round(share * 100, digits) + 0.0 for share in shares]
        hidden = any(share and not value for share, value in zip(shares, shown, strict=True))
        if not hidden and len(set(shown)) == len(set(shares)):
            break
    return tuple(f"{value:.{digits}f}" for value in shown)


def p_text(value: float) -> str:
    """Return a p-value as it stands in a sentence.

    Examples
    --------
    >>> p_text(0.00031), p_text(0.0412), p_text(0.0499), p_text(0.41), p_text(1e-9), p_text(1.0)
    ('p = 0.0003', 'p = 0.041', 'p = 0.0499', 'p = 0.41', 'p < 0.0001', 'p = 1')
    """
    if value < 1e-4:
        return "p < 0.0001"
    digits = 4 if value < 0.01 else 3 if value < 0.1 else 2
    if round(value, digits) == 0.05 != value:  # never on the level's other side
        digits = 4
    return f"p = {value:.{digits}f}" if value < 0.995 else "p = 1"


def per_cent(share: float) -> str:
    """Return a level or a confidence in per cent, with as many digits as it has.

    Examples
    --------
    >>> per_cent(0.95), per_cent(0.999), per_cent(0.025)
    ('95%', '99.9%', '2.5%')
    """
    return f"{100 * share:.10g}%"


def rounded(count: float) -> str:
    """Return a count with two digits, the next larger one.

    Examples
    --------
    >>> rounded(6149.0), rounded(98.0), rounded(123456.0)
    ('6,200', '98', '130,000')
    """
    unit = 10 ** max(0, len(str(int(count))) - 2)
    return f"{-(-int(count) // unit) * unit:,}"


def listed(names: Sequence[str]) -> str:
    """Return names as a list in words.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

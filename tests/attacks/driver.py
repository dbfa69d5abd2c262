"""The process in which attacks run, one after the other, through diag's own functions.

Tasks come as lines of JSON on the standard input: feed and what is given. An answer is a line of JSON on the file
descriptor that is named on the command line: what became of it, and every text that diag would show.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from diag.errors import DiagError


def main() -> None:
    """Answer tasks until there are no more."""
    with os.fdopen(int(sys.argv[1]), "w") as answers:
        print(json.dumps({"kind": "ready"}), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(_outcome(json.loads(line))), file=answers, flush=True)


def _outcome(task: dict[str, Any]) -> dict[str, Any]:
    shown: list[str] = []
    looked = 0.0
    if task["feed"] in ("model", "ensemble") and "\0" not in task["given"]:  # no command line can say that
        start = time.monotonic()
        shown.append(_inspected(task["given"]))
        looked = time.monotonic() - start
    start = time.monotonic()
    try:
        _FEEDS[task["feed"]](task["given"], shown)
        found = {"kind": "read", "text": ""}
    except DiagError as error:
        found = {"kind": "refused", "text": str(error), "error": type(error).__name__}
    except BaseException as error:  # noqa: BLE001 - that there is none is what is looked for
        found = {
            "kind": "bug",
            "text": f"{type(error).__name__}: {error}"[:2000],
            "trace": traceback.format_exc()[-3000:],
        }
    shown = [text.encode("utf-8", "backslashreplace").decode() for text in shown]
    return {**found, "shown": shown, "seconds": max(looked, time.monotonic() - start)}


def _model(given: str, shown: list[str], **options: Any) -> None:
    from diag.io.models import load_model

    _ask(load_model(_path(given), **options), shown)


def _ask(model: Any, shown: list[str]) -> None:
    """Have a model answer one black image."""
    import numpy as np

    for member in model.members or (model,):
        member._backend.prepare()  # before an image as large as the file says is made here
    shown += [model.name, *model.class_names, *model.output_notes()]
    proba = model.predict_proba(np.zeros((1, *model.input_shape), np.float32))
    shown.append(repr(proba.ravel()[:20].tolist()))


def _inspected(given: str) -> str:
    """Return what ``diag inspect`` prints; it may refuse, it must not fail."""
    from click.testing import CliRunner

    from diag.cli import cli

    run = CliRunner().invoke(cli, ["inspect", given])
    if run.exception is not None and not isinstance(run.exception, DiagError | SystemExit):
        return f"diag inspect fails:\n{''.join(traceback.format_exception(run.exception))}"
    return run.output + (str(run.exception) if isinstance(run.exception, DiagError) else "")


def _path(given: str) -> Any:
    return given if "://" in given else Path(given)


def _architecture(given: str, shown: list[str]) -> None:
    from diag.io.models import load_model

    _ask(load_model(Path(given).with_name("model.h5"), architecture=given), shown)


def _swap(given: str, shown: list[str]) -> None:
    from diag.io.models import load_model

    model = load_model(given)
    Path(given).with_name("evil").replace(given)
    _ask(model, shown)


def _card(given: str, shown: list[str]) -> None:
    """Do with a card what the commands do: model, history, data."""
    from diag.io.models import load_model
    from diag.io.pairing import data_for

    model = load_model(given)
    shown += [model.name, model.card.description, *(model.card.class_names or ())]
    if model.card.history is not None:
        _history(str(model.card.history), shown)
    if model.card.source is not None:
        _looked_at(data_for([model]), shown)
    _ask(model, shown)


def _data(given: str, shown: list[str]) -> None:
    from diag.io.datasets import load_dataset

    _looked_at(load_dataset(given), shown)


def _looked_at(data: Any, shown: list[str]) -> None:
    """Read all images."""
    shown += [data.name, *data.notes, *data.class_names[:1000], *(data.sample_names or ())[:1000]]
    shown += [f"{name} {list(values[:20])}" for name, values in (data.metadata or {}).items()]
    for number, (_, images) in enumerate(data.batches(64)):
        shown.append(repr(images.ravel()[:20].tolist())[:1000])
        if number == 2000:
            break


def _history(given: str, shown: list[str]) -> None:
    from diag.io.histories import history_digest, load_history

    history = load_history(given)
    shown += [*history.notes, *list(history.columns)[:1000], history_digest(given)]


def _class_names(given: str, shown: list[str]) -> None:
    from diag.io.class_names import class_names_from

    shown += class_names_from(given)[:1000]


_FEEDS = {
    "model": _model,
    "ensemble": _model,
    "architecture": _architecture,
    "swap": _swap,
    "card": _card,
    "data": _data,
    "history": _history,
    "class_names": _class_names,
}

if __name__ == "__main__":
    main()

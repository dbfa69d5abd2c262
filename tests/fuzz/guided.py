"""Fuzzing with atheris: inputs that reach new lines become good inputs themselves. Needs the extra ``fuzz``."""

from __future__ import annotations

import contextlib
import random
import sys

import atheris

with atheris.instrument_imports(include=["diag"], enable_loader_override=False):
    import diag.io.datasets
    import diag.io.ensemble_files
    import diag.io.event_files
    import diag.io.expressions
    import diag.io.histories
    import diag.io.lambdas
    import diag.io.modelcard
    import diag.io.pickles
    import diag.io.readers
    import diag.io.served
    import diag.io.skops_files
    import diag.results.gate_grammar  # noqa: F401

from tests.fuzz.__main__ import FOLDER, SILENCE, Execution, options
from tests.fuzz.corpus import seeds
from tests.fuzz.targets import BY_NAME


def main() -> None:
    """Fuzz one target."""
    given = options()
    target = BY_NAME[given.target]
    execute = Execution(target)
    corpus = FOLDER / f"{target.name.replace(' ', '-')}.corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for place, data in enumerate(seeds(target.name)):
        (corpus / f"seed-{place}").write_bytes(data)
        execute(data)
    arguments = [sys.argv[0], f"-runs={given.runs}", f"-max_total_time={given.seconds}", f"-seed={given.seed + 1}"]
    arguments += ["-rss_limit_mb=0", f"-timeout={SILENCE}", "-max_len=1048576", "-len_control=0", "-detect_leaks=0"]
    arguments += [f"-artifact_prefix={FOLDER}/", str(corpus)]

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        return target.mutate(data, random.Random(seed))[:most]  # noqa: S311 - chance, no secret

    atheris.Setup(arguments, execute, custom_mutator=mutated)
    try:
        with contextlib.suppress(SystemExit):
            atheris.Fuzz()
    finally:
        execute.write()


if __name__ == "__main__":
    main()

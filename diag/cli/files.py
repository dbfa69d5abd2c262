"""Commands about model files themselves: what one holds, and writing it again as today's Keras does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diag.cli.options import ARCHITECTURE, INPUT_SHAPE, MODEL, OUTPUT, TRUST, loading_options, open_models, path_type
from diag.cli.terminal import echo

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")


@click.command()
@MODEL
@OUTPUT
@ARCHITECTURE
@INPUT_SHAPE
@_JSON
def inspect(model: Path, as_json: bool, **given: Any) -> None:
    """Print what a model file holds - layers, shapes, parameters, Keras version - without running anything in it.

    Says too what loading the file would run, and why diag would not load it; the exit status is 1 then.
    """
    from diag.cli.output import print_model_file
    from diag.io.trust import judged

    file = _file(model, given)
    print_model_file(file, as_json)
    judged(file)


@click.command()
@MODEL
@click.argument("out", type=path_type(dir_okay=False))
@OUTPUT
@ARCHITECTURE
@INPUT_SHAPE
@TRUST
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def convert(model: Path, out: Path, force: bool, **given: Any) -> None:
    """Write MODEL, of any version of Keras, again as OUT.keras, which plain Keras opens; predictions are compared."""
    from diag.io.convert import convert as run_convert

    done = run_convert(open_models([model], given)[0], out, force=force)
    for note in done.notes:
        echo(note)
    echo(
        f"The new file's outputs differ from the old one's by at most {done.difference:.1e}, "
        f"on {done.n_samples} random inputs."
    )
    echo(str(done.path))


def _file(path: Path, given: dict[str, Any]) -> Any:
    """Return what a file says, with the output that --output names."""
    from diag.io.architectures import load_architecture
    from diag.io.ends import with_output
    from diag.io.isolated import audit
    from diag.io.modelcard import load_card

    if path.name.endswith(".ensemble.toml"):
        from diag.io.models import load_model

        return load_model(path).file
    options = loading_options(given)
    source = options["architecture"]
    architecture = load_architecture(source) if source is not None else None
    file = audit(path, architecture=architecture, input_shape=options["input_shape"])
    output = options["output"] or load_card(path).output
    return with_output(file, output) if output is not None else file

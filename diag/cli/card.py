"""``diag init``: the model card, written from what was found out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from diag.cli.options import CACHE, MODEL, data_options, open_data, open_models, path_type, preprocessing_of
from diag.cli.terminal import echo


@click.command("init")
@MODEL
@data_options
@click.option("--out", type=path_type(dir_okay=False), help="The file to write.  [default: NAME.toml beside NAME.h5]")
@click.option("--force", is_flag=True, help="Replace a card that is there.")
@CACHE
def init(model: Path, out: Path | None, force: bool, cache: bool, **given: Any) -> None:
    """Write the card of a MODEL: its data, class names, and the preprocessing that was found out on it."""
    from diag.detection.card import propose_card, without_card_preprocessing
    from diag.errors import InvalidInputError
    from diag.io.modelcard import card_path, card_text
    from diag.io.out_files import check_output, write_output

    place = out or card_path(model)
    check_output(place, endings=(".toml",), inputs=(model, given["data"]))
    if place.exists() and not force:
        raise InvalidInputError(
            f"{place}: expected no such file. Received: one that is there. Pass --force to replace it."
        )
    opened = open_models([model], given)[0]
    data = open_data([opened], given)
    card, evidence = propose_card(without_card_preprocessing(opened, preprocessing_of(given)), data, cache)
    if card.source is not None and _elsewhere(card.source, place.parent):
        card = replace(card, source=None, split=None)
        evidence = (*evidence, "The data lies outside of the card's folder, so the card does not name it: pass --data.")
    write_output(place, card_text(card, place.parent, evidence))
    for line in evidence:
        echo(line)
    echo(str(place))


def _elsewhere(source: str, folder: Path) -> bool:
    from diag.io.modelcard import lies_in

    path = Path(source.partition("::")[0])
    return path.exists() and not lies_in(path, folder)

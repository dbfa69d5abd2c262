"""CSV and Parquet."""

from __future__ import annotations

import numpy as np

from tests.bad_inputs.place import IMAGES, LABELS, Place

HEADER = ["label", *(f"p{number}" for number in range(25))]
ROWS = [[int(label), *image.reshape(-1).tolist()] for label, image in zip(LABELS, IMAGES, strict=True)]


def text(rows=ROWS, header=HEADER, mark=","):
    """Return the text of a CSV."""
    return "\n".join(mark.join(map(str, row)) for row in ([header] if header else []) + list(rows)) + "\n"


def csv(content, *options, command="evaluate", name="data.csv"):
    """Return what makes a CSV with this content, and a command about it."""
    return lambda place: [command, place.model, "--data", place.write(name, content), *options]


def changed(row, column, value):
    """Return the rows with one cell changed."""
    rows = [list(each) for each in ROWS]
    rows[row][column] = value
    return rows


def parquet(table, *options, name="data.parquet"):
    """Return what writes columns as Parquet, and an evaluation of it."""

    def make(place: Place) -> list[str]:
        import pyarrow as pa
        from pyarrow import parquet as pq

        pq.write_table(pa.table(table), place.root / name)
        return ["evaluate", place.model, "--data", str(place.root / name), *options]

    return make


def parquet_bytes(change):
    """Return what spoils the bytes of a good Parquet file."""

    def make(place: Place) -> list[str]:
        import pyarrow as pa
        from pyarrow import parquet as pq

        pq.write_table(pa.table({"image": list(IMAGES.reshape(30, -1).tolist()), "label": LABELS}), place.root / "a")
        return ["evaluate", place.model, "--data", place.write("data.parquet", change((place.root / "a").read_bytes()))]

    return make


FLAT = IMAGES.reshape(30, -1).tolist()

CASES = (
    ("csv-empty", csv("")),
    ("csv-blank", csv("\n\n\n")),
    ("csv-header-only", csv(text([]))),
    ("csv-one-column", csv("label\n1\n2\n")),
    ("csv-binary", csv(bytes(range(256)) * 20)),
    ("csv-utf16", csv(text().encode("utf-16"))),
    ("csv-latin1-header", csv(text(header=["é", *HEADER[1:]]).encode("latin-1"))),
    ("csv-nul", csv(text().replace(",", "\0,", 3))),
    ("csv-ragged", csv(text() + "1,2,3\n")),
    ("csv-repeated-header", csv(text(ROWS[:9]) + text(ROWS[9:]))),
    ("csv-duplicate-columns", csv(text(header=["label", "label", *HEADER[2:]]))),
    ("csv-missing-pixel", csv(text(changed(4, 7, "")))),
    ("csv-nan-pixel", csv(text(changed(4, 7, "nan")))),
    ("csv-infinite-pixel", csv(text(changed(4, 7, "inf")))),
    ("csv-text-pixel", csv(text(changed(4, 7, "dark")))),
    ("csv-missing-label", csv(text(changed(4, 0, "")))),
    ("csv-negative-label", csv(text(changed(4, 0, -1)))),
    ("csv-float-label", csv(text(changed(4, 0, 1.5)))),
    ("csv-label-nan", csv(text(changed(4, 0, "nan")))),
    ("csv-label-out-of-range", csv(text(changed(4, 0, 3)))),
    ("csv-label-huge", csv(text(changed(4, 0, 10**12)))),
    ("csv-no-labels", csv(text([row[1:] for row in ROWS], HEADER[1:]))),
    ("csv-label-column-unknown", csv(text(), "--label-column", "class")),
    ("csv-label-column-number", csv(text(), "--label-column", "99")),
    ("csv-label-column-negative", csv(text(), "--label-column", "-99")),
    ("csv-label-column-is-pixels", csv(text(), "--label-column", "p3")),
    ("csv-decimal-comma-in-commas", csv(text([[f"{v},5" for v in row] for row in ROWS]))),
    ("csv-not-square", csv(text([row[:20] for row in ROWS], HEADER[:20]))),
    ("csv-paths-missing", csv("file,label\nnothere.png,1\n")),
    ("csv-paths-empty", csv("file,label\n,1\n")),
    ("csv-paths-no-image", csv("file,label\ndata.csv,1\n")),
    ("csv-paths-folder", csv("file,label\n.,1\n")),
    ("csv-labels-command", csv(text([row[1:] for row in ROWS], HEADER[1:]), command="labels")),
    ("csv-split-unknown", csv(text(), "--split", "tset")),
    ("csv-split-train", csv(text(), "--split", "train")),
    ("csv-quote-open", csv(text().replace("label", '"label', 1))),
    ("csv-huge-field", csv(text(changed(4, 7, "9" * 300_000)))),
    ("parquet-empty-file", lambda p: ["evaluate", p.model, "--data", p.write("data.parquet", b"")]),
    (
        "parquet-random",
        lambda p: ["evaluate", p.model, "--data", p.write("data.parquet", b"PAR1" + b"x" * 99 + b"PAR1")],
    ),
    ("parquet-truncated", parquet_bytes(lambda raw: raw[:-40])),
    ("parquet-damaged", parquet_bytes(lambda raw: raw[:200] + bytes(200) + raw[400:])),
    ("parquet-no-rows", parquet({"image": [], "label": []})),
    ("parquet-no-images", parquet({"label": LABELS})),
    ("parquet-no-label", parquet({"image": FLAT})),
    ("parquet-null-label", parquet({"image": FLAT, "label": [None, *LABELS[1:].tolist()]})),
    ("parquet-ragged", parquet({"image": [FLAT[0][:16], *FLAT[1:]], "label": LABELS})),
    (
        "parquet-nan",
        parquet({"image": [[float("nan")] * 25, *[[float(v) for v in r] for r in FLAT[1:]]], "label": LABELS}),
    ),
    ("parquet-negative", parquet({"image": FLAT, "label": [-2, *LABELS[1:].tolist()]})),
    ("parquet-bytes-no-image", parquet({"image": [b"not an image"] * 30, "label": LABELS})),
    ("parquet-label-column", parquet({"image": FLAT, "label": LABELS}, "--label-column", "kind")),
    ("parquet-more-classes", parquet({"image": FLAT, "label": np.arange(30) % 5})),
)
LEGAL = (
    ("csv-doctor-no-labels", csv(text([row[1:] for row in ROWS], HEADER[1:]), command="doctor")),
    ("csv-bom", csv(text().encode("utf-8-sig"))),
    ("csv-semicolons", csv(text(mark=";"))),
    ("csv-decimal-commas", csv(text([[row[0], *(f"{v},0" for v in row[1:])] for row in ROWS], mark=";"))),
    ("csv-crlf", csv(text().replace("\n", "\r\n"))),
    ("csv-one-row", csv(text(ROWS[:1]))),
    ("csv-no-newline", csv(text().rstrip())),
)

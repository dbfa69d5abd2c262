"""Data files that were made to do harm, or that are broken in the ways that files break: one line each."""

import gzip
import io
import os
import struct
import zipfile
import zlib

import h5py
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from diag.errors import DataError
from diag.io import datasets, protobuf, unpacking
from diag.io.datasets import load_dataset
from diag.io.histories import load_history
from diag.io.readers import hdf5, sidecar
from tests.io import written
from tests.io.written import X, Y, png


def refused(source, said, **options):
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(source, **options).images[:]
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) <= 480
    return text


def csv(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


ROWS = "\n".join(",".join(["1", *map(str, range(16))]) for _ in range(3)) + "\n"
HEAD = ",".join(["label", *(f"p{i}" for i in range(16))]) + "\n"
TABLES = {
    "utf-16": ((HEAD + ROWS).encode("utf-16"), "text in UTF-16. Save it as CSV UTF-8"),
    "utf-16 without a mark": ((HEAD + ROWS).encode("utf-16-le"), "zeros among them"),
    "latin-1 header": ((HEAD.replace("label", "catégorie") + ROWS).encode("latin-1"), "perhaps Latin-1"),
    "latin-1 far below": ((HEAD + ROWS * 2000 + ROWS.replace("1,", "é,", 1)).encode("latin-1"), "perhaps Latin-1"),
    "zero byte": (HEAD.replace("label", "label\0") + ROWS, "zeros among them"),
    "excel": (b"PK\x03\x04" + bytes(50), "an Excel file"),
    "label twice": (HEAD.replace("p0", "label") + ROWS, "2 columns named 'label'. Rename or drop one"),
    "header again": (HEAD + ROWS + HEAD + ROWS, r"it again in row 3 \(from 0\). Drop that row"),
    "decimal commas": (HEAD + ROWS.replace(",3,", ',"0,3",'), "'0,3' in row 0.*decimal points instead of commas"),
    "ragged": (HEAD + ROWS + "1,2\n", "rows of equal length.*Expected 17 columns, got 2"),
    "empty": (b"", "Received: 0 column"),
    "header alone": (HEAD, "at least one row. Received: none"),
    "missing label": (HEAD + ROWS.replace("1,", ",", 1), "1 labels are missing in column label"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    "one long name": (f"label,path\n{'x' * 2000},a.png\n", "at most 1,000 characters. Received: one of 2,000"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_broken_table_is_one_line(tmp_path, case):
    content, said = TABLES[case]
    refused(csv(tmp_path, content), said)


def test_a_mark_at_the_beginning_and_windows_line_ends_do_no_harm(tmp_path):
    data = load_dataset(csv(tmp_path, b"\xef\xbb\xbf" + (HEAD + ROWS).replace("\n", "\r\n").encode()))
    assert data.labels.tolist() == [1, 1, 1]


def test_a_table_of_too_many_columns_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_LIMITS", "columns=10")
    refused(csv(tmp_path, HEAD + ROWS), "at most 10 columns. Received: 17. .*DIAG_LIMITS=columns=68")


def test_a_table_with_a_row_longer_than_a_block_is_read(tmp_path):
    row = ",".join(["7"] * (400 * 400 * 3))  # 1 MB: more than pyarrow's own block
    with pytest.raises(DataError, match=r"at most 100,000 columns.*DIAG_LIMITS=columns=5\d+"):
        load_dataset(csv(tmp_path, row + "\n" + row + "\n"))


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tfrecord.gz", "t10k-images-idx3-ubyte.gz"])
def test_what_unpacks_to_more_than_is_allowed_is_refused(tmp_path, monkeypatch, name):
    head = struct.pack(">HBB3I", 0, 8, 3, 900, 100, 100)
    content = {"a.csv.gz": (HEAD + ROWS * 9000).encode(), "a.tfrecord.gz": bytes(9_000_000)}.get(name, head)
    (tmp_path / name).write_bytes(gzip.compress(content + bytes(9_000_000)))
    monkeypatch.setenv("DIAG_LIMITS", "memory_bytes=2000000")
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    refused(tmp_path / name, "unpacks to at most 1,000,000 bytes. Received: more. .*DIAG_LIMITS=memory_bytes=4000000")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tfrecord.gz", "t10k-images-idx3-ubyte.gz"])
def test_what_unpacks_to_a_thousand_times_its_size_is_refused_at_once(tmp_path, name):
    head = struct.pack(">HBB3I", 0, 8, 3, 2000, 100, 100) if "idx" in name else b""
    (tmp_path / name).write_bytes(gzip.compress(head + bytes(20_000_000)))
    refused(tmp_path / name, "a line of over" if "csv" in name else "1,000 times its size.*DIAG_LIMITS=ratio=2000")


@pytest.mark.parametrize(("content", "said"), [
    (b"," * 10**6, r"at most 100,000 columns. Received: 1\d\d,\d\d\d"),
    (b"a" * (20 * 2**20), "a line of over 16,777,216 bytes"),
    (b'"' + b"a" * (20 * 2**20), "a line of over 16,777,216 bytes"),
    (HEAD.encode() + b"," * 10**6 + b"\n", "Expected 17 columns"),
])  # fmt: skip
def test_lines_and_columns_are_bounded_before_they_are_taken_apart(tmp_path, content, said):
    refused(csv(tmp_path, content), said)
    refused(csv(tmp_path, gzip.compress(content), "a.csv.gz"), said + "|1,000 times its size")


def test_a_table_too_large_for_the_memory_is_refused_by_its_size(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_LIMITS", "memory_bytes=200")
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    refused(csv(tmp_path, HEAD + ROWS), "a table of at most 100 bytes. Received: .*Save the images as .npz")


def test_a_hollow_file_is_refused_before_it_is_read(tmp_path):
    path = csv(tmp_path, HEAD + ROWS)
    os.truncate(path, 10**11)
    refused(path, "1,000 times what is stored. Received: 100,000,000,000 bytes, of which")


@pytest.mark.parametrize("name", ["class_names.json", "metadata.csv"])
def test_what_lies_beside_images_is_no_link_to_elsewhere(tmp_path, name):
    (tmp_path / "secret").write_text('["a", "b", "c"]' if name.endswith("json") else "file,age\n0/0.png,41\n")
    folder = written.class_folders(tmp_path, X, Y)
    (folder / name).symlink_to(tmp_path / "secret")
    data = load_dataset(folder)
    assert data.class_names == ("0", "1", "2")
    assert data.metadata is None


def test_events_are_no_links_to_elsewhere(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "secret").write_bytes(b"")
    (tmp_path / "logs" / "events.out.tfevents.2").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match="Received: none"):
        load_history(tmp_path / "logs")


def test_a_damaged_picture_in_a_record_is_no_plain_pixels(tmp_path):
    path = written.tfrecord(tmp_path, X, Y)
    content = bytearray(path.read_bytes())
    content[content.index(b"\x89PNG")] ^= 1
    path.write_bytes(content)
    refused(path, "a damaged one at byte 12. Copy or download")


def test_missing_images_in_a_parquet_file_are_counted(tmp_path):
    table = pa.table({"image": pa.array([[1.0] * 25, None, [2.0] * 25]), "label": [0, 1, 2]})
    parquet.write_table(table, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "an image in every row. Received: 1 that are missing")


def test_no_more_is_taken_than_there_is(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with (tmp_path / "a").open("rb") as file:
        assert unpacking.read_up_to(file, 2**60) == b"abc"


def test_a_parquet_file_that_claims_a_thousand_million_rows_is_refused(tmp_path):
    many = pa.chunked_array([pa.array(np.zeros(10**6, np.int64))] * 8)
    parquet.write_table(pa.table({"label": many, "image": many}), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    refused(tmp_path / "a.parquet", r"1,000 times what is stored. Received: 128,000,000 bytes .*DIAG_LIMITS=ratio=")


def test_a_parquet_file_that_repeats_one_image_is_cut_off(tmp_path, monkeypatch):
    image = png(np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8))
    parquet.write_table(
        pa.table({"image": pa.array([image] * 300, pa.binary()), "label": [0] * 300}), tmp_path / "a.pq"
    )
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    monkeypatch.setenv("DIAG_LIMITS", "memory_bytes=1000000")
    refused(tmp_path / "a.pq", "columns of at most 500,000 bytes.*DIAG_LIMITS=memory_bytes=2000000")


def test_rows_that_may_be_long_are_decoded_few_at_a_time(tmp_path, monkeypatch):
    from diag.io.readers import parquet as reader

    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(400, np.int32)), ["x" * 2**20])
    parquet.write_table(pa.table({"text": texts, "label": np.arange(400) % 3}), tmp_path / "a.pq", compression="zstd")
    taken = []
    monkeypatch.setattr(reader, "tick", lambda: taken.append(1))
    with reader._opened(tmp_path / "a.pq") as opened:
        reader._decoded(opened, ["text"], tmp_path / "a.pq")
        assert len(taken) == 2
        monkeypatch.setattr(reader, "_AT_ONCE", 10 * 2**20)
        reader._decoded(opened, ["text"], tmp_path / "a.pq")
    assert len(taken) >= 40


def test_chunks_that_all_lie_in_one_place_count_once(tmp_path, monkeypatch):
    """What the file says it stores is never more than the file."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.zeros((64, 16, 16), np.float64), chunks=(1, 16, 16), compression="gzip")
        file["y"] = np.zeros(64, int)
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    monkeypatch.setenv("DIAG_LIMITS", "ratio=2")
    refused(tmp_path / "a.h5", "claims 131,072 bytes.*DIAG_LIMITS=ratio=")


def test_a_chunk_that_unpacks_to_more_than_it_is_for_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "_GROWTH", 1_000)
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=pixels, chunks=(2, 16, 16), compression="gzip")
        file["y"] = [0, 1, 0, 1]
    data = load_dataset(tmp_path / "a.h5")
    np.testing.assert_array_equal(data.images[np.array([3, 0])][..., 0], pixels[[3, 0]])
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["x"].id.write_direct_chunk((2, 0, 0), zlib.compress(pixels.tobytes() + bytes(9_000_000)))
    assert load_dataset(tmp_path / "a.h5").images[:2].shape == (2, 16, 16, 1)
    refused(tmp_path / "a.h5", "expected pieces of 512 bytes. Received: one that unpacks to more")


def test_a_table_of_more_rows_than_the_memory_holds_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    monkeypatch.setenv("DIAG_LIMITS", "memory_bytes=200000")
    refused(csv(tmp_path, HEAD + ROWS * 500), "100,000 bytes in memory. Received: more than .* rows of 17 columns")


def test_texts_that_lie_in_one_place_are_cut_off(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    monkeypatch.setattr(hdf5, "_MAX_LABELS", 1_000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = X
        file["y"] = ["a" * 200] * 9
    refused(tmp_path / "a.h5", "texts of at most 1,000 characters in /y")


def test_groups_too_deep_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("/".join("g" * 60))
    refused(tmp_path / "a.h5", "40 groups deep")


@pytest.mark.parametrize("kind", [h5py.ExternalLink("b.h5", "/x"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/x")])
def test_links_in_a_file_are_not_followed(tmp_path, kind):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = X
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = kind
    refused(tmp_path / "a.h5", "Received: none")


def test_archives_of_other_things_are_named(tmp_path):
    for name, content in (("schema.json", "{}"), ("notes.txt", "hello")):
        with zipfile.ZipFile(tmp_path / f"{name}.npz", "w") as archive:
            archive.writestr(name, content)
    refused(tmp_path / "schema.json.npz", "Received: a saved model. Pass it as MODEL")
    refused(tmp_path / "notes.txt.npz", "an archive with notes.txt. Save the images as x")
    zipfile.ZipFile(tmp_path / "empty.npz", "w").close()
    refused(tmp_path / "empty.npz", "an archive with nothing")
    np.savez(tmp_path / "scalars.npz", x=np.array(3), y=np.array(0))
    refused(tmp_path / "scalars.npz", "Received: a single value")
    np.savez(tmp_path / "a.npz", x=X, y=Y, kind=Y[::-1])
    refused(tmp_path / "a.npz", "the array with the labels, of x, y, kind. Received: 'sort'", label_column="sort")
    assert load_dataset(tmp_path / "a.npz", label_column="kind").labels.tolist() == Y[::-1].tolist()
    refused(f"{tmp_path / 'a.npz'}::x,y", "before '::'. Received: .npz. Pass the file alone")


@pytest.mark.parametrize("ending", [".npz", ".npy", ".csv", ".h5", ".parquet", ".tfrecord", ".zip"])
def test_pipes_pointers_and_folders_under_a_files_name_are_named(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    os.mkfifo(path)
    refused(path, "Received: a pipe")
    path.unlink()
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    refused(path, "Received: a Git LFS pointer.*git lfs pull")
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    refused(path, "Received: a link to nothing")


def test_an_image_that_is_a_pointer_is_named(tmp_path):
    folder = written.class_folders(tmp_path, X, Y)
    (folder / "0" / "0.png").write_text("version https://git-lfs.github.com/spec/v1\n")
    refused(folder, r"0\.png: expected an image. Received: a Git LFS pointer. Run 'git lfs pull'")


def test_a_folder_of_nothing_but_links_and_pipes_says_so(tmp_path):
    (tmp_path / "in" / "cat").mkdir(parents=True)
    (tmp_path / "in" / "cat" / "a.png").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "in" / "cat" / "b.png")
    refused(tmp_path / "in", r"Received: none.* Passed over: 1 links out of the folder.*1 pipes, sockets or devices\.")


@pytest.mark.parametrize("source", ["", "  ", "a\0b.npz", "x" * 5000 + ".npz"])
def test_texts_that_are_no_paths_are_refused(source):
    refused(source, "Received|no such file|cannot be looked up")


def test_a_history_that_is_a_pipe_or_in_another_encoding_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"expected a training history. Received: a pipe"):
        load_history(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes("loss\n0.5\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"in UTF-8. Received: text in UTF-16. Save it as UTF-8"):
        load_history(tmp_path / "b.csv")
    os.mkfifo(tmp_path / "events.out.tfevents.1")
    with pytest.raises(DataError, match=r"Received: none|a pipe"):
        load_history(tmp_path)


@pytest.mark.parametrize(("name", "content"), [
    ("a.csv", ",".join(f"m{number}" for number in range(2_000))),
    ("a.json", "{" + ",".join(f'"m{number}": [1]' for number in range(2_000)) + "}"),
])  # fmt: skip
def test_a_history_of_too_many_columns_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=r"at most 1,000 columns, one a metric\. Received: 2,000"):
        load_history(tmp_path / name)


def test_a_broken_image_is_named_with_its_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/0.png", b"no image")
    refused(tmp_path / "a.zip", r"a\.zip: cat/0\.png: expected an image")


def test_a_table_beside_folders_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    monkeypatch.setattr(sidecar, "MAX_CELLS", 3)
    folder = written.class_folders(tmp_path, X, Y)
    (folder / "metadata.csv").write_text("file,age\n0/0.png,41\n0/1.png,3\n1/3.png,3\n")
    assert any("metadata.csv was not used: it has more than 3 cells" in note for note in load_dataset(folder).notes)
    (folder / "metadata.csv").write_bytes(b"file,age\n0/0.png,\0\n")
    assert any("bytes that are no text" in note for note in load_dataset(folder).notes)


def test_images_too_large_for_a_network_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_LIMITS", "image_bytes=1000")
    path = written.class_folders(tmp_path, np.zeros((2, 40, 30), np.uint8), [0, 1])
    refused(path, r"at most 1,000 bytes. Received: 40x30x1 of uint8, 1,200 bytes.*--resize.*image_bytes=1200")
    assert load_dataset(path, size=(20, 20)).images.shape == (2, 20, 20, 1)


def test_batches_of_large_images_are_short(monkeypatch):
    monkeypatch.setattr(datasets, "_BATCH_BYTES", 60)
    assert [len(batch) for _, batch in load_dataset((X, Y)).batches(4)] == [2, 2, 2, 2, 1]
    monkeypatch.setattr(datasets, "_BATCH_BYTES", 1)
    assert [start for start, _ in load_dataset((X, Y)).batches(4)] == list(range(9))


def test_records_too_long_are_refused(monkeypatch, tmp_path):
    path = written.tfrecord(tmp_path, X, Y)
    content = path.read_bytes()
    assert len(list(protobuf.records(io.BytesIO(content), len(content), longest=1000))) == 9
    with pytest.raises(ValueError, match="more than 10"):
        list(protobuf.records(io.BytesIO(content), len(content), longest=10))
    monkeypatch.setattr(protobuf, "_MOST_CHECKED", 100)
    with pytest.raises(ValueError, match="more than 100 bytes of small records"):
        list(protobuf.records(io.BytesIO(content), len(content), checked=10**6))


def test_too_many_records_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_LIMITS", "files=5")
    refused(written.tfrecord(tmp_path, X, Y), "at most 5 records. Received: more. .*DIAG_LIMITS=files=50")


def test_texts_in_a_png_that_unpack_to_much_are_one_line_or_passed_over(tmp_path):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**28)))
    image = png(X[0])
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(image[:33] + bomb + image[33:])
    refused(tmp_path, r"0\.png: expected an image")

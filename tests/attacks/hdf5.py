"""HDF5 files that lead out of themselves, claim what is not there, or hang the library; as models and as data."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.attacks.models import good_arrays, keras_file, legacy_file
from tests.attacks.trap import Attack, Trap

Change = Callable[[h5py.File, Trap], None]
WHERE = "model_weights/dense/dense"  # the group with the weights of the good legacy model
_LAYER = "layers/dense/vars"  # and of the good Keras 3 weight file


def _model(name: str, tries: str, change: Change, cited: str = "ours", harmless: bool = False) -> Attack:
    def build(trap: Trap) -> Path:
        return legacy_file(trap.path("model.h5"), change=lambda file: change(file, trap))

    return Attack(f"hdf5_{name}", tries, cited, "model", build, harmless)


def _archive(name: str, tries: str, change: Change, cited: str = "ours", harmless: bool = False) -> Attack:
    """Return the same in the weight file of a ``.keras`` archive, whose group WHERE is called otherwise."""

    def build(trap: Trap) -> Path:
        path = trap.path("weights")
        with h5py.File(path, "w") as file:
            for place, array in good_arrays().items():
                file[place] = array
            file.require_group("layers/flatten/vars")
            change(file, trap)
        made = keras_file(trap.path("model.keras"), weight_file=path.read_bytes())
        path.unlink()
        return made

    return Attack(f"hdf5_{name}_keras", tries, cited, "model", build, harmless)


def _data(name: str, tries: str, change: Change, cited: str = "ours", harmless: bool = False) -> Attack:
    """Return a file of images and labels with something done to it."""

    def build(trap: Trap) -> Path:
        path = trap.path("data.h5")
        with h5py.File(path, "w") as file:
            file["x_test"] = np.zeros((4, 8, 8), "u1")
            file["y_test"] = np.arange(4) % 2
            change(file, trap)
        return path

    return Attack(f"hdf5_{name}_data", tries, cited, "data", build, harmless)


def _put(file: h5py.File, place: str, value: Any) -> None:
    if place in file:
        del file[place]
    if isinstance(value, h5py.ExternalLink | h5py.SoftLink):
        file[place] = value
    else:
        value(file, place)


def _everywhere(name: str, tries: str, make: Callable[[Trap], Any], shape: tuple[int, ...] | None = None,
                cited: str = "CVE-2026-1669", harmless: bool = False) -> tuple[Attack, ...]:  # fmt: skip
    """Return the attack on the weights of both kinds of model, and on the images of a data file."""
    return (
        _model(name, tries, lambda f, t: _put(f, f"{WHERE}/kernel:0", make(t)), cited, harmless),
        _archive(name, tries, lambda f, t: _put(f, f"{_LAYER}/0", make(t)), cited, harmless),
        _data(name, tries, lambda f, t: _put(f, "x_test", make(t)), cited, harmless),
    )


def _external_storage(trap: Trap) -> Callable[[h5py.File, str], None]:
    def made(file: h5py.File, place: str) -> None:
        shape = (4, 8, 8) if place == "x_test" else (64, 2)
        raw = str(trap.canary / "secret.txt")
        file.create_dataset(place, shape, "u1" if place == "x_test" else "f4", external=[(raw, 0, 2**20)])

    return made


def _virtual(trap: Trap) -> Callable[[h5py.File, str], None]:
    def made(file: h5py.File, place: str) -> None:
        shape, inner = ((4, 8, 8), "images") if place == "x_test" else ((64, 2), "secret")
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource(str(trap.canary / "secret.h5"), inner, shape)
        file.create_virtual_dataset(place, layout)

    return made


def _claims(shape: tuple[int, ...], chunks: tuple[int, ...] | None, **options: Any) -> Callable[[Trap], Any]:
    return lambda trap: lambda file, place: file.create_dataset(place, shape, "f4", chunks=chunks, **options)


def _late(trap: Trap) -> Any:
    """A data set without chunks whose space is only taken when it is written: nothing is stored."""

    def made(file: h5py.File, place: str) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
        space = h5py.h5s.create_simple((2**17, 2**13))
        parent = file.require_group(place.rpartition("/")[0] or "/")
        h5py.h5d.create(parent.id, place.rpartition("/")[2].encode(), h5py.h5t.IEEE_F32LE, space, plist)

    return made


def _deflated(trap: Trap) -> Any:
    """4 GiB of zeros, packed a thousand times smaller, packed again: 4 MB a GiB, then a few kB."""

    def made(file: h5py.File, place: str) -> None:
        made = file.create_dataset(place, (512, 2**20), "u1", chunks=(1, 2**20), compression="gzip")
        import zlib

        chunk = zlib.compress(bytes(2**20), 9)
        for row in range(512):
            made.id.write_direct_chunk((row, 0), chunk)

    return made


def _forty(file: h5py.File, trap: Trap) -> None:
    """Forty arrays of 100 MiB each that store next to nothing: each may be allowed, all together are not."""
    group = file.require_group("model_weights/more" if "model_weights" in file else "layers/more/vars")
    for number in range(40):
        group.create_dataset(str(number), (100, 2**18), "f4", chunks=(1, 2**18), compression="gzip")[0] = 0


def _just_below(file: h5py.File, trap: Trap) -> None:
    """Two thousand arrays that stay just below the size that is looked at."""
    group = file.require_group("model_weights/more" if "model_weights" in file else "layers/more/vars")
    for number in range(2000):
        group.create_dataset(str(number), (2**20 - 1,), "u1", chunks=(2**20 - 1,))


def _soft_circle(file: h5py.File, trap: Trap) -> None:
    group = file["model_weights"] if "model_weights" in file else file["layers"]
    group["up"] = h5py.SoftLink("/")
    group["self"] = h5py.SoftLink(f"{group.name}/self")


def _hard_circle(file: h5py.File, trap: Trap) -> None:
    group = (file["model_weights"] if "model_weights" in file else file["layers"]).create_group("g")
    group["one"] = group["two"] = group


def _same_many_times(file: h5py.File, trap: Trap) -> None:
    """One array of 8 MiB under 500 names: 4 GiB when each is read."""
    group = file.require_group("model_weights/more" if "model_weights" in file else "layers/more/vars")
    first = group.create_dataset("0", (2**21,), "f4", chunks=(2**18,), compression="gzip")
    first[:] = 1.5
    for number in range(1, 500):
        group[str(number)] = first


def _deep(file: h5py.File, trap: Trap) -> None:
    group = file["model_weights"] if "model_weights" in file else file["layers"]
    for _ in range(3000):
        group = group.create_group("g")


def _members(file: h5py.File, trap: Trap) -> None:
    group = file.create_group("many", track_order=False)
    for number in range(20_000):
        group[f"{number:05}"] = h5py.SoftLink("/")


def _attribute(file: h5py.File, trap: Trap) -> None:
    group = file["model_weights"] if "model_weights" in file else file["layers"]
    for number in range(60):
        group.attrs[f"a{number}"] = np.zeros(8000, "f8")


def _names(values: Any) -> Change:
    def change(file: h5py.File, trap: Trap) -> None:
        group = file["model_weights"]
        del group.attrs["layer_names"]
        group.attrs["layer_names"] = values(file, trap) if callable(values) else values

    return change


def _weight_names(values: Any) -> Change:
    def change(file: h5py.File, trap: Trap) -> None:
        group = file["model_weights/dense"]
        del group.attrs["weight_names"]
        group.attrs["weight_names"] = values

    return change


def _of_type(kind: str) -> Change:
    """Plant a data set of a type that is neither numbers nor texts where the kernel stands."""

    def change(file: h5py.File, trap: Trap) -> None:
        place = f"{WHERE}/kernel:0" if "model_weights" in file else "x_test" if "x_test" in file else f"{_LAYER}/0"
        del file[place]
        if kind == "vlen":
            made = file.create_dataset(place, (64, 2), h5py.vlen_dtype(np.float32))
            made[0, 0] = np.ones(4, "f4")
        elif kind == "compound":
            file.create_dataset(place, (64, 2), np.dtype([("a", "f4"), ("b", "S9")]))
        elif kind == "region":
            made = file.create_dataset(place, (64,), h5py.regionref_dtype)
            other = file.create_dataset("other", data=np.arange(9))
            made[0] = other.regionref[0:4]
        elif kind == "reference":
            file.create_dataset(place, (64,), h5py.ref_dtype)[0] = file.ref
        elif kind == "array":
            file.create_dataset(place, (64,), np.dtype(("f4", (1000, 1000))))
        elif kind == "text":
            file.create_dataset(place, (64, 2), "S1000000", chunks=(1, 1))
        elif kind == "named":
            file["kind"] = np.dtype("f4")
            file.create_dataset(place, (64, 2), file["kind"])

    return change


def _plugin(trap: Trap) -> Path:
    """Write a file whose filter is unknown, and a shared object that would be it, where HDF5_PLUGIN_PATH points."""
    path = legacy_file(trap.path("model.h5"), change=_unknown_filter)
    compile_plugin(trap.folder.parent / "plugins", trap.marker)
    return path


def compile_plugin(folder: Path, marker: Path) -> bool:
    """Compile the shared object; False where there is no compiler."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "evil.c"
    source.write_text(
        "#include <stdio.h>\n"
        f'__attribute__((constructor)) static void run(void) {{ FILE *f = fopen("{marker}", "w"); fclose(f); }}\n'
        "int H5PLget_plugin_type(void) { return 0; }\nconst void *H5PLget_plugin_info(void) { return 0; }\n"
    )
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(folder / "libevil.so"), str(source)], check=True,
                       capture_output=True)  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _unknown_filter(file: h5py.File, trap: Trap | None = None) -> None:
    place = f"{WHERE}/kernel:0" if "model_weights" in file else "x_test" if "x_test" in file else f"{_LAYER}/0"
    del file[place]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((64, 2))
    plist.set_filter(32_123, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    parent = file.require_group(place.rpartition("/")[0] or "/")
    space = h5py.h5s.create_simple((64, 2))
    made = h5py.h5d.create(parent.id, place.rpartition("/")[2].encode(), h5py.h5t.IEEE_F32LE, space, plist)
    made.write_direct_chunk((0, 0), bytes(512), 0)


def _bad_filter(kind: int, values: tuple[int, ...]) -> Change:
    def change(file: h5py.File, trap: Trap) -> None:
        place = f"{WHERE}/kernel:0"
        del file[place]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((64, 2))
        plist.set_filter(kind, h5py.h5z.FLAG_OPTIONAL, values)
        space = h5py.h5s.create_simple((64, 2))
        made = h5py.h5d.create(file[WHERE].id, b"kernel:0", h5py.h5t.IEEE_F32LE, space, plist)
        made.write_direct_chunk((0, 0), bytes(range(256)), 0)

    return change


def _patched(name: str, tries: str, old: bytes, new: bytes, feed: str = "model", last: bool = False) -> Attack:
    """Return the good legacy file with some bytes of its structures replaced."""

    def build(trap: Trap) -> Path:
        path = legacy_file(trap.path("model.h5"), change=lambda file: file.create_dataset(
            "model_weights/c", data=np.arange(4096, dtype="f4"), chunks=(64,), compression="gzip"))  # fmt: skip
        whole = bytearray(path.read_bytes())
        place = whole.rfind(old) if last else whole.find(old)
        whole[place + len(old) : place + len(old) + len(new)] = new
        path.write_bytes(whole)
        return path

    return Attack(f"hdf5_{name}", tries, "the issue", feed, build, harmless=True)


_FAR = struct.pack("<Q", 2**62)
HDF5 = (
    *_everywhere("external_link", "a link to another file", lambda t: h5py.ExternalLink(
        str(t.canary / "secret.h5"), "images")),
    *_everywhere("external_link_device", "a link to a device", lambda t: h5py.ExternalLink("/dev/zero", "images")),
    *_everywhere("soft_link", "a link to another place", lambda t: h5py.SoftLink("/nowhere")),
    *_everywhere("external_storage", "numbers that lie in another file", _external_storage),
    *_everywhere("virtual", "numbers put together from another file", _virtual),
    *_everywhere("claims_4_tb", "chunks that were never written", _claims((2**20, 2**20), (2**10, 2**10))),
    *_everywhere("claims_fill", "the same, with a value to fill them", _claims(
        (2**16, 2**14), (2**10, 2**10), fillvalue=7.0)),
    *_everywhere("claims_late", "numbers that were never written", _late),
    *_everywhere("claims_packed", "zeros, packed a thousand times smaller", _deflated, cited="CVE-2026-0897"),
    _model("forty_arrays", "forty arrays, each below the limit", _forty, "the issue"),
    _archive("forty_arrays", "forty arrays, each below the limit", _forty, "the issue"),
    _model("small_arrays", "two thousand arrays below the size that is looked at", _just_below),
    _model("soft_circle", "links in a circle", _soft_circle),
    _model("hard_circle", "groups that hold themselves", _hard_circle),
    _archive("hard_circle", "groups that hold themselves", _hard_circle),
    _model("same_array_500_times", "one array under 500 names", _same_many_times, harmless=True),
    _model("deep_groups", "3,000 groups in each other", _deep),
    _archive("deep_groups", "3,000 groups in each other", _deep),
    _model("many_links", "20,000 links to the beginning", _members),
    _model("attributes", "attributes that are arrays", _attribute, harmless=True),
    _model("names_lead_out", "layer names that lead elsewhere", _names([b"/", b"../..", b"dense"]), harmless=True),
    _model("names_not_texts", "numbers for layer names", _names(np.arange(4)), harmless=True),
    _model("names_without_end", "200,000 layer names", _names(lambda f, t: np.array([b"dense"] * 9000)), harmless=True),
    _model("weight_names_absolute", "a weight by its absolute name", _weight_names([b"/x", b"/model_weights"]),
           harmless=True),
    _model("weight_names_references", "references for names", _weight_names(np.arange(3.0)), harmless=True),
    *(_model(f"type_{kind}", "a type that is not a number", _of_type(kind), harmless=kind == "named") for kind in (
        "vlen", "compound", "region", "reference", "array", "text", "named")),
    *(_archive(f"type_{kind}", "a type that is not a number", _of_type(kind)) for kind in ("vlen", "compound")),
    *(_data(f"type_{kind}", "a type that is not a number", _of_type(kind)) for kind in (
        "vlen", "compound", "region", "reference", "array", "text")),
    Attack("hdf5_plugin", "an unknown filter runs a shared object", "the issue", "model", _plugin),
    _archive("unknown_filter", "an unknown filter", lambda f, t: _unknown_filter(f)),
    _data("unknown_filter", "an unknown filter", lambda f, t: _unknown_filter(f)),
    _model("filter_nbit", "a filter with lying parameters", _bad_filter(5, (8, 0, 2**31 - 1, 4, 2**31))),
    _model("filter_scale", "a filter with lying parameters", _bad_filter(6, tuple(range(20)))),
    _model("filter_shuffle", "a filter with lying parameters", _bad_filter(2, (2**30,)), harmless=True),
    _patched("tree_of_chunks_lies", "a tree that points to itself", b"TREE\x01\x00", b"\xff\xff", last=True),
    _patched("tree_of_names_lies", "a tree that claims 65,535 entries", b"TREE\x00\x00", b"\xff\xff"),
    _patched("symbols_lie", "a table that claims 65,535 names", b"SNOD\x01\x00", b"\xff\xff"),
    _patched("local_heap_far", "a heap beyond the file's end", b"HEAP\x00\x00\x00\x00", _FAR),
    _patched("global_heap_far", "a heap of 2 ** 62 bytes", b"GCOL\x01\x00\x00\x00", _FAR),
    _patched("superblock_sizes", "numbers of 255 bytes", b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00", b"\xff\xff"),
    _patched("superblock_version", "a version that is none", b"\x89HDF\r\n\x1a\n", b"\x09"),
    Attack("hdf5_only_a_head", "a signature and nothing else", "ours", "model",
           lambda t: _written(t.path("model.h5"), b"\x89HDF\r\n\x1a\n" + bytes(2000))),
    Attack("hdf5_user_block", "a user block before the file", "ours", "model",
           lambda t: _written(t.path("model.h5"), bytes(512) + legacy_file(t.path("x")).read_bytes()), harmless=True),
    Attack("hdf5_core_of_texts", "a model's configuration as a fixed text of 60 kB", "ours", "model",
           lambda t: legacy_file(t.path("model.h5"), model_config=np.bytes_(b"{" * 60_000))),
    Attack("hdf5_config_is_numbers", "a configuration that is an array", "ours", "model",
           lambda t: legacy_file(t.path("model.h5"), model_config=np.arange(9.0))),
    Attack("hdf5_config_is_a_reference", "a configuration that is a reference", "ours", "model",
           lambda t: legacy_file(t.path("model.h5"), change=_reference)),
    Attack("hdf5_config_is_empty", "a configuration of nothing", "ours", "model",
           lambda t: legacy_file(t.path("model.h5"), model_config=h5py.Empty("f4"))),
    Attack("hdf5_config_two_megabytes", "lists in lists in a long attribute", "ours", "model",
           lambda t: legacy_file(t.path("model.h5"), "[" * 2_000_000)),
)  # fmt: skip


def _reference(file: h5py.File) -> None:
    del file.attrs["model_config"]
    file.attrs["model_config"] = file["model_weights"].ref


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path

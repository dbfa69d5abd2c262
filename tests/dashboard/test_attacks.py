"""The hostile model files of the attack corpus, added by a visitor: one line each, and the server stays healthy."""

from __future__ import annotations

import shutil
import sys
import zlib
from pathlib import Path

import pytest
from diag_uploads import ENDINGS

from tests.attacks.table import ATTACKS, planted
from tests.attacks.trap import Trap, write_canaries
from tests.dashboard.test_pages import opened, texts

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals
MOST_BYTES = 4 * 2**20
EVERY = 8
"""Of the model files one in so many, as each is audited here for the second time: tests/attacks fires all."""
ALWAYS = (
    "odd_json_not_numbers", "odd_name_space", "odd_name_underscore", "odd_name_prototype", "odd_softmax_axis",
    "odd_name_surrogates", "lambda_layer", "lambda_layer_h5", "gadget_boston_housing", "module_evil",
    "hdf5_external_link", "archive_traversal", "skops_os_system",
)  # fmt: skip
"""Those that once got through, here or on the command line, and one of each kind."""


def fired(name):
    """Return whether an attack is fired here; it depends on its own name only, not on which others there are."""
    return name in ALWAYS or zlib.crc32(name.encode()) % EVERY == 1


def test_those_that_once_got_through_are_among_the_attacks():
    assert set(ALWAYS) <= {attack.name for attack in ATTACKS if attack.feed == "model"}


@pytest.fixture
def hostile(tmp_path):
    """Names and contents of attacks that are one model file, and the marker that none may make."""
    marker, canary = tmp_path / "MARKER", write_canaries(tmp_path / "canary")
    files = []
    for attack in [each for each in ATTACKS if each.feed == "model" and fired(each.name)]:
        place = tmp_path / "attack"
        path = Path(planted(attack, Trap(place, marker, canary, "http://127.0.0.1:9/")))
        if path.suffix in ENDINGS and path.is_file() and not path.is_symlink() and path.stat().st_size < MOST_BYTES:
            files.append((f"{attack.name}{path.suffix}", path.read_bytes(), attack.harmless))
        marker.unlink(missing_ok=True)  # some are built by what would make it
        shutil.rmtree(place)
    return files, marker


def test_added_files_of_strangers_are_one_line_each(hostile):
    files, marker = hostile
    assert len(files) >= 10
    app = opened(models="logistic_l2.skops")
    app.file_uploader[0].set_value([(name, content, "") for name, content, _ in files]).run(timeout=300)
    assert not app.exception
    assert not marker.exists()
    lines = [error.value.replace("\\", "") for error in app.error]
    for name, content, harmless in files:
        told = [line for line in lines if Path(name).stem[:40].replace("-", "_") in line.replace("-", "_")]
        assert told or harmless or not content, name
        assert all(len(line) < 700 and "\n" not in line for line in told), told
    assert not any("went wrong" in line for line in lines)
    assert "evil_module" not in sys.modules
    for button in [button for button in app.button if str(button.key).startswith("remove-")][:1]:
        button.click().run(timeout=300)
    app.multiselect[0].set_value(["logistic_l2.skops"]).run()
    assert len(app.dataframe) == 1
    assert not app.error or "0 bytes" in texts(app)
    assert not opened(models="logistic_l2.skops").error

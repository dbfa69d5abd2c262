"""All attacks."""

from __future__ import annotations

from tests.attacks.archives import ARCHIVES, cut_files
from tests.attacks.arrays import BINARY, NUMPY, PARQUET
from tests.attacks.code import CODE
from tests.attacks.damaged import DAMAGED
from tests.attacks.folders import FOLDERS, PATHS, PICTURES
from tests.attacks.growth import GROWTH
from tests.attacks.hdf5 import HDF5
from tests.attacks.hdf5_chunks import CHUNKS
from tests.attacks.oddities import ODDITIES
from tests.attacks.sizes import SIZES
from tests.attacks.skops import SKOPS
from tests.attacks.tables import HISTORIES, TABLES
from tests.attacks.texts import ARCHITECTURES, CARDS, ENSEMBLES, NAMES
from tests.attacks.trap import Attack, Trap

ATTACKS: tuple[Attack, ...] = (
    *CODE, *SIZES, *ARCHIVES, *cut_files(), *SKOPS, *HDF5, *CHUNKS, *NUMPY, *BINARY, *PARQUET, *TABLES, *HISTORIES,
    *PICTURES, *FOLDERS, *PATHS, *CARDS, *ENSEMBLES, *NAMES, *ARCHITECTURES, *DAMAGED,
    *ODDITIES, *GROWTH,
)  # fmt: skip


def planted(attack: Attack, trap: Trap) -> str:
    """Write an attack's files and return what is given to diag."""
    trap.folder.mkdir(parents=True, exist_ok=True)
    return str(attack.build(trap))

"""``python -m tests.attacks FOLDER``: write the whole corpus, for other tools to be tried on."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.attacks.table import ATTACKS, planted
from tests.attacks.trap import Trap, write_canaries


def main() -> int:
    """Write all attacks into a new folder, and a list of them."""
    if len(sys.argv) != 2 or Path(sys.argv[1]).exists():
        print("usage: python -m tests.attacks FOLDER  (a new folder)", file=sys.stderr)
        return 2
    root = Path(sys.argv[1]).resolve()
    canary = write_canaries(root / "canary")
    rows = ["name\tfeed\tsource\ttries\tgiven"]
    for attack in ATTACKS:
        trap = Trap(root / attack.name, root / "MARKER", canary, "http://127.0.0.1:9")
        given = planted(attack, trap)
        rows.append(f"{attack.name}\t{attack.feed}\t{attack.source}\t{attack.tries}\t{given[:200]!r}")
    (root / "attacks.tsv").write_text("\n".join(rows) + "\n")
    print(f"{len(ATTACKS)} attacks in {root}. {root / 'MARKER'} is there when a payload was run.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

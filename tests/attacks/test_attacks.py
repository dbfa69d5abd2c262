"""Every attack, one after the other, on one process of diag; then some by the real command line; then good files."""

from __future__ import annotations

import pytest

from tests.attacks.harness import Range
from tests.attacks.table import ATTACKS
from tests.attacks.trap import FEEDS

BY_NAME = {attack.name: attack for attack in ATTACKS}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Range(tmp_path_factory.mktemp("attacks"))
    yield made
    made.close()


def test_the_table_is_as_large_as_was_asked_for_and_tells_its_attacks_apart():
    assert len(BY_NAME) == len(ATTACKS) >= 80
    assert {attack.feed for attack in ATTACKS} == set(FEEDS)
    assert sum(not attack.harmless for attack in ATTACKS) >= 80


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_held_off_in_one_line(ground, attack):
    outcome, wrong = ground.fire(attack)
    assert not wrong, f"{attack.tries}: {outcome.kind}, {outcome.text[:300]}"

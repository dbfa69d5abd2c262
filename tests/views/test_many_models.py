"""A report of thirty models: what is named, drawn and left out, and that what is left out is said."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import diag
from diag.io.histories import History
from diag.results.training import training
from diag.views import report as report_module
from diag.views.agreement_charts import MAX_MEMBERS, agreement_chart, ensembles_chart
from diag.views.calibration_charts import MOST_MODELS as DRAWN
from diag.views.report_calibration import calibration_page
from diag.views.report_compare import MAX_PAIRS, compare_page
from diag.views.report_maps import MOST_MODELS as MAPPED
from diag.views.report_maps import mapped
from diag.views.report_pages import PageContext
from diag.views.training_charts import MANY, curve_chart
from tests.fakes import build_run

CONTEXT = PageContext(None, 0, lambda *_: None, cache=False, checks=False)
N = 30
PAIRS = N * (N - 1) // 2


@pytest.fixture(scope="module")
def comparison():
    """Thirty models; number 7 is the best, then 8, 9, ..., 6 the worst, so that places and ranks differ."""
    rng = np.random.default_rng(0)
    y_true = np.arange(240) % 4
    runs = []
    for number in range(N):
        rank = (number - 7) % N
        proba = np.full((240, 4), 0.1)
        answers = y_true.copy()
        wrong = rng.permutation(240)[: 4 * rank]
        answers[wrong] = (answers[wrong] + 1) % 4
        proba[np.arange(240), answers] = 0.6 + 0.1 * rng.random(240)
        runs.append(build_run(y_true, proba / proba.sum(axis=1, keepdims=True), f"model {number}"))
    return diag.compare(runs)


RANKED = [f"model {(place + 7) % N}" for place in range(N)]


def test_runs_by_rank(comparison):
    assert list(comparison.ranked()) == RANKED == [str(name) for name in comparison.table().index]
    assert comparison.ranked()["model 9"] is comparison.run("model 9")


def test_the_verdict_names_the_closest_and_counts_the_others(comparison):
    said = comparison.verdict()
    relations = [comparison.pair("model 7", name)["relation"] for name in RANKED[1:]]
    beaten = [name for name, relation in zip(RANKED[1:], relations, strict=True) if relation == "better"]
    assert len(beaten) > 6
    assert f"It is better than {', '.join(beaten[:3])} and {len(beaten) - 3} others" in said
    assert beaten[3] not in said
    few = diag.compare([comparison.run(name) for name in ("model 7", *RANKED[-6:])]).verdict()
    assert f"It is better than {', '.join(RANKED[-6:-1])} and {RANKED[-1]} (" in few  # six are still named


@pytest.fixture(scope="module")
def compared(comparison):
    return compare_page(comparison, CONTEXT)


def test_every_pair_can_be_opened_and_those_of_the_best_class_by_class(comparison, compared):
    pairs = compared.payload["pairs"]
    assert len(pairs) == PAIRS == 435
    assert {frozenset((pair["name_a"], pair["name_b"])) for pair in pairs[: N - 1]} == {
        frozenset(("model 7", name)) for name in RANKED[1:]
    }
    # the next are those among the best: 8-9, 8-10, 9-10, ...
    assert [{pair["name_a"], pair["name_b"]} for pair in pairs[N - 1 : N + 2]] == [
        {"model 8", "model 9"}, {"model 8", "model 10"}, {"model 9", "model 10"},
    ]  # fmt: skip
    assert [pair["detailed"] for pair in pairs] == [place < MAX_PAIRS for place in range(PAIRS)]
    drawn = {name for name in compared.charts if name.startswith("classes-")}
    assert drawn == {f"classes-{pair['key']}" for pair in pairs[:MAX_PAIRS]}
    last = pairs[-1]
    row = comparison.pair(last["name_a"], last["name_b"])
    assert [last[key] for key in ("both_right", "only_a", "only_b", "both_wrong", "p_adjusted")] == [
        row[key] for key in ("both_right", "only_a", "only_b", "both_wrong", "p_adjusted")
    ]
    assert [each["metric"] for each in last["metrics"]] == ["accuracy", "balanced_accuracy", "macro_f1", "log_loss"]
    assert compared.payload["only_with"] == 7
    assert compared.content["detailed"] == MAX_PAIRS


def test_few_pairs_are_all_there(comparison):
    made = compare_page(diag.compare(comparison.runs[:4]), CONTEXT)
    assert all(pair["detailed"] for pair in made.payload["pairs"])
    assert (made.payload["only_with"], made.content["detailed"]) == (None, None)


def test_of_many_models_the_best_stand_beside_the_ensembles(comparison, compared):
    rows = compared.payload["ensembles"]
    members = [row["name"] for row in rows if row["kind"] == "member"]
    assert members == RANKED[:MAX_MEMBERS]
    assert rows[0]["name"] == RANKED[0]
    assert [row["kind"] for row in rows[-MAX_MEMBERS + 1 :]] == ["member"] * (MAX_MEMBERS - 1)  # ensembles come before
    assert f"Of {N} models the {MAX_MEMBERS} best stand beside the ensembles." in compared.content["ensemble_notes"]
    spec = ensembles_chart(diag.ensembles(comparison)).to_dict()
    assert spec["title"]["text"] == f"ensembles, and the {MAX_MEMBERS} best of {N} models"


def test_a_heat_map_of_many_models_has_room_for_their_names(comparison):
    spec = agreement_chart(diag.agreement(comparison)).to_dict()
    assert spec["width"] == spec["height"] >= N * 18  # a line of text of 11 pixels, and air
    assert agreement_chart(diag.agreement(diag.compare(comparison.runs[:4]))).to_dict()["width"] == 320


def test_calibration_is_told_best_first_and_every_model_can_be_chosen(comparison):
    some = diag.compare(comparison.runs[: DRAWN + 2])  # models 0 to 11; 7 is still the best, 6 the worst
    ranked = [name for name in RANKED if name in some.names]
    made = calibration_page(some, CONTEXT)
    payload = made.payload
    assert [payload["models"][place]["name"] for place in payload["ranking"]] == ranked
    assert [model["name"] for model in payload["models"]] == list(some.names)
    assert {row["model"] for row in payload["reliability"]} == set(ranked)  # none is blank when it is chosen
    assert {row["model"] for row in payload["reliability"] if row["chosen"]} == {ranked[0]}
    assert {row["model"] for row in payload["temperature"]} == set(ranked)
    assert made.charts["coverage"].to_dict()["encoding"]["color"]["scale"]["domain"] == ranked[:DRAWN]
    assert (made.content["most"], payload["most"]) == (DRAWN, DRAWN)
    curves = payload["curves"]["lists"]["macro"]["roc"]
    assert [payload["models"][place]["name"] for place, *_ in curves] == ranked[:DRAWN]


def test_of_many_curves_the_five_best_are_in_colour():
    told = {f"m{place}": History("h", {"loss": np.array([1.0, 0.5 + place])}) for place in range(MANY + 2)}
    best = [f"m{place}" for place in range(MANY + 1, -1, -1)]
    chart = curve_chart(training(told), "loss", best).to_dict()
    (shown,) = (param["value"] for param in chart["params"] if param["name"] == "run")
    assert [each["model"] for each in shown] == best[:5]
    few = dict(list(told.items())[:MANY])
    (run,) = (param for param in curve_chart(training(few), "loss", best).to_dict()["params"] if param["name"] == "run")
    assert "value" not in run  # all are in colour


def network(run, is_keras=True, members=()):
    """Give the fake model of a run what `mapped` asks of it."""
    run.model.is_keras, run.model.members, run.model.kind = is_keras, members, "a scikit-learn thing"


def test_of_many_networks_the_best_are_explained_and_the_others_say_how(comparison, monkeypatch):
    for run in comparison.runs:
        network(run)
    network(comparison.run("model 7"), is_keras=False)  # an estimator has no maps
    network(comparison.run("model 8"), is_keras=False, members=(SimpleNamespace(is_keras=True),))
    wanted = RANKED[1 : MAPPED + 1]
    assert [run.model.name for run in mapped(comparison)] == sorted(wanted, key=comparison.names.index)
    monkeypatch.setattr(report_module, "explanations", lambda runs, *_: [{"explain": run.model.name} for run in runs])
    monkeypatch.setattr(report_module, "map_checks", lambda *_: {})
    found = dict(zip(comparison.names, report_module._maps(comparison, 4, 5, 0, CONTEXT.stage, False), strict=True))
    assert [found[name] for name in wanted] == [{"explain": name} for name in wanted]
    said = found[RANKED[-1]]["explain_message"]
    assert said.startswith(f"Of {N - 1} networks the {MAPPED} best have maps in this file.")
    assert f"diag explain {RANKED[-1]}.h5 --index N" in said
    assert "a scikit-learn thing" in found["model 7"]["explain_message"]
    for run in comparison.runs[:5]:
        network(run, is_keras=False)
    few = diag.compare(comparison.runs[:MAPPED])
    assert mapped(few) == list(few.runs)  # all, whatever they are

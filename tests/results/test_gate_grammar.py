"""The grammar of a gate's conditions: what it reads, what it refuses, and that texts come back."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.results.gate_grammar import MEASURES, RULES, ClassRef, Condition, parse

READ = {
    "accuracy drops 0.5pp p<0.05": ("accuracy", (), "drops", 0.005, 0.05, False),
    "Accuracy  DROPS .5 PP  P < 0.05": ("accuracy", (), "drops", 0.005, 0.05, False),
    "accuracy drops 0.5pp ci": ("accuracy", (), "drops", 0.005, None, True),
    "accuracy drops": ("accuracy", (), "drops", 0.0, None, False),
    "accuracy drops p<0.01": ("accuracy", (), "drops", 0.0, 0.01, False),
    "accuracy < 0.97": ("accuracy", (), "<", 0.97, None, False),
    "accuracy<97%": ("accuracy", (), "<", 0.97, None, False),
    "recall[7] drops 2pp": ("recall", ("7",), "drops", 0.02, None, False),
    "recall[any] drops 5pp p<0.05": ("recall", ("any",), "drops", 0.05, 0.05, False),
    "precision[cat] < 0.9": ("precision", ("cat",), "<", 0.9, None, False),
    'recall["traffic light"] drops 2pp': ("recall", ("traffic light",), "drops", 0.02, None, False),
    r'f1["a \"b\"]"] >= 0.5': ("f1", ('a "b"]',), ">=", 0.5, None, False),
    "balanced-accuracy drops 1pp": ("balanced_accuracy", (), "drops", 0.01, None, False),
    "log_loss rises 0.02": ("log_loss", (), "rises", 0.02, None, False),
    "ece > 0.05": ("ece", (), ">", 0.05, None, False),
    "errors[3->5] rises 10": ("errors", ("3", "5"), "rises", 10.0, None, False),
    'errors["a b" -> c-d] <= 4': ("errors", ("a b", "c-d"), "<=", 4.0, None, False),
    "flips > 1%": ("flips", (), ">", 0.01, None, False),
    "size rises 20%": ("size", (), "rises", 0.2, None, False),
    "parameters > 1e6": ("parameters", (), ">", 1e6, None, False),
}


@pytest.mark.parametrize("text", READ)
def test_conditions_are_read_and_come_back(text):
    condition = parse(text)
    measure, classes, rule, limit, alpha, ci = READ[text]
    assert (condition.measure, condition.rule, condition.alpha, condition.ci) == (measure, rule, alpha, ci)
    assert tuple(each.text for each in condition.classes) == classes
    assert condition.limit == pytest.approx(limit)
    assert parse(str(condition)) == condition


def test_a_per_cent_of_a_loss_or_a_size_is_of_olds_value_and_any_in_quotes_is_a_name():
    assert parse("size rises 20%").relative
    assert parse("log_loss rises 5%").relative
    assert not parse("flips > 1%").relative
    assert parse("recall[any] drops").classes[0].every
    assert not parse('recall["any"] drops').classes[0].every


REFUSED = {
    "": "expected a measure (accuracy, recall",
    "acuracy drops 2pp": "Received: 'acuracy drops 2pp'. Example: accuracy drops 0.5pp.",
    "__import__('os')": "expected a measure",
    "accuracy": "expected drops, rises, <, <=, > or >= after accuracy. Received: nothing",
    "accuracy falls 2pp": "Received: 'falls 2pp' after 'accuracy'. Example: accuracy drops 0.5pp p<0.05.",
    "accuracy = 0.9": "expected drops, rises",
    "accuracy drops x": "expected a number after drops. Received: 'x'",
    "accuracy <": "expected a number after <. Received: nothing",
    "accuracy drops -1pp": "expected a number after drops. Received: '-1pp'",
    "accuracy drops 1e999": "expected a number that is not infinite",
    "accuracy drops 2ppp": "expected pp, % or nothing after the number",
    "log_loss rises 2MB": "expected pp, % or nothing after the number. Received: 'MB'",
    "accuracy drops 2%": "expected percentage points",
    "accuracy drops 2": "expected a share of at most 1, or 100%. Received: '2'",
    "accuracy drops 1": "expected a limit that can be passed",
    "accuracy < 97": "expected a share of at most 1, or 100%. Received: '97'. Example: accuracy < 0.97",
    "flips > 100%": "expected a limit that can be passed",
    "accuracy < 3pp": "pp are differences",
    "flips rises 1%": "flips already compare NEW with OLD. Received: 'rises 1%' after 'flips'. Example: flips > 1%.",
    "size rises 20pp": "expected no pp: size is not a share",
    "size > 5%": "expected no %: size is not a share",
    "accuracy < 0.9 p<0.05": "p< and ci belong to drops and rises",
    "size rises 20% p<0.05": "size is exact, chance has no part in it",
    "accuracy drops 0.5pp p<5": "expected a level between 0 and 1 after p<. Received: '5'",
    "accuracy drops 0.5pp p<=0.05": "expected the end of the condition",
    "accuracy drops 0.5pp p<0.05 ci": "expected the end of the condition",
    "ece rises 1pp ci": "expected p< or nothing: resampling gives no interval for ece, log_loss and brier have one. "
    "Received: 'ci' after 'ece rises 1pp'. Example: log_loss rises 0.02 ci.",
    "accuracy drops ci": "expected a number after drops. Received: 'ci'",
    "accuracy drops 0pp ci": "expected a margin above 0 before ci",
    "accuracy drops 1pp and flips > 1%": "write each condition as its own --fail-if",
    "recall drops 2pp": "expected a class in brackets",
    "recall[] drops 2pp": "expected a class: its name, its number, or any",
    'recall[""] drops 2pp': "expected a class: its name, its number, or any",
    'recall["abc] drops 2pp': "expected a class: its name, its number, or any",
    "recall[7 drops 2pp": "expected ] after the class",
    "recall[traffic light] drops 2pp": "a name with spaces or brackets stands in quotes",
    "accuracy[7] drops 2pp": "expected no brackets: accuracy is not of one class",
    "errors rises 2": "expected two classes in brackets",
    "errors[3] rises 2": "expected -> and the class that it is taken for",
    "errors[any->3] rises 2": "any works with recall, precision and f1",
    "a" * 501: "expected at most 500 characters. Received: 501.",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line_that_points_at_the_place(text):
    with pytest.raises(InvalidInputError) as refused:
        parse(text)
    message = str(refused.value)
    assert REFUSED[text] in message
    assert message.startswith("condition")
    assert "\n" not in message


def test_a_condition_must_be_a_text_and_control_characters_do_not_reach_the_message():
    with pytest.raises(InvalidInputError, match="expected a text"):
        parse(3)
    with pytest.raises(InvalidInputError) as refused:
        parse("accuracy < 0.9 \x1b[2J\n\u2028")
    assert str(refused.value).isprintable()


PIECES = [*MEASURES, *RULES, "[", "]", "->", '"', "\\", " ", "7", "any", "0.5", "1", "pp", "%", "p<", "0.05", "ci"]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join)))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InvalidInputError):
        condition = parse(text)
        assert parse(str(condition)) == condition


names = st.text(min_size=1, max_size=20)


@given(st.builds(ClassRef, names, st.just(True)), st.floats(0.001, 99), st.floats(0.001, 0.9), st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_condition_comes_back_from_its_text(name, amount, alpha, ci):
    condition = Condition("recall", (name,), "drops", amount, "pp", None if ci else alpha, ci)
    assert parse(str(condition)) == condition

"""The contracts pass what is right, and each fault fails the test that is there for it."""

import inspect

import pytest

from burnish.testing import (
    AssessorContract,
    BackboneContract,
    CorruptorContract,
    EvaluatorContract,
    LossContract,
    SourceContract,
    SummaryContract,
    TunerContract,
)

KINDS = {
    "loss": (LossContract, {}),
    "means": (TunerContract, {}),
    "inside": (TunerContract, {}),
    "trained": (TunerContract, {}),
    "noise": (CorruptorContract, {}),
    "judge": (AssessorContract, {"name": "noise"}),
    "right": (EvaluatorContract, {"best": {"right": 1.0}}),
    "best": (SummaryContract, {}),
    "project": (BackboneContract, {}),
    "rows": (SourceContract, {}),
}

FAULTS = {
    "loss": {
        "a list": "it_says_what_it_accepts",
        "reduces": "values_have_the_shape_of_what_they_are_per",
        "wrong per": "values_have_the_shape_of_what_they_are_per",
        "forgets": "its_memory_keeps_names_and_shapes",
        "order": "the_order_of_a_batch_plays_no_part",
        "branches": "it_stacks",
        "detached": "gradients_are_right",
        "underflow": "gradients_are_finite",
        "random": "it_is_a_pure_function",
        "writes": "it_is_a_pure_function",
        "hard is not soft": "a_hard_target_is_a_soft_one_of_one_class",
        "unobserved": "unobserved_entries_play_no_part",
    },
    "means": {
        "asks": "it_never_asks_for_a_test_set",
        "peeks": "labels_that_are_not_shown_play_no_part",
        "learns from nothing": "nothing_to_learn_from_is_refused",
        "needs all classes": "poor_supervision_is_learnt_from_or_refused",
        "assumes labels": "multi_labels_are_learnt_from_or_refused",
        "writes": "it_writes_no_file_and_changes_no_input",
        "changes features": "it_writes_no_file_and_changes_no_input",
        "random": "a_fit_is_repeated_bit_for_bit",
        "own random": "a_fit_is_repeated_bit_for_bit",
        "guesses": "it_learns",
        "trusts": "a_crafted_state_is_refused",
        "forgets": "state_and_info_restore_the_predictor",
        "batch": "an_items_scores_do_not_depend_on_the_others",
        "float64": "scores_are_finite_and_one_row_an_item",
    },
    "inside": {
        "changes weights": "the_frozen_weights_stay_what_they_are",
        "leaves a hook": "the_frozen_weights_stay_what_they_are",
        "adapts for good": "the_frozen_weights_stay_what_they_are",
    },
    "trained": {"counts its fits": "alone_is_the_same_as_stacked"},
    "noise": {
        "test": "its_roles_are_roles_and_never_test",
        "silent": "it_says_what_it_changed",
        "outside": "it_says_what_it_changed",
        "range": "it_says_what_it_changed",
        "labels the unknown": "it_says_what_it_changed",
        "backwards": "what_it_keeps_is_a_part_of_what_it_is_given",
        "random": "the_same_draw_gives_the_same_labels",
        "fixed": "the_same_draw_gives_the_same_labels",
        "in place": "the_input_is_not_modified",
        "always one": "rate_0_changes_nothing",
        "half": "the_rate_is_realised",
        "not nested": "noise_is_nested",
        "reads labels": "labels_play_no_part_in_which_items_are_hit",
        "crashes": "multi_labels_are_corrupted_or_refused",
    },
    "judge": {
        "rows": "it_speaks_only_of_what_it_was_shown",
        "not finite": "it_speaks_only_of_what_it_was_shown",
        "keep": "it_speaks_only_of_what_it_was_shown",
        "guesses": "it_finds_wrong_labels",
        "random": "the_same_evidence_gives_the_same_assessment",
        "own random": "the_same_evidence_gives_the_same_assessment",
        "writes": "the_evidence_is_not_modified_and_nothing_written",
        "writes files": "the_evidence_is_not_modified_and_nothing_written",
        "crashes": "hard_cases_are_assessed_or_refused",
    },
    "right": {
        "numpy": "values_are_plain",
        "order": "the_order_of_items_plays_no_part",
        "percent": "known_answers_give_finite_values",
        "nan": "known_answers_give_finite_values",
        "random": "it_is_repeated",
        "upside down": "right_answers_are_no_worse_than_constant_ones",
        "terms": "terms_sum_to_the_value",
        "other split": "it_measures_the_splits_it_is_asked_for",
        "crashes": "other_targets_are_measured_or_refused",
        "another name": "its_measures_are_those_of_its_descriptor",
    },
    "best": {
        "scalars": "it_gives_tables_or_curves",
        "nothing": "it_gives_tables_or_curves",
        "uneven": "it_gives_tables_or_curves",
        "random": "it_is_repeated",
        "crashes": "it_bears_a_small_study",
    },
    "project": {
        "views": "it_says_what_it_reads_and_gives",
        "dim": "features_are_float32_rows",
        "float64": "features_are_float32_rows",
        "random": "encoding_twice_gives_the_same",
        "batch": "an_item_alone_has_the_features_it_has_in_a_batch",
        "trains": "it_is_frozen_and_in_evaluation_mode",
        "wants gradients": "it_is_frozen_and_in_evaluation_mode",
        "changes weights": "its_weights_stay_as_they_are",
        "leaves a mess": "its_weights_stay_as_they_are",
        "loses a row": "prepared_inputs_have_one_row_an_item",
        "heavy fingerprint": "its_fingerprint_is_light_and_follows_its_options",
        "random fingerprint": "its_fingerprint_is_light_and_follows_its_options",
        "deaf fingerprint": "its_fingerprint_is_light_and_follows_its_options",
    },
    "rows": {
        "order": "items_are_in_canonical_order",
        "changes": "loading_twice_gives_the_same",
        "float64": "items_are_of_its_modality",
        "reads once": "reading_twice_gives_the_same",
        "ids": "ids_follow_from_content",
        "overlap": "splits_do_not_overlap",
        "straddles": "groups_do_not_straddle_fixed_splits",
        "hides groups": "it_provides_what_its_descriptor_says",
        "claims groups": "it_provides_what_its_descriptor_says",
        "heavy provides": "its_fingerprint_is_light_and_repeats",
        "other items": "items_without_labels_are_those_of_the_data_set",
        "any modality": "items_without_labels_are_those_of_the_data_set",
    },
}


def contract(component, fault=""):
    """Return a test class as an author writes it."""
    base, further = KINDS[component]
    example = {"fault": fault} | ({"epochs": 30, "lr": 0.05} if component == "trained" else {})
    more = {"others": ({"fault": fault, "size": 1},)} if component == "project" else {}
    return type(
        "TestIt", (base,), {"plugin": "faulty", "name": component, "example": example} | further | more
    )


def run(cls, test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    method = getattr(cls(), f"test_{test}")
    method(*([tmp_path] if "tmp_path" in inspect.signature(method).parameters else []))


def its_tests(cls):
    return sorted(name.removeprefix("test_") for name in dir(cls) if name.startswith("test_"))


@pytest.mark.parametrize("component", KINDS)
def test_what_is_right_passes(component, tmp_path, monkeypatch):
    cls = contract(component)
    for test in its_tests(cls):
        run(cls, test, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("component", "fault", "test"),
    [(c, fault, test) for c, faults in FAULTS.items() for fault, test in faults.items()],
)
def test_a_fault_fails_the_test_that_is_there_for_it(component, fault, test, tmp_path, monkeypatch):
    with pytest.raises(AssertionError) as caught:
        run(contract(component, fault), test, tmp_path, monkeypatch)
    assert len(str(caught.value)) > 20, "the message does not say what is wrong"


OWN = {
    "loss": {"it_agrees_with_its_reference", "every_choice_of_its_options_gives_values"},
    "means": {"alone_is_the_same_as_stacked", "the_frozen_weights_stay_what_they_are"},
    "judge": {"the_frozen_weights_stay_what_they_are"},
    "noise": {"one_class_is_corrupted_or_refused"},
    "right": {"perfect_answers_give_the_known_values", "a_class_without_items_is_measured"},
    "project": {
        "it_can_be_prepared_in_several_threads",
        "views_follow_from_content",
        "a_broken_item_is_named",
    },
    "rows": {"targets_are_in_range"},
}
"""Tests of a contract that no fault here is for."""


@pytest.mark.parametrize("component", ["loss", "means", "noise", "judge", "right", "best", "project", "rows"])
def test_nearly_every_test_of_a_contract_has_its_fault(component):
    from burnish.testing import PluginContract

    own = set(its_tests(KINDS[component][0])) - set(its_tests(PluginContract))
    assert own - set(FAULTS[component].values()) == OWN.get(component, set())


def test_a_reference_that_disagrees_is_told(tmp_path, monkeypatch):
    cls = contract("loss")
    cls.reference = lambda self, logits, labels: [1.0] * len(labels)
    with pytest.raises(AssertionError, match="they differ by up to"):
        run(cls, "it_agrees_with_its_reference", tmp_path, monkeypatch)
    cls.reference = lambda self, logits, labels: 1.0
    with pytest.raises(AssertionError, match="reference gives the shape"):
        run(cls, "it_agrees_with_its_reference", tmp_path, monkeypatch)


def test_a_tuner_with_a_fit_of_its_own_is_not_trained_in_a_stack(tmp_path, monkeypatch):
    from burnish.heads.tuner import trains_in_stacks

    base = contract("trained", "counts its fits")

    class TestOwn(base):
        def make(self, folder, *further, **changes):
            tuner = super().make(folder, *further, **changes)
            own = type("Own", (type(tuner),), {"fit": lambda self, task: super(own, self).fit(task)})
            tuner.__class__ = own
            return tuner

    assert trains_in_stacks(base().make(tmp_path))
    assert not trains_in_stacks(TestOwn().make(tmp_path))
    run(TestOwn, "alone_is_the_same_as_stacked", tmp_path, monkeypatch)


def test_every_choice_of_an_option_is_tried(tmp_path, monkeypatch):
    class TestChoices(contract("loss")):
        def variations(self, folder):
            return [{"fault": "reduces"}]

    with pytest.raises(
        AssertionError, match=r"with \{'fault': 'reduces'\} and hard targets values have the shape"
    ):
        run(TestChoices, "every_choice_of_its_options_gives_values", tmp_path, monkeypatch)


def test_variations_are_other_choices_and_turned_bools(tmp_path):
    from burnish.testing import TunerContract

    class TestLinear(TunerContract):
        plugin, name = "faulty", "trained"

    assert {"schedule": "constant"} in TestLinear().variations(tmp_path)
    assert {"schedule": "cosine"} not in TestLinear().variations(tmp_path)

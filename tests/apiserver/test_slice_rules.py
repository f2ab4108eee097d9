"""ResourceSlices: where their devices are, what is told of them, what they share."""

import pytest

from kube.api.resource_v1 import ResourceSlice
from tests.apiserver.material import parsed, wrong_changes, wrongs

POOL = "driver: d.example, pool: {name: p, resourceSliceCount: 1}"


def piece(spec: str, place: str = "nodeName: n") -> ResourceSlice:
    """Return a slice. spec: beside its pool; place: where it is."""
    return parsed(ResourceSlice, f"{{metadata: {{name: a}}, spec: {{{POOL}, {place}, {spec}}}}}")


def device(text: str) -> str:
    return f"devices: [{{name: gpu, {text}}}]"


@pytest.mark.parametrize(
    "spec",
    [
        device("attributes: {model: {string: a}, d.example/size: {int: 3}, since: {version: 1.2.3-rc.1+b}}"),
        device("bindingConditions: [a], bindingFailureConditions: [b]"),
        device("consumesCounters: [{counterSet: s, counters: {memory: {value: 1}}}]"),
        "sharedCounters: [{name: s, counters: {memory: {value: 1}}}]",
    ],
)
def test_what_makes_sense_is_taken(spec: str) -> None:
    assert wrongs(piece(spec)) == []


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            device("attributes: {model: {}}"),
            'attributes[model]: Invalid value: "": exactly one value must be',
        ),
        (device("attributes: {model: {version: '1.2'}}"), 'Invalid value: "1.2": must be a string compatible with'),
        (device("attributes: {/x: {int: 1}}"), 'attributes: Invalid value: "": the domain must not be empty'),
        (device("capacity: {m: {value: 1, requestPolicy: {}}}"), "requestPolicy: Forbidden: allowMultipleAllocations"),
        (device("bindingConditions: [a]"), "null: bindingFailureConditions are required to use bindingConditions"),
        (device("bindingFailureConditions: [a]"), "null: bindingConditions are required to use"),
        (
            device("bindingConditions: [a, a], bindingFailureConditions: [b]"),
            "bindingConditions[1]: Duplicate value",
        ),
        (device("bindingConditions: [a], bindingFailureConditions: [a]"), "must not overlap with bindingConditions"),
        (device("consumesCounters: [{}]"), "consumesCounters[0].counterSet: Required value"),
        (device("allNodes: true"), "can only be set if `perDeviceNodeSelection` is set to true"),
        ("sharedCounters: [{name: s}]", "sharedCounters[0].counters: Required value"),
        ("sharedCounters: [{name: s}], devices: [{name: a}]", "only one of `sharedCounters` or `devices` is allowed"),
        ("devices: [{name: a}, {name: a}]", 'spec.devices[1]: Duplicate value: "a"'),
    ],
)
def test_what_makes_no_sense_is_refused_in_its_own_words(spec: str, sentence: str) -> None:
    assert [wrong for wrong in wrongs(piece(spec)) if sentence in wrong] != []


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("nodeName: ''", 'spec.nodeName: Invalid value: "": must be either unset or set to a non-empty string'),
        ("nodeSelector: {nodeSelectorTerms: []}", "null: must have exactly one node selector term"),
        (
            "perDeviceNodeSelection: true",
            "spec.devices[0]: Required value: exactly one of `nodeName`",
        ),
        ("nodeName: n, allNodes: true", 'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of'),
    ],
)
def test_a_slice_is_in_one_place_or_each_of_its_devices_is(place: str, sentence: str) -> None:
    assert [wrong for wrong in wrongs(piece("devices: [{name: gpu}]", place)) if sentence in wrong] != []


def test_what_a_slice_can_move_to_is_another_set_of_nodes_and_nothing_else() -> None:
    everywhere, chosen = piece("devices: []", "allNodes: true"), piece("devices: []", "perDeviceNodeSelection: true")

    assert wrong_changes(chosen, everywhere) == []
    assert wrong_changes(piece("devices: []", "nodeName: m"), piece("devices: []")) == [
        'spec.nodeName: Invalid value: "m": field is immutable'
    ]

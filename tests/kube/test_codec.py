"""Objects to JSON and back, the table of kinds, and the words of errors."""

import importlib
import pkgutil
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kube.api
from kube import codec, errors
from kube.api.apps_v1 import Deployment
from kube.api.coordination_v1 import LeaseSpec
from kube.api.core_v1 import ConfigMap, Container, ContainerPort, Pod, PodCondition, PodSpec, PodStatus, Secret
from kube.api.meta_v1 import ListMeta, ObjectMeta, OwnerReference, Status
from kube.kinds import KINDS, find_kind, find_kinds, find_resource, kind_of
from kube.objects import controller_of, controller_reference, is_controlled_by, key_of, with_defaults, with_metadata
from kube.quantity import Quantity


def test_absent_fields_are_left_out_and_those_that_are_always_written_are_not() -> None:
    pod = Pod(metadata=ObjectMeta(name="web"), spec=PodSpec(containers=(Container(image="web:1"),)))

    plain = codec.to_plain(pod)

    assert plain["metadata"] == {"name": "web"}
    assert plain["spec"] == {"containers": [{"name": "", "image": "web:1", "resources": {}}]}
    assert (plain["apiVersion"], plain["kind"]) == ("v1", "Pod")


def test_wire_names_with_capitals_are_right() -> None:
    """Plain camel case would make podIp, hostIps and imageId of them."""
    status = codec.from_plain({"podIP": "10.0.0.1", "hostIP": "1.2.3.4", "podIPs": [{"ip": "10.0.0.1"}]}, PodStatus)

    assert (status.pod_ip, status.host_ip) == ("10.0.0.1", "1.2.3.4")
    assert codec.to_plain(status)["podIPs"] == [{"ip": "10.0.0.1"}]
    assert codec.to_plain(ListMeta(continue_="x"))["continue"] == "x"


def test_null_means_absent() -> None:
    pod = codec.decode('{"metadata": {"creationTimestamp": null, "labels": null}, "spec": {"containers": null}}', Pod)

    assert pod == Pod()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('{"spec": {"replicas": "three"}}', "^spec.replicas: Expected `int"),
        ('{"spec": {"replicas": 2147483648}}', "^spec.replicas: Expected a number that 32 bits hold, -2147483648 to"),
        ('{"metadata": {"generation": 9223372036854775808}}', "^metadata.generation: Expected a number that 64 bits"),
        (
            '{"spec": {"template": {"spec": {"containers": [{"name": 1}]}}}}',
            r"^spec.template.spec.containers\[0\].name: ",
        ),
        ('{"metadata": {"labels": {"a": 1}}}', r"^metadata.labels\[a\]: Expected `str`"),
        ('{"metadata": {"creationTimestamp": "yesterday"}}', "^metadata.creationTimestamp: "),
        ("{", "^the body is not JSON"),
        (b'{"kind": "\xff"}', "^the body is not JSON"),
        ('{"metadata":' * 5000, "not JSON|nested too deeply"),
    ],
)
def test_a_wrong_field_is_named(body: str | bytes, complaint: str) -> None:
    with pytest.raises(codec.DecodeError, match=complaint):
        codec.decode(body, Deployment)


def test_a_wrong_quantity_is_named() -> None:
    body = '{"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "much"}}}]}}'

    with pytest.raises(codec.DecodeError, match=r'resources.limits\[cpu\]: unable to parse quantity "much"'):
        codec.decode(body, Pod)


def test_quantities_are_written_in_canonical_form() -> None:
    body = '{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1000m","memory":2}}}]}}'

    pod = codec.decode(body, Pod)

    assert pod.spec.containers[0].resources.limits == {"cpu": Quantity("1"), "memory": Quantity("2")}
    assert codec.to_plain(pod)["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "2"}


def test_bytes_are_base64_on_the_wire() -> None:
    secret = codec.decode('{"data": {"key": "aGVsbG8="}}', Secret)

    assert secret.data == {"key": b"hello"}
    assert codec.to_plain(secret)["data"] == {"key": "aGVsbG8="}


def test_unknown_fields_are_found_wherever_they_are() -> None:
    plain = {
        "specc": 1,
        "metadata": {"name": "a", "labels": {"any": "x"}, "nam": "b"},
        "spec": {"containers": [{"name": "a"}, {"nme": "b"}], "template": {}},
    }

    assert codec.unknown_fields(plain, Pod) == ["specc", "metadata.nam", "spec.containers[1].nme", "spec.template"]
    assert codec.unknown_fields({"data": {"any": "thing"}}, ConfigMap) == []


@given(
    st.builds(
        ConfigMap,
        metadata=st.builds(ObjectMeta, name=st.text(), labels=st.dictionaries(st.text(), st.text(), max_size=3)),
        data=st.dictionaries(st.text(), st.text(), max_size=3),
        binary_data=st.dictionaries(st.text(), st.binary(), max_size=2),
        immutable=st.none() | st.booleans(),
    )
)
def test_what_was_encoded_is_decoded(obj: ConfigMap) -> None:
    assert codec.decode(codec.encode(obj), ConfigMap) == obj
    assert codec.from_plain(codec.to_plain(obj), ConfigMap) == obj


def test_every_type_can_be_made_empty_written_and_read_back() -> None:
    """A default that its own type refuses would make every object of the kind unreadable."""
    count = 0
    for module in pkgutil.iter_modules(kube.api.__path__):
        for value in vars(importlib.import_module(f"kube.api.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__.endswith(module.name):
                empty = value()
                assert codec.decode(codec.encode(empty), value) == empty
                count += 1
    assert count > 500


def test_every_kind_is_found_by_its_names() -> None:
    for kind in KINDS:
        assert find_kind(kind.api_version, kind.kind) is kind
        assert find_resource(kind.group, kind.version, kind.plural) is kind
        if kind.verbs != ("create",):
            assert kind_of(kind.type) is kind
        obj: Any = kind.type()
        assert (obj.api_version, obj.kind) == (kind.api_version, kind.kind)


@pytest.mark.parametrize(
    ("word", "resources"),
    [
        ("po", ["pods"]),
        ("Pods", ["pods"]),
        ("pod", ["pods"]),
        ("deploy", ["deployments.apps"]),
        ("deployments.apps", ["deployments.apps"]),
        ("ev", ["events"]),
        ("events.events.k8s.io", ["events.events.k8s.io"]),
        ("hpa", ["horizontalpodautoscalers.autoscaling"]),
        ("nothing", []),
    ],
)
def test_a_person_may_call_a_kind_by_many_names(word: str, resources: list[str]) -> None:
    assert [kind.resource for kind in find_kinds(word)] == resources


def test_the_newest_version_of_a_group_is_preferred() -> None:
    assert [kind.version for kind in find_kinds("hpa")] == ["v2"]


def test_all_means_the_kinds_of_that_category() -> None:
    found = {kind.plural for kind in find_kinds("all")}

    assert {"pods", "services", "deployments", "replicasets", "jobs"} <= found
    assert "secrets" not in found


def test_a_type_that_is_not_served_is_no_kind() -> None:
    with pytest.raises(LookupError, match="is not a kind that the API serves"):
        kind_of(ObjectMeta)


DEPLOYMENT = find_kind("apps/v1", "Deployment")


def test_an_invalid_object_is_told_field_by_field() -> None:
    assert DEPLOYMENT is not None
    wrong = [
        errors.required("spec.selector"),
        errors.invalid("spec.replicas", -1, "must be greater than or equal to 0"),
        errors.not_supported("spec.strategy.type", "Fast", ("Recreate", "RollingUpdate")),
    ]

    refused = errors.invalid_object(DEPLOYMENT, "web", wrong)

    assert (refused.code, refused.reason) == (422, "Invalid")
    assert str(refused) == (
        'Deployment.apps "web" is invalid: [spec.selector: Required value, spec.replicas: Invalid value: -1: must be'
        ' greater than or equal to 0, spec.strategy.type: Unsupported value: "Fast": supported values: "Recreate",'
        ' "RollingUpdate"]'
    )
    details = refused.status.details
    assert details is not None
    assert (details.kind, details.group, len(details.causes)) == ("Deployment", "apps", 3)
    assert details.causes[0].field == "spec.selector"


def test_refusals_have_the_words_that_clients_look_for() -> None:
    assert DEPLOYMENT is not None

    assert str(errors.not_found(DEPLOYMENT, "web")) == 'deployments.apps "web" not found'
    assert str(errors.already_exists(DEPLOYMENT, "web", being_deleted=True)) == (
        'object is being deleted: deployments.apps "web" already exists'
    )
    assert str(errors.stale(DEPLOYMENT, "web")).startswith(
        'Operation cannot be fulfilled on deployments.apps "web": the object has been modified'
    )
    assert str(errors.future_revision(9, 5)) == "Timeout: Too large resource version: 9, current: 5"
    assert errors.expired("gone", "token").status.metadata.continue_ == "token"
    assert isinstance(codec.decode(codec.encode(errors.internal("x").status), Status), Status)


def test_ownership_is_by_uid_and_the_managing_owner_is_one() -> None:
    owner = Deployment(metadata=ObjectMeta(name="web", namespace="default", uid="1"))
    other = OwnerReference(api_version="v1", kind="Node", name="n", uid="2")
    pod = Pod(metadata=ObjectMeta(name="p", owner_references=(other, controller_reference(owner))))

    assert controller_of(pod) == controller_reference(owner)
    assert is_controlled_by(pod, "1")
    assert not is_controlled_by(pod, "2")
    assert str(key_of(owner)) == "default/web"


def test_a_default_fills_only_what_is_missing() -> None:
    meta = ObjectMeta(name="a")

    assert with_defaults(meta, name="b", namespace="default") == ObjectMeta(name="a", namespace="default")
    assert with_defaults(meta, name="b") is meta
    assert with_metadata(Pod(metadata=meta), uid="1").metadata == ObjectMeta(name="a", uid="1")


@pytest.mark.parametrize(
    "moment",
    ["2026-02-28T23:59:59Z", "2000-02-29T00:00:00Z"],
)
def test_a_moment_of_the_calendar_is_taken_as_it_is(moment: str) -> None:
    assert codec.from_plain({"creationTimestamp": moment}, ObjectMeta).creation_timestamp == moment


@pytest.mark.parametrize(
    ("moment", "meant"),
    [
        ("2024-02-29T00:00:00.123456Z", "2024-02-29T00:00:00Z"),
        ("2026-12-31T23:30:00.9-05:30", "2027-01-01T05:00:00Z"),
    ],
)
def test_a_moment_of_another_zone_or_precision_becomes_the_second_in_utc(moment: str, meant: str) -> None:
    assert codec.decode(f'{{"creationTimestamp":"{moment}"}}', ObjectMeta).creation_timestamp == meant


def test_a_moment_to_the_microsecond_has_six_decimals_and_nothing_else() -> None:
    """So Kubernetes reads them: others are refused, not rounded."""
    renewed = codec.decode('{"renewTime":"2026-01-01T02:00:00.000001+02:00"}', LeaseSpec)

    assert renewed.renew_time == "2026-01-01T00:00:00.000001Z"
    for moment in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00.1234567Z"):
        with pytest.raises(codec.DecodeError, match=r"renewTime: Expected a moment such as .*\.000000Z"):
            codec.decode(f'{{"renewTime":"{moment}"}}', LeaseSpec)


def test_a_moment_that_may_be_null_is_written_as_null() -> None:
    condition = codec.encode(PodCondition(type="Ready", status="True", last_transition_time="2026-01-01T00:00:00Z"))

    assert b'"lastProbeTime":null' in condition
    assert codec.decode(condition, PodCondition).last_probe_time is None


@pytest.mark.parametrize(
    "moment",
    [
        "2026-02-31T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01",
        "2026-01-01T00:00:00Z\n",
    ],
)
def test_a_moment_that_no_calendar_has_is_refused_by_its_path(moment: str) -> None:
    """Whoever reads it later could do nothing with it."""
    with pytest.raises(codec.DecodeError) as refusal:
        codec.from_plain({"metadata": {"creationTimestamp": moment}}, Pod)

    assert str(refusal.value) == "metadata.creationTimestamp: Expected a moment such as 2026-01-02T15:04:05Z"


def test_a_wrong_value_among_very_many_is_found_in_a_few_looks() -> None:
    """Looking at all of them one by one would take minutes, for anybody who may write a ConfigMap."""
    data: dict[str, object] = {f"key-{number}": "" for number in range(20_000)}
    data["key-15000"] = 5

    with pytest.raises(codec.DecodeError, match=r"data\[key-15000\]: Expected `str`, got `int`"):
        codec.from_plain({"data": data}, ConfigMap)


def test_the_options_of_a_proxy_are_named_for_what_is_reached() -> None:
    found = {kind.kind: door.kind for kind in KINDS if (door := kind.subresource("proxy")) is not None}

    assert found == {"Node": "NodeProxyOptions", "Pod": "PodProxyOptions", "Service": "ServiceProxyOptions"}


def test_null_in_a_list_or_a_map_means_a_value_of_which_nothing_is_said() -> None:
    """Templates write such nulls where a value was left out, and Kubernetes takes them."""
    text = '{"name": "c", "args": ["a", null], "ports": [null], "resources": {"limits": {"cpu": null}}}'
    container = codec.decode(text, Container)
    meta = codec.decode('{"annotations": {"a": null}, "finalizers": [null]}', ObjectMeta)

    assert container.args == ("a", "")
    assert container.ports == (ContainerPort(),)
    assert container.resources.limits == {"cpu": Quantity("0")}
    assert (meta.annotations, meta.finalizers) == ({"a": ""}, ("",))

"""The types of apiextensions.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import ListMap, Object, always, renamed
from kube.api.scalars import Int32, Int64, JsonValue, Time


class CustomResourceColumnDefinition(Object, frozen=True):
    """An extra column shown when custom objects are printed as a table."""

    description: str = ""
    format: str = ""
    json_path: str = always("")
    name: str = always("")
    priority: Int32 = 0
    type: str = always("")


class ServiceReference(Object, frozen=True):
    """The in-cluster service, path and port where a conversion webhook listens."""

    name: str = always("")
    namespace: str = always("")
    path: str | None = None
    port: Int32 | None = None


class WebhookClientConfig(Object, frozen=True):
    """How to reach a conversion webhook, by URL or service, and the CA to trust."""

    ca_bundle: bytes = b""
    service: ServiceReference | None = None
    url: str | None = None


class WebhookConversion(Object, frozen=True):
    """The webhook that converts custom objects, and the review versions it speaks."""

    client_config: WebhookClientConfig | None = None
    conversion_review_versions: tuple[str, ...] = always(())


class CustomResourceConversion(Object, frozen=True):
    """How custom objects are converted from one version to another."""

    strategy: str = always("")
    webhook: WebhookConversion | None = None


class CustomResourceDefinitionNames(Object, frozen=True):
    """The kind, plural, singular and short names of a custom resource."""

    categories: tuple[str, ...] = ()
    kind: str = always("")
    list_kind: str = ""
    plural: str = always("")
    short_names: tuple[str, ...] = ()
    singular: str = ""


class CustomResourceSubresourceScale(Object, frozen=True):
    """JSON paths that let a custom resource be scaled like a built-in one."""

    label_selector_path: str | None = None
    spec_replicas_path: str | None = None
    status_replicas_path: str | None = None


class CustomResourceSubresourceStatus(Object, frozen=True):
    """An empty marker that gives a custom resource its own status endpoint."""


class CustomResourceSubresources(Object, frozen=True):
    """Which of the status and scale endpoints a custom resource offers."""

    scale: CustomResourceSubresourceScale | None = None
    status: CustomResourceSubresourceStatus | None = None


class ExternalDocumentation(Object, frozen=True):
    """A link to further reading about a schema."""

    description: str = ""
    url: str = ""


class ValidationRule(Object, frozen=True):
    """A CEL test written into a schema, with the message for a failure."""

    field_path: str = ""
    message: str = ""
    message_expression: str = ""
    optional_old_self: bool | None = None
    reason: str | None = None
    rule: str = always("")


class JSONSchemaProps(
    Object,
    frozen=True,
    rename=renamed(
        ref="$ref",
        schema="$schema",
        x_kubernetes_embedded_resource="x-kubernetes-embedded-resource",
        x_kubernetes_int_or_string="x-kubernetes-int-or-string",
        x_kubernetes_list_map_keys="x-kubernetes-list-map-keys",
        x_kubernetes_list_type="x-kubernetes-list-type",
        x_kubernetes_map_type="x-kubernetes-map-type",
        x_kubernetes_preserve_unknown_fields="x-kubernetes-preserve-unknown-fields",
        x_kubernetes_validations="x-kubernetes-validations",
    ),
):
    """An OpenAPI schema node describing one value of a custom object."""

    ref: str | None = None
    schema: str = ""
    additional_items: "JSONSchemaProps | bool | None" = None
    additional_properties: "JSONSchemaProps | bool | None" = None
    all_of: "tuple[JSONSchemaProps, ...]" = ()
    any_of: "tuple[JSONSchemaProps, ...]" = ()
    default: JsonValue | None = None
    definitions: "Mapping[str, JSONSchemaProps]" = {}
    dependencies: "Mapping[str, JSONSchemaProps | tuple[str, ...]]" = {}
    description: str = ""
    enum: tuple[JsonValue, ...] = ()
    example: JsonValue | None = None
    exclusive_maximum: bool = False
    exclusive_minimum: bool = False
    external_docs: ExternalDocumentation | None = None
    format: str = ""
    id: str = ""
    items: "JSONSchemaProps | tuple[JSONSchemaProps, ...] | None" = None
    max_items: Int64 | None = None
    max_length: Int64 | None = None
    max_properties: Int64 | None = None
    maximum: float | None = None
    min_items: Int64 | None = None
    min_length: Int64 | None = None
    min_properties: Int64 | None = None
    minimum: float | None = None
    multiple_of: float | None = None
    not_: "JSONSchemaProps | None" = None
    nullable: bool = False
    one_of: "tuple[JSONSchemaProps, ...]" = ()
    pattern: str = ""
    pattern_properties: "Mapping[str, JSONSchemaProps]" = {}
    properties: "Mapping[str, JSONSchemaProps]" = {}
    required: tuple[str, ...] = ()
    title: str = ""
    type: str = ""
    unique_items: bool = False
    x_kubernetes_embedded_resource: bool = False
    x_kubernetes_int_or_string: bool = False
    x_kubernetes_list_map_keys: tuple[str, ...] = ()
    x_kubernetes_list_type: str | None = None
    x_kubernetes_map_type: str | None = None
    x_kubernetes_preserve_unknown_fields: bool | None = None
    x_kubernetes_validations: Annotated[tuple[ValidationRule, ...], ListMap(keys=("rule",), patch="rule")] = ()


class CustomResourceValidation(Object, frozen=True, rename=renamed(open_api_v3_schema="openAPIV3Schema")):
    """Holds the OpenAPI schema custom objects are checked against."""

    open_api_v3_schema: JSONSchemaProps | None = None


class SelectableField(Object, frozen=True):
    """A custom object's field that field selectors may filter on."""

    json_path: str = always("")


class CustomResourceDefinitionVersion(Object, frozen=True):
    """One version of a custom resource, with its schema and serving flags."""

    additional_printer_columns: tuple[CustomResourceColumnDefinition, ...] = ()
    deprecated: bool = False
    deprecation_warning: str | None = None
    name: str = always("")
    schema: CustomResourceValidation | None = None
    selectable_fields: tuple[SelectableField, ...] = ()
    served: bool = always(False)
    storage: bool = always(False)
    subresources: CustomResourceSubresources | None = None


class CustomResourceDefinitionSpec(Object, frozen=True):
    """The group, names, scope and versions of a custom resource."""

    conversion: CustomResourceConversion | None = None
    group: str = always("")
    names: CustomResourceDefinitionNames = always(CustomResourceDefinitionNames())
    preserve_unknown_fields: bool = False
    scope: str = always("")
    versions: tuple[CustomResourceDefinitionVersion, ...] = always(())


class CustomResourceDefinitionCondition(Object, frozen=True):
    """One observed state of a custom resource definition, such as Established."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    observed_generation: Int64 = 0
    reason: str = ""
    status: str = always("")
    type: str = always("")


class CustomResourceDefinitionStatus(Object, frozen=True):
    """The names accepted, versions stored and conditions of a custom resource."""

    accepted_names: CustomResourceDefinitionNames = always(CustomResourceDefinitionNames())
    conditions: Annotated[tuple[CustomResourceDefinitionCondition, ...], ListMap(keys=("type",))] = always(())
    observed_generation: Int64 = 0
    stored_versions: tuple[str, ...] = always(())


class CustomResourceDefinition(Object, frozen=True):
    """Adds a new kind of object to the API."""

    api_version: str = always("apiextensions.k8s.io/v1")
    kind: str = always("CustomResourceDefinition")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: CustomResourceDefinitionSpec = always(CustomResourceDefinitionSpec())
    status: CustomResourceDefinitionStatus = always(CustomResourceDefinitionStatus())


class CustomResourceDefinitionList(Object, frozen=True):
    """A list of custom resource definitions."""

    api_version: str = always("apiextensions.k8s.io/v1")
    kind: str = always("CustomResourceDefinitionList")
    items: tuple[CustomResourceDefinition, ...] = always(())
    metadata: ListMeta = always(ListMeta())

"""The rules of CustomResourceDefinitions, as far as they are about names and versions; what they define isn't served.

Source: kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube import names
from kube.api.apiextensions_v1 import (
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionStatus,
    CustomResourceDefinitionVersion,
)
from kube.errors import FieldError, duplicate, forbidden_field, invalid, not_supported, required
from kube.objects import with_defaults

from .checks import Errors, fits, unchanged

SCOPES: Final = ("Cluster", "Namespaced")
CONVERSIONS: Final = ("None", "Webhook")


class DefinitionStrategy(Strategy[CustomResourceDefinition]):
    """CustomResourceDefinitions."""

    def default(self, obj: CustomResourceDefinition) -> CustomResourceDefinition:
        spec, given = obj.spec, obj.spec.names
        kind = given.kind
        found = with_defaults(given, singular=kind.lower(), list_kind=f"{kind}List" if kind else "")
        conversion = spec.conversion or CustomResourceConversion(strategy="None")
        if found is given and conversion is spec.conversion:
            return obj
        return replace(obj, spec=replace(spec, names=found, conversion=conversion))

    def prepare_create(self, obj: CustomResourceDefinition, context: Context) -> CustomResourceDefinition:
        stored = tuple(version.name for version in obj.spec.versions if version.storage)
        obj = super().prepare_create(obj, context)
        return replace(obj, status=CustomResourceDefinitionStatus(stored_versions=stored))

    def validate(self, obj: CustomResourceDefinition) -> list[FieldError]:
        return list(_errors(obj))

    def validate_update(self, new: CustomResourceDefinition, old: CustomResourceDefinition) -> list[FieldError]:
        return [
            *self.validate(new),
            *unchanged("spec.group", new.spec.group, old.spec.group),
            *unchanged("spec.names.plural", new.spec.names.plural, old.spec.names.plural),
        ]


def _errors(obj: CustomResourceDefinition) -> Errors:
    spec = obj.spec
    if obj.metadata.name != f"{spec.names.plural}.{spec.group}":
        yield invalid("metadata.name", obj.metadata.name, 'must be spec.names.plural+"."+spec.group')
    yield from _group_errors(spec.group, "spec.group")
    if not spec.scope:
        yield required("spec.scope")
    elif spec.scope not in SCOPES:
        yield not_supported("spec.scope", spec.scope, SCOPES)
    if spec.preserve_unknown_fields:
        detail = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield invalid("spec.preserveUnknownFields", True, f"cannot set to true, {detail}")
    yield from _versions_errors(spec)
    yield from _names_errors(spec.names, "spec.names")
    if spec.conversion is not None:
        yield from _conversion_errors(spec.conversion, "spec.conversion")


def _group_errors(group: str, path: str) -> Errors:
    if not group:
        yield required(path)
        return
    yield from fits(path, group, names.check_dns_subdomain)
    if "." not in group:
        yield invalid(path, group, "should be a domain with at least one dot")


def _versions_errors(spec: CustomResourceDefinitionSpec) -> Errors:
    path = "spec.versions"
    if sum(version.storage for version in spec.versions) != 1:
        yield invalid(path, spec.versions, "must have exactly one version marked as storage version")
    seen: set[str] = set()
    for index, version in enumerate(spec.versions):
        here = f"{path}[{index}]"
        yield from fits(f"{here}.name", version.name, names.check_dns_1035_label)
        if version.name in seen:
            yield duplicate(f"{here}.name", version.name)
        seen.add(version.name)
        yield from _version_errors(version, here)


def _version_errors(version: CustomResourceDefinitionVersion, path: str) -> Errors:
    if version.schema is None or version.schema.open_api_v3_schema is None:
        yield required(f"{path}.schema.openAPIV3Schema", "schemas are required")
    if version.deprecation_warning is not None and not version.deprecated:
        yield invalid(
            f"{path}.deprecationWarning", version.deprecation_warning, "can only be set for deprecated versions"
        )


def _names_errors(found: CustomResourceDefinitionNames, path: str) -> Errors:
    yield from _label_errors(found.plural, f"{path}.plural")
    yield from _label_errors(found.singular, f"{path}.singular")
    for field, kind in (("kind", found.kind), ("listKind", found.list_kind)):
        if not kind:
            yield required(f"{path}.{field}")
            continue
        for problem in names.check_dns_1035_label(kind.lower()):
            detail = f"may have mixed case, but should otherwise match: {problem}"
            yield invalid(f"{path}.{field}", kind, detail)
    if found.kind and found.kind == found.list_kind:
        yield invalid(f"{path}.listKind", found.list_kind, "kind and listKind may not be the same")
    for field, words in (("shortNames", found.short_names), ("categories", found.categories)):
        for index, word in enumerate(words):
            yield from fits(f"{path}.{field}[{index}]", word, names.check_dns_1035_label)


def _label_errors(name: str, path: str) -> Errors:
    if not name:
        yield required(path)
    else:
        yield from fits(path, name, names.check_dns_1035_label)


def _conversion_errors(conversion: CustomResourceConversion, path: str) -> Errors:
    if not conversion.strategy:
        yield required(f"{path}.strategy")
    elif conversion.strategy not in CONVERSIONS:
        yield not_supported(f"{path}.strategy", conversion.strategy, CONVERSIONS)
    elif conversion.strategy == "None" and conversion.webhook is not None:
        yield forbidden_field(f"{path}.webhook", "should not be set when strategy is not set to Webhook")
    elif conversion.strategy == "Webhook" and (conversion.webhook is None or conversion.webhook.client_config is None):
        yield required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")

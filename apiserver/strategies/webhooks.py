"""The rules of ValidatingWebhookConfigurations and MutatingWebhookConfigurations: who is asked about which requests.

Source: kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers
"""

from collections.abc import Sequence
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube import names
from kube.api.admissionregistration_v1 import (
    MutatingWebhook,
    MutatingWebhookConfiguration,
    ValidatingWebhook,
    ValidatingWebhookConfiguration,
    WebhookClientConfig,
)
from kube.errors import FieldError, duplicate, invalid, not_supported, required
from kube.objects import with_metadata

from .checks import Errors, fits, label_selector, named, one_of_if_given
from .filling import each, where_none, within
from .matching import ALL, FAILURE_POLICIES, MATCH_POLICIES, conditions_errors, default_rule, rule_errors

C = TypeVar("C", ValidatingWebhookConfiguration, MutatingWebhookConfiguration)
W = TypeVar("W", ValidatingWebhook, MutatingWebhook)

HTTPS_PORT: Final = 443
TIMEOUT_S: Final = 10
_TIMEOUT_MAX_S: Final = 30
_REVIEWS: Final = ("v1", "v1beta1")
_SIDE_EFFECTS: Final = ("None", "NoneOnDryRun")
_FORM: Final = "desired format: https://host[/path]"


class WebhookConfigurationStrategy(Strategy[C]):
    """Webhook configurations of both sorts; a change of their webhooks counts as a generation."""

    allow_unconditional_update = False

    def default(self, obj: C) -> C:
        webhooks = each(obj.webhooks, _default_webhook)
        return obj if webhooks is obj.webhooks else replace(obj, webhooks=webhooks)

    def prepare_create(self, obj: C, context: Context) -> C:
        return with_metadata(obj, generation=1)

    def prepare_update(self, new: C, old: C, context: Context) -> C:
        return with_metadata(new, generation=old.metadata.generation + (new.webhooks != old.webhooks))

    def validate(self, obj: C) -> list[FieldError]:
        return list(_webhooks_errors(obj.webhooks))


def _default_webhook(webhook: W) -> W:
    webhook = where_none(
        webhook,
        failure_policy="Fail",
        match_policy="Equivalent",
        namespace_selector=ALL,
        object_selector=ALL,
        timeout_seconds=TIMEOUT_S,
    )
    if isinstance(webhook, MutatingWebhook):
        webhook = where_none(webhook, reinvocation_policy="Never")
    return within(webhook, client_config=default_client_config, rules=lambda rules: each(rules, default_rule))


def default_client_config(config: WebhookClientConfig) -> WebhookClientConfig:
    """Return how a webhook is reached, its Service's port being that of HTTPS if it names none."""
    return within(config, service=lambda service: where_none(service, port=HTTPS_PORT))


def _webhooks_errors(webhooks: Sequence[ValidatingWebhook | MutatingWebhook]) -> Errors:
    seen: set[str] = set()
    for index, webhook in enumerate(webhooks):
        here = f"webhooks[{index}]"
        yield from _webhook_errors(webhook, here)
        if webhook.name and webhook.name in seen:
            yield duplicate(f"{here}.name", webhook.name)
        seen.add(webhook.name)


def _webhook_errors(webhook: ValidatingWebhook | MutatingWebhook, path: str) -> Errors:
    yield from named(f"{path}.name", webhook.name, names.check_qualified_domain)
    yield from _reviews_errors(webhook.admission_review_versions, f"{path}.admissionReviewVersions")
    for index, rule in enumerate(webhook.rules):
        yield from rule_errors(rule, f"{path}.rules[{index}]")
    yield from one_of_if_given(f"{path}.failurePolicy", webhook.failure_policy, FAILURE_POLICIES)
    yield from one_of_if_given(f"{path}.matchPolicy", webhook.match_policy, MATCH_POLICIES)
    if webhook.side_effects is None:
        yield required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    elif webhook.side_effects not in _SIDE_EFFECTS:
        yield not_supported(f"{path}.sideEffects", webhook.side_effects, _SIDE_EFFECTS)
    seconds = webhook.timeout_seconds
    if seconds is not None and not 1 <= seconds <= _TIMEOUT_MAX_S:
        yield invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
    if isinstance(webhook, MutatingWebhook):
        yield from one_of_if_given(f"{path}.reinvocationPolicy", webhook.reinvocation_policy, ("IfNeeded", "Never"))
    yield from label_selector(f"{path}.namespaceSelector", webhook.namespace_selector)
    yield from label_selector(f"{path}.objectSelector", webhook.object_selector)
    yield from client_config_errors(webhook.client_config, f"{path}.clientConfig")
    yield from conditions_errors(webhook.match_conditions, f"{path}.matchConditions")


def _reviews_errors(versions: tuple[str, ...], path: str) -> Errors:
    if not versions:
        yield required(path, f"must specify one of {', '.join(_REVIEWS)}")
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version in seen:
            yield invalid(f"{path}[{index}]", version, "duplicate version")
        seen.add(version)
        yield from fits(f"{path}[{index}]", version, names.check_dns_1035_label)
    if not seen & set(_REVIEWS):
        yield invalid(path, versions, f"must include at least one of {', '.join(_REVIEWS)}")


def client_config_errors(config: WebhookClientConfig, path: str) -> Errors:
    """Check how a webhook is reached: by a URL, or by a Service."""
    if (config.url is None) == (config.service is None):
        yield required(path, "exactly one of url or service is required")
    elif config.url is not None:
        yield from url_errors(config.url, f"{path}.url")
    elif config.service is not None:
        service = config.service
        if not service.name:
            yield required(f"{path}.service.name")
        if not service.namespace:
            yield required(f"{path}.service.namespace")
        if service.port is not None and not 1 <= service.port <= 65535:
            detail = "port is not valid: must be between 1 and 65535, inclusive"
            yield invalid(f"{path}.service.port", service.port, detail)
        if service.path is not None:
            yield from _path_errors(service.path, f"{path}.service.path")


def url_errors(url: str, path: str) -> Errors:
    """Check a URL that is called: over TLS, without user, query or fragment."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        yield required(path, f"url must be a valid URL: {error}; {_FORM}")
        return
    if parts.scheme != "https":
        yield invalid(path, parts.scheme, f"'https' is the only allowed URL scheme; {_FORM}")
    if not parts.netloc.rpartition("@")[2]:
        yield invalid(path, parts.netloc, f"host must be specified; {_FORM}")
    if "@" in parts.netloc:
        yield invalid(path, parts.netloc.partition("@")[0], "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid(path, parts.query, "query parameters are not permitted in the URL")


def _path_errors(value: str, path: str) -> Errors:
    if value in ("", "/"):
        return
    if value == "//":
        yield invalid(path, value, "segment[0] may not be empty")
        return
    if not value.startswith("/"):
        yield invalid(path, value, "must start with a '/'")
    steps = value.removeprefix("/").removesuffix("/").split("/")
    for index, step in enumerate(steps):
        if not step:
            yield invalid(path, value, f"segment[{index}] may not be empty")
        else:
            for problem in names.check_dns_subdomain(step):
                yield invalid(path, value, f"segment[{index}]: {problem}")

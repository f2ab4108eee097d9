"""What names may look like, said in the words that Kubernetes' clients know.

Each check returns the reasons against a value, none where it will do; the caller puts them behind a field's path.
Source: kubernetes.io/docs/concepts/overview/working-with-objects/names, RFC 1123, RFC 1035, RFC 6335.
"""

import random
import re
from typing import Final

DNS_LABEL_MAX: Final = 63
DNS_SUBDOMAIN_MAX: Final = 253

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_OF_SEARCH: Final = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH: Final = rf"{_LABEL_OF_SEARCH}(\.{_LABEL_OF_SEARCH})*"
_LABEL_1035: Final = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED: Final = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE: Final = rf"({_QUALIFIED})?"
_CONFIG_KEY: Final = r"[-._a-zA-Z0-9]+"
_C_IDENTIFIER: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_C_IDENTIFIER_SENTENCE: Final = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters"
    " or '_'"
)
_URL_PATH: Final = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_HTTP_HEADER: Final = r"[-A-Za-z0-9]+"

_LABEL_SENTENCE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    " an alphanumeric character"
)
_SUBDOMAIN_SENTENCE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    " end with an alphanumeric character"
)
_SEARCH_SENTENCE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start"
    " and end with an alphanumeric character"
)
_LABEL_1035_SENTENCE: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character"
)
_QUALIFIED_SENTENCE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_LABEL_VALUE_SENTENCE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character"
)
_CONFIG_KEY_SENTENCE: Final = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_HTTP_HEADER_SENTENCE: Final = "a valid HTTP header must consist of alphanumeric characters or '-'"


def check_dns_label(value: str) -> list[str]:
    """Check an RFC 1123 label: namespaces, containers, volumes."""
    if "." in value and re.fullmatch(_SUBDOMAIN, value):
        return [*_too_long(value, DNS_LABEL_MAX), "must not contain dots"]
    return _too_long(value, DNS_LABEL_MAX) + _unlike(value, _LABEL, _LABEL_SENTENCE, "my-name", "123-abc")


def check_dns_subdomain(value: str) -> list[str]:
    """Check an RFC 1123 subdomain: the names of most objects."""
    return _too_long(value, DNS_SUBDOMAIN_MAX) + _unlike(value, _SUBDOMAIN, _SUBDOMAIN_SENTENCE, "example.com")


def check_search_domain(value: str) -> list[str]:
    """Check a domain that a pod's resolver goes through: a subdomain whose labels may have underscores."""
    return _too_long(value, DNS_SUBDOMAIN_MAX) + _unlike(value, _SEARCH, _SEARCH_SENTENCE, "example.com")


def check_dns_1035_label(value: str) -> list[str]:
    """Check an RFC 1035 label, which starts with a letter: Services."""
    return _too_long(value, DNS_LABEL_MAX) + _unlike(value, _LABEL_1035, _LABEL_1035_SENTENCE, "my-name", "abc-123")


def check_wildcard_subdomain(value: str) -> list[str]:
    """Check a subdomain that begins with "*.": the hosts of Ingresses."""
    sentence = (
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of"
        " lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
    )
    return _too_long(value, DNS_SUBDOMAIN_MAX) + _unlike(value, rf"\*\.{_SUBDOMAIN}", sentence, "*.example.com")


def check_qualified_domain(value: str) -> list[str]:
    """Check a domain with two dots or more: the names of webhooks."""
    errors = check_dns_subdomain(value)
    if not errors and value.count(".") < 2:
        return ["should be a domain with at least three segments separated by dots"]
    return errors


def check_cel_identifier(value: str) -> list[str]:
    """Check the name of a variable in an expression."""
    return [] if re.fullmatch(_C_IDENTIFIER, value) else ["name is not a valid CEL identifier"]


def check_domain_path(value: str) -> list[str]:
    """Check a path below a domain, as controllers are known by: "acme.io/foo"."""
    domain, slash, path = value.partition("/")
    if not domain or not slash or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    errors = check_dns_subdomain(domain)
    return (
        errors
        if re.fullmatch(_URL_PATH, path)
        else [*errors, f"Invalid path (regex used for validation is '{_URL_PATH}')"]
    )


def check_path_segment(value: str) -> list[str]:
    """Check a name that need only fit into a URL: RBAC objects."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{letter}'" for letter in "/%" if letter in value]


def check_port_name(value: str) -> list[str]:
    """Check an IANA service name: the names of ports."""
    errors = [] if len(value) <= 15 else ["must be no more than 15 characters"]
    if not re.fullmatch(r"[-a-z0-9]+", value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def check_env_name(value: str) -> list[str]:
    """Check the name of an environment variable: printable ASCII without "="."""
    if not value:
        return ["environment variable name must be non-empty"]
    if any(not " " <= letter <= "~" or letter == "=" for letter in value):
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    return []


def check_c_identifier(value: str) -> list[str]:
    """Check a name that programs can use as a variable's: the attributes of devices."""
    return _unlike(value, _C_IDENTIFIER, _C_IDENTIFIER_SENTENCE, "my_name", "MY_NAME", "MyName")


def check_config_map_key(value: str) -> list[str]:
    """Check a key of a ConfigMap or Secret, which becomes a file's name."""
    errors = _too_long(value, DNS_SUBDOMAIN_MAX)
    errors += _unlike(value, _CONFIG_KEY, _CONFIG_KEY_SENTENCE, "key.name", "KEY_NAME", "key-name")
    if value in (".", ".."):
        return [*errors, f"must not be '{value}'"]
    return [*errors, "must not start with '..'"] if value.startswith("..") else errors


def check_http_header_name(value: str) -> list[str]:
    """Check the name of an HTTP header: the headers of probes."""
    return _unlike(value, _HTTP_HEADER, _HTTP_HEADER_SENTENCE, "X-Header-Name")


def check_label_key(value: str) -> list[str]:
    """Check a qualified name: label and annotation keys, resources, finalizers, taints."""
    prefix, slash, name = value.rpartition("/")
    if prefix.count("/"):
        example = "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
        return [
            f"a valid label key {_QUALIFIED_SENTENCE} {example} '{_QUALIFIED}') with an optional DNS subdomain prefix"
            " and '/' (e.g. 'example.com/MyName')"
        ]
    errors = []
    if slash:
        errors = (
            ["prefix part must be non-empty"] if not prefix else _prefixed("prefix part", check_dns_subdomain(prefix))
        )
    if not name:
        errors.append("name part must be non-empty")
    elif len(name.encode()) > DNS_LABEL_MAX:
        errors.append(f"name part must be no more than {DNS_LABEL_MAX} bytes")
    return errors + _prefixed(
        "name part", _unlike(name, _QUALIFIED, _QUALIFIED_SENTENCE, "MyName", "my.name", "123-abc")
    )


def check_label_value(value: str) -> list[str]:
    """Check a label's value."""
    errors = _too_long(value, DNS_LABEL_MAX, "bytes")
    return errors + _unlike(value, _LABEL_VALUE, _LABEL_VALUE_SENTENCE, "MyValue", "my_value", "12345")


_SAFE_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_RANDOM_LENGTH: Final = 5
_PREFIX_MAX: Final = DNS_LABEL_MAX - _RANDOM_LENGTH


def generated_name(prefix: str, source: random.Random) -> str:
    """Return `prefix` (at most 58 characters of it) and five letters that spell no word."""
    return prefix[:_PREFIX_MAX] + random_suffix(source)


def random_suffix(source: random.Random, length: int = _RANDOM_LENGTH) -> str:
    """Return `length` letters and digits that spell no word."""
    return "".join(source.choices(_SAFE_LETTERS, k=length))


def _prefixed(part: str, errors: list[str]) -> list[str]:
    return [f"{part} {error}" for error in errors]


def _too_long(value: str, limit: int, unit: str = "characters") -> list[str]:
    return [f"must be no more than {limit} {unit}"] if len(value.encode()) > limit else []


def _unlike(value: str, pattern: str, sentence: str, *examples: str) -> list[str]:
    """Return `sentence` with examples and the pattern, as Kubernetes writes them, unless the value fits the pattern."""
    if re.fullmatch(pattern, value):
        return []
    shown = ",  or ".join(f"'{example}'" for example in examples)
    return [f"{sentence} (e.g. {shown}, regex used for validation is '{pattern}')"]

"""The documents of OpenAPI v3 for what lies above and beside the group versions: groups, the version, keys of tokens.

Each tells of one path, which is read alone. Source: the published documents of Kubernetes 1.36 for names and words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from apiserver.groups import groups
from apiserver.schema.paths import group_words


@dataclass(frozen=True)
class Outline:
    """One path that is no group version's. operation: its name. tag: what it is listed under."""

    operation: str
    tag: str
    media_type: str = "application/json"

    def paths(self, path: str) -> Mapping[str, Any]:
        """Return what is there, as a document has it."""
        content = {
            self.media_type: {"schema": {"type": "object" if self.media_type == "application/json" else "string"}}
        }
        answers = {"200": {"description": "OK", "content": content}, "401": {"description": "Unauthorized"}}
        return {f"/{path}/": {"get": {"operationId": self.operation, "tags": [self.tag], "responses": answers}}}


@cache
def outlines() -> Mapping[str, Outline]:
    """Return all of them by path, without the slash before it."""
    found = {
        "api": Outline("getCoreAPIVersions", "core"),
        "apis": Outline("getAPIVersions", "apis"),
        "version": Outline("getCodeVersion", "version"),
        "openid/v1/jwks": Outline("getServiceAccountIssuerOpenIDKeyset", "openid", "application/jwk-set+json"),
        ".well-known/openid-configuration": Outline("getServiceAccountIssuerOpenIDConfiguration", "WellKnown"),
    }
    for group in groups():
        if group:
            words = group_words(group)
            found[f"apis/{group}"] = Outline(f"get{words[:1].upper()}{words[1:]}APIGroup", words)
    return found

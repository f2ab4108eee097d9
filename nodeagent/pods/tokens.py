"""Get the service account tokens of pods, and renew them before they end.

Keeps true: a token is renewed when four fifths of its life are over, or after a day; until that succeeds the old one
is used as long as it is good. Asks the API by TokenRequest, bound to the pod; keeps tokens in memory alone.
Source: kubernetes.io/docs/concepts/storage/projected-volumes, section on serviceAccountToken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kube.api.authentication_v1 import BoundObjectReference, TokenRequest, TokenRequestSpec
from kube.api.core_v1 import Pod, ServiceAccount
from kube.api.meta_v1 import ObjectMeta
from kube.client import Client
from kube.times import parse_time
from nodeagent.pods.projections import TokenKey

RENEW_AT: Final = 0.8
LONGEST_USE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: datetime


class PodTokens:
    """The tokens of one pod."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tokens: dict[TokenKey, _Token] = {}

    async def get(self, pod: Pod, wanted: set[TokenKey], now: datetime) -> Mapping[TokenKey, str]:
        """Return the tokens that volumes ask for, fresh ones where it is time. Raises what the API refuses."""
        for key in wanted:
            held = self._tokens.get(key)
            if held is None or held.renew_at <= now:
                self._tokens[key] = await self._request(pod, key, now)
        return {key: self._tokens[key].text for key in wanted}

    @property
    def renew_at(self) -> datetime | None:
        """When the next token is due, None where there is none."""
        return min((token.renew_at for token in self._tokens.values()), default=None)

    async def _request(self, pod: Pod, key: TokenKey, now: datetime) -> _Token:
        audience, lifetime_s = key
        meta = pod.metadata
        account = pod.spec.service_account_name or "default"
        spec = TokenRequestSpec(
            audiences=(audience,) if audience else (),
            expiration_seconds=lifetime_s,
            bound_object_ref=BoundObjectReference(api_version="v1", kind="Pod", name=meta.name, uid=meta.uid),
        )
        asked = TokenRequest(metadata=ObjectMeta(name=account, namespace=meta.namespace), spec=spec)
        answer = await self._client.create_subresource(
            ServiceAccount, account, "token", asked, namespace=meta.namespace
        )
        life = timedelta(seconds=lifetime_s)
        if answer.status.expiration_timestamp is not None:
            told = parse_time(answer.status.expiration_timestamp) - now
            life = told if told > timedelta() else life  # A fresh token is never over: the clocks differ.
        return _Token(answer.status.token, now + min(life * RENEW_AT, LONGEST_USE))

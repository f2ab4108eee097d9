"""The last touch on an answer in JSON: YAML for those who prefer it, line breaks for people.

Source: kubernetes.io/docs/reference/kubernetes-api/common-parameters for `pretty`, which holds for the browsers and
command line tools of people too.
"""

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from apiserver.accepting import JSON, YAML, prefers_yaml
from apiserver.options import Query, flag_of
from apiserver.responses import Answer
from kube import yaml

INLINE_MAX_BYTES: Final = 64 * 1024
_PEOPLE: Final = ("curl", "Wget", "Mozilla/5.0")


async def present(answer: Answer, request: web.BaseRequest, query: Query) -> None:
    """Write an answer anew if its client wants it so; what is long, without holding up others."""
    accept = request.headers.get("Accept", "")
    if "yaml" in accept and prefers_yaml(accept):
        media_type, wording = YAML, _as_yaml
    elif _is_for_people(request, query):
        media_type, wording = JSON, _indented
    else:
        return
    json = answer.json
    if len(json) > INLINE_MAX_BYTES:
        answer.reword(media_type, await asyncio.to_thread(wording, json))
    elif json:
        answer.reword(media_type, wording(json))


def _is_for_people(request: web.BaseRequest, query: Query) -> bool:
    if "pretty" in query:
        return flag_of(query, "pretty")
    return request.headers.get("User-Agent", "").startswith(_PEOPLE)


def _indented(body: bytes) -> bytes:
    return msgspec.json.format(body, indent=2) + b"\n"


def _as_yaml(body: bytes) -> bytes:
    in_order = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return yaml.dump(msgspec.json.decode(in_order)).encode()

"""What lists and watches take: revisions, chunks, selectors, in their combinations, as Kubernetes 1.36 answers them."""

import asyncio
import base64
import json

import pytest

from tests.apiserver.wire import Wire, config_map

MAPS = "/api/v1/namespaces/default/configmaps"
WATCH_LIST = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
PATIENCE_S = 5.0


def token(revision: int, start: str) -> str:
    """Return a continue token as a client could make it up."""
    fields = {"v": "meta.k8s.io/v1", "rv": revision, "start": start}
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("query", "causes"),
    [
        ("resourceVersionMatch=Exact", ["resourceVersionMatch is forbidden unless resourceVersion is provided"]),
        (
            "resourceVersion=1&resourceVersionMatch=Roughly",
            ['Unsupported value: "Roughly": supported values: "Exact", "NotOlderThan", ""'],
        ),
        (
            "resourceVersion=0&resourceVersionMatch=Exact",
            ['resourceVersionMatch "exact" is forbidden for resourceVersion "0"'],
        ),
        (
            "resourceVersionMatch=NotOlderThan&continue=x&sendInitialEvents=true",
            [
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
                "resourceVersionMatch is forbidden when continue is provided",
                "sendInitialEvents is forbidden for list",
            ],
        ),
        (
            "watch=1&sendInitialEvents=true",
            ["sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"],
        ),
        (
            "watch=1&resourceVersion=5&resourceVersionMatch=Exact",
            [
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                'Unsupported value: "Exact": supported values: "NotOlderThan"',
            ],
        ),
        ("watch=1&continue=x", ["resourceVersionMatch is forbidden when continue is provided"]),
    ],
)
async def test_options_that_make_no_sense_together_are_all_named(wire: Wire, query: str, causes: list[str]) -> None:
    reply = await wire.send("GET", f"{MAPS}?{query}")

    assert (reply.status, reply.reason, reply.json["details"]["kind"]) == (422, "Invalid", "ListOptions")
    told = [cause["message"].removeprefix("Forbidden: ") for cause in reply.json["details"]["causes"]]
    assert told == causes


@pytest.mark.parametrize("query", ["limit=", "limit=many", "timeoutSeconds=1s", "resourceVersion=new", "continue=x"])
async def test_what_cannot_be_read_is_refused(wire: Wire, query: str) -> None:
    reply = await wire.send("GET", f"{MAPS}?{query}")

    assert (reply.status, reply.reason) == (400, "BadRequest")


async def test_a_made_up_token_is_refused(wire: Wire) -> None:
    for revision, start in ((0, "default/a\0"), (1, ""), (1, "default/a")):
        reply = await wire.send("GET", f"{MAPS}?continue={token(revision, start)}")

        assert reply.status == 400
        assert reply.json["message"].startswith("invalid continue token: continue key is not valid: ")


async def test_a_list_of_whatever_is_at_hand_comes_whole(wire: Wire) -> None:
    """With revision 0 the limit is a wish; informers that ask so want everything anyway."""
    for name in ("a", "b", "c"):
        await wire.send("POST", MAPS, config_map(name))

    whole = (await wire.send("GET", f"{MAPS}?resourceVersion=0&limit=1")).json
    first = (await wire.send("GET", f"{MAPS}?limit=1")).json
    rest = (await wire.send("GET", f"{MAPS}?resourceVersion=0&continue={first['metadata']['continue']}")).json

    assert [len(page["items"]) for page in (whole, first, rest)] == [3, 1, 2]
    assert "continue" not in whole["metadata"]


async def test_what_remains_is_told_only_where_nothing_is_selected(wire: Wire) -> None:
    for name in ("a", "b", "c"):
        await wire.send("POST", MAPS, config_map(name))

    plain = (await wire.send("GET", f"{MAPS}?limit=1")).json["metadata"]
    selected = (await wire.send("GET", f"{MAPS}?limit=1&fieldSelector=metadata.name%21%3Dx")).json["metadata"]

    assert plain["remainingItemCount"] == 2
    assert "remainingItemCount" not in selected
    assert selected["continue"]


async def test_a_revision_of_the_future_is_refused_with_its_cause(wire: Wire) -> None:
    for path in (f"{MAPS}?resourceVersion=999999", f"{MAPS}/a?resourceVersion=999999"):
        reply = await wire.send("GET", path)

        assert (reply.status, reply.reason, reply.headers["Retry-After"]) == (504, "Timeout", "1")
        assert reply.json["message"].startswith("Timeout: Too large resource version: 999999, current: ")
        assert reply.json["details"]["causes"] == [
            {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"{WATCH_LIST}&allowWatchBookmarks=true", ["ADDED", "BOOKMARK end", "MODIFIED"]),
        (WATCH_LIST, ["ADDED", "MODIFIED"]),
        ("watch=1", ["ADDED", "MODIFIED"]),
        ("watch=1&allowWatchBookmarks=true", ["ADDED", "BOOKMARK end", "MODIFIED"]),
        ("watch=1&resourceVersion=0&allowWatchBookmarks=true", ["ADDED", "BOOKMARK end", "MODIFIED"]),
        ("watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", ["MODIFIED"]),
        ("watch=1&resourceVersion={now}", ["MODIFIED"]),
        (f"{WATCH_LIST}&resourceVersion={{now}}&allowWatchBookmarks=true", ["ADDED", "BOOKMARK end", "MODIFIED"]),
    ],
)
async def test_a_watch_begins_where_it_is_told_to(wire: Wire, query: str, expected: list[str]) -> None:
    await wire.send("POST", MAPS, config_map())
    now = (await wire.send("GET", MAPS)).json["metadata"]["resourceVersion"]

    async with wire.lines(f"{MAPS}?{query.format(now=now)}") as lines:
        await wire.send("PUT", f"{MAPS}/settings", config_map(data={"a": "b"}))
        seen: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(seen) < len(expected):
                line = await anext(lines)
                ends = "annotations" in line["object"]["metadata"]
                seen.append(line["type"] + (" end" if ends else ""))

    assert seen == expected


async def test_a_named_object_is_read_even_where_a_watch_is_asked_for(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("GET", f"{MAPS}/settings?watch=1")

    assert (reply.status, reply.json["kind"]) == (200, "ConfigMap")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/api/v1/watch/configmaps", ["a", "b"]),
        ("/api/v1/watch/namespaces/default/configmaps", ["a", "b"]),
        ("/api/v1/watch/namespaces/default/configmaps/b", ["b"]),
        ("/api/v1/watch/namespaces/default", ["default"]),
    ],
)
async def test_a_path_may_ask_for_a_watch_itself(wire: Wire, path: str, names: list[str]) -> None:
    """The older way, which discovery doesn't tell of."""
    for name in ("a", "b"):
        await wire.send("POST", MAPS, config_map(name))

    async with wire.lines(path) as lines:
        async with asyncio.timeout(PATIENCE_S):
            seen = [await anext(lines) for _ in names]

    assert [(line["type"], line["object"]["metadata"]["name"]) for line in seen] == [("ADDED", name) for name in names]
    assert (await wire.send("DELETE", path)).status == 405


async def test_no_path_goes_on_asking_for_a_watch(wire: Wire) -> None:
    """However long the path, it is refused like any other that names nothing."""
    reply = await wire.send("GET", "/api/v1" + "/watch" * 5000)

    assert reply.status == 404

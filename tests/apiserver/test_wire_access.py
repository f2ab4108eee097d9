"""Who may do what over HTTPS: certificates, tokens, nodes, and nobody in particular."""

from pathlib import Path

import pytest

from apiserver.server import ApiServer, StartError
from apiserver.settings import ApiServerSettings
from kube.pki import Subject, issue, save_pair
from tests.apiserver.wire import Wire, config_map, pod

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


async def test_a_stranger_is_told_that_anonymous_may_not(server: ApiServer) -> None:
    async with Wire.connect(server, client="") as stranger:
        reply = await stranger.send("GET", PODS)

    assert (reply.status, reply.reason) == (403, "Forbidden")
    assert reply.json["message"] == (
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
        'in the namespace "default"'
    )


@pytest.mark.parametrize("token", ["nonsense", "eyJhbGciOiJub25lIn0.e30.", "abcdef.0123456789abcdef"])
async def test_a_token_that_does_not_hold_is_unauthorized(server: ApiServer, token: str) -> None:
    async with Wire.connect(server, token=token) as stranger:
        reply = await stranger.send("GET", PODS)

    assert (reply.status, reply.reason, reply.json["message"]) == (401, "Unauthorized", "Unauthorized")


async def test_a_fixed_token_speaks_for_its_user(pki_dir: Path, tmp_path: Path) -> None:
    table = tmp_path / "tokens.csv"
    table.write_text('secret-of-ada,ada,7,"system:masters,people"\nsecret-of-bob,bob,8\n')
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0, token_file=table)) as server:
        await server.ready()
        async with (
            Wire.connect(server, token="secret-of-ada") as ada,
            Wire.connect(server, token="secret-of-bob") as bob,
        ):
            allowed = await ada.send("GET", PODS)
            refused = await bob.send("GET", PODS)
            discovery = await bob.send("GET", "/api")

    assert (allowed.status, refused.status, discovery.status) == (200, 403, 200)


async def test_a_service_account_token_holds_as_long_as_its_account(server: ApiServer, wire: Wire) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    issued = await wire.send("POST", f"{path}/token", request)
    token = issued.json["status"]["token"]

    async with Wire.connect(server, token=token) as account:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        me = await account.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        refused = await account.send("GET", PODS)
        await wire.send("DELETE", path)
        late = await account.send("GET", "/api")

    assert issued.status == 201
    assert me.json["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    assert (refused.status, late.status) == (403, 401)


async def test_a_token_cannot_be_had_for_a_shorter_time_than_ten_minutes(wire: Wire) -> None:
    request = {"spec": {"expirationSeconds": 5}}

    reply = await wire.send("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", request)

    assert (reply.status, reply.causes) == (422, [("spec.expirationSeconds", "FieldValueInvalid")])


async def test_a_node_minds_its_own_business(server: ApiServer, wire: Wire) -> None:
    subject = Subject("system:node:here", ("system:nodes",))
    save_pair(server.credentials.directory, "node-here", issue(server.credentials.authority, subject, ("client",)))
    await wire.send("POST", MAPS, config_map("used"))
    await wire.send("POST", MAPS, config_map("private"))
    volume = {"name": "v", "configMap": {"name": "used"}}
    for name, node in (("mine", "here"), ("theirs", "there")):
        await wire.send("POST", PODS, pod(name, nodeName=node, volumes=[volume] if name == "mine" else []))

    async with Wire.connect(server, client="node-here") as node_agent:
        asked = {
            path: (await node_agent.send("GET", path)).status
            for path in (
                f"{MAPS}/used",
                f"{MAPS}/private",
                MAPS,
                f"{PODS}/mine",
                f"{PODS}/theirs",
                "/api/v1/pods?fieldSelector=spec.nodeName%3Dhere",
                "/api/v1/pods?fieldSelector=spec.nodeName%3Dthere",
                "/api/v1/pods",
                "/api/v1/services",
            )
        }
        own = await node_agent.send("POST", "/api/v1/nodes", {"metadata": {"name": "here"}})
        other = await node_agent.send("PUT", "/api/v1/nodes/there", {"metadata": {"name": "there"}})

    assert list(asked.values()) == [200, 403, 403, 200, 403, 200, 403, 403, 200]
    assert (own.status, other.status) == (201, 403)


async def test_masters_may_act_as_others_who_may_less(wire: Wire) -> None:
    reply = await wire.send("GET", PODS, headers={"Impersonate-User": "ada"})

    assert reply.status == 403
    assert 'User "ada"' in reply.json["message"]


async def test_a_port_that_is_taken_is_said_in_one_sentence(server: ApiServer, pki_dir: Path) -> None:
    second = ApiServer(ApiServerSettings(pki_dir=pki_dir, port=server.port))

    with pytest.raises(
        StartError, match=r"127\.0\.0\.1:\d+: the port is taken by another program; choose one with --port"
    ):
        await second.__aenter__()


async def test_access_reviews_tell_what_may_be_done(wire: Wire) -> None:
    attributes = {"verb": "delete", "resource": "pods", "namespace": "default"}
    group = "/apis/authorization.k8s.io/v1"

    mine = await wire.send("POST", f"{group}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": attributes}})
    spec = {"user": "ada", "groups": ["people"], "resourceAttributes": attributes}
    hers = await wire.send("POST", f"{group}/subjectaccessreviews", {"spec": spec})

    assert (mine.status, mine.json["status"]["allowed"], hers.json["status"]["allowed"]) == (201, True, False)

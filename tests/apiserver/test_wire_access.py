"""Who may do what over HTTPS: certificates, tokens, nodes, and nobody in particular."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError

from apiserver.server import ApiServer, StartError
from apiserver.settings import ApiServerSettings
from apiserver.tokens import AUDIENCES
from kube.errors import ApiError
from kube.pki import LEAF_LIFETIME, Subject, issue, save_pair
from tests.apiserver.wire import Wire, config_map, pod
from tests.kube.fake_clock import FakeClock

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


async def test_what_everybody_may_stands_in_the_list_of_what_one_may(server: ApiServer, wire: Wire) -> None:
    """`kubectl auth can-i --list` prints it."""
    token = (await wire.send("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {})).json
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    async with Wire.connect(server, token=token["status"]["token"]) as account:
        status = (await account.send("POST", path, {"spec": {"namespace": "default"}})).json["status"]

    reviews = [(rule["verbs"], rule["resources"]) for rule in status["resourceRules"]]
    assert (["create"], ["selfsubjectaccessreviews"]) in reviews
    assert {"/openapi", "/openapi/*", "/version"} <= set(status["nonResourceRules"][0]["nonResourceURLs"])


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


@pytest.mark.parametrize(
    ("path", "spec", "code"),
    [
        ("subjectaccessreviews", {"resourceAttributes": {"verb": "get", "resource": "pods"}}, 422),
        ("namespaces/a/localsubjectaccessreviews", {"user": "ada", "nonResourceAttributes": {"path": "/version"}}, 422),
        ("namespaces/a/localsubjectaccessreviews", {"user": "ada", "resourceAttributes": {"namespace": "b"}}, 422),
        ("namespaces/a/localsubjectaccessreviews", {"user": "ada", "resourceAttributes": {"namespace": "a"}}, 201),
    ],
)
async def test_a_question_about_somebody_names_them_and_stays_in_its_namespace(
    wire: Wire, path: str, spec: dict[str, object], code: int
) -> None:
    assert (await wire.send("POST", f"/apis/authorization.k8s.io/v1/{path}", {"spec": spec})).status == code


async def test_a_question_is_about_the_namespace_in_which_it_is_asked(wire: Wire) -> None:
    review = {"metadata": {"namespace": "b"}, "spec": {"user": "ada", "resourceAttributes": {"namespace": "b"}}}

    reply = await wire.send("POST", "/apis/authorization.k8s.io/v1/namespaces/a/localsubjectaccessreviews", review)

    assert (reply.status, reply.reason) == (400, "BadRequest")


async def test_a_review_knows_tokens_of_every_sort(server: ApiServer, wire: Wire) -> None:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    issued = await wire.send("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}})
    secret = {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": "abcdef",
            "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
        },
    }
    assert (await wire.send("POST", "/api/v1/namespaces/kube-system/secrets", secret)).status == 201

    async def asked(token: str, *audiences: str) -> dict[str, Any]:
        reply = await wire.send("POST", path, {"spec": {"token": token, "audiences": audiences}})
        assert reply.status == 201
        return {"authenticated": False, **reply.json["status"]}

    account = await asked(issued.json["status"]["token"])
    joining = await asked("abcdef.0123456789abcdef", AUDIENCES[0], "others")
    others = [await asked("abcdef.0123456789abcdef", "others"), await asked("nonsense")]
    nothing = await wire.send("POST", path, {"spec": {}})

    assert (account["user"]["username"], account["audiences"]) == (
        "system:serviceaccount:default:default",
        [*AUDIENCES],
    )
    assert (joining["user"]["username"], joining["audiences"]) == ("system:bootstrap:abcdef", [AUDIENCES[0]])
    assert [each["authenticated"] for each in others] == [False, False]
    assert nothing.status == 400


async def test_a_token_is_good_in_one_form_alone(server: ApiServer, wire: Wire) -> None:
    """With letters in it that mean nothing there would be any number of good ones, and each is kept in memory."""
    issued = await wire.send("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}})
    token = issued.json["status"]["token"]

    answers = []
    for form in (token, f"{token}!!!!", f"{token[:-4]}!{token[-4:]}"):
        async with Wire.connect(server, token=form) as account:
            answers.append((await account.send("GET", "/api")).status)

    assert answers == [200, 401, 401]


async def test_who_impersonates_gives_up_all_that_he_was(wire: Wire) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    headers = {
        "Impersonate-User": "system:serviceaccount:default:robot",
        "Impersonate-Uid": "7",
        "Impersonate-Extra-Example.com%2fScopes": "view",
    }

    reply = await wire.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, headers=headers)

    assert reply.json["status"]["userInfo"] == {
        "username": "system:serviceaccount:default:robot",
        "uid": "7",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
        "extra": {"example.com/scopes": ["view"]},
    }


@pytest.mark.parametrize("header", ["Impersonate-Group", "impersonate-uid", "Impersonate-Extra-Scopes"])
async def test_who_impersonates_nobody_does_not_keep_his_rights_in_silence(wire: Wire, header: str) -> None:
    reply = await wire.send("GET", PODS, headers={header: "people"})

    assert (reply.status, reply.reason) == (400, "BadRequest")


async def test_nobody_else_may_impersonate_even_himself(server: ApiServer) -> None:
    authority, directory = server.credentials.authority, server.credentials.directory
    save_pair(directory, "ada", issue(authority, Subject("ada", ("people",)), ("client",)))
    async with Wire.connect(server, client="ada") as ada:
        tried = [
            (await ada.send("GET", "/api", headers=headers)).status
            for headers in (
                {"Impersonate-User": "ada"},
                {"Impersonate-User": "system:serviceaccount:default:default"},
                {"Impersonate-User": "root", "Impersonate-Group": "system:masters"},
                {"Impersonate-User": "system:anonymous"},
            )
        ]

    assert tried == [403] * 4


async def test_a_certificate_for_servers_is_none_for_clients(server: ApiServer) -> None:
    """Else whoever has a node's serving key would be the node."""
    authority, directory = server.credentials.authority, server.credentials.directory
    save_pair(directory, "serving", issue(authority, Subject("kubernetes-admin", ("system:masters",)), ("server",)))
    async with Wire.connect(server, client="serving") as stranger:
        with pytest.raises((ClientError, ConnectionError)):
            await stranger.send("GET", PODS)


async def test_a_certificate_whose_time_is_over_ends_on_a_connection_that_lives_on(pki_dir: Path) -> None:
    clock = FakeClock(datetime.now(UTC))
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0), clock) as server:
        await server.ready()
        authority, directory = server.credentials.authority, server.credentials.directory
        almost_over = clock.now() - LEAF_LIFETIME + timedelta(seconds=60)
        subject = Subject("eve", ("system:masters",))
        save_pair(directory, "master", issue(authority, subject, ("client",), now=almost_over))
        async with Wire.connect(server, client="master") as master:
            before = await master.send("GET", PODS)
            await clock.advance(60)
            after = await master.send("GET", PODS)

    assert (before.status, after.status) == (200, 403)
    assert 'User "system:anonymous"' in after.json["message"]


async def test_a_token_ends_soon_after_its_pod_should_have(server: ApiServer, wire: Wire) -> None:
    """A finalizer may keep the pod for ever; the token must not live on it."""
    meta = {"name": "held", "finalizers": ["example.com/hold"]}
    made = await wire.send("POST", PODS, {**pod("held", serviceAccountName="default"), "metadata": meta})
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "held", "uid": made.json["metadata"]["uid"]}
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    issued = await wire.send("POST", path, {"spec": {"boundObjectRef": reference}})
    token = issued.json["status"]["token"]
    authenticator, now = server.authenticator, datetime.now(UTC)
    alive = authenticator.user_of(f"Bearer {token}", now)
    await wire.send("DELETE", f"{PODS}/held?gracePeriodSeconds=0")

    shortly = authenticator.user_of(f"Bearer {token}", now + timedelta(seconds=30))
    with pytest.raises(ApiError, match="Unauthorized"):
        authenticator.user_of(f"Bearer {token}", now + timedelta(seconds=90))

    assert alive == shortly
    assert (await wire.send("GET", f"{PODS}/held")).status == 200


async def test_an_agent_gets_no_shell_in_pods_through_the_server(server: ApiServer, wire: Wire) -> None:
    subject = Subject("system:node:here", ("system:nodes",))
    save_pair(server.credentials.directory, "node-here", issue(server.credentials.authority, subject, ("client",)))
    await wire.send("POST", PODS, pod("mine", nodeName="here"))
    async with Wire.connect(server, client="node-here") as agent:
        tried = [
            (await agent.send("GET", f"{PODS}/mine/{subresource}")).status
            for subresource in ("exec?command=sh", "attach", "log")
        ]

    assert tried == [403] * 3

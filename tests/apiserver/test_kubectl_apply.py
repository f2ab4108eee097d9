"""The real kubectl, unmodified, applying on the server's side."""

import json
from pathlib import Path
from typing import Any

from tests.apiserver.kubectl import Kubectl

MANIFEST = Path(__file__).with_name("one_of_each.yaml")
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: web:1
        ports: [{containerPort: 80}]
        env: [{name: A, value: "1"}, {name: B, value: "2"}]
"""


async def done(kubectl: Kubectl, *arguments: str, stdin: str = "") -> str:
    """Run a command that must end well, and return what it printed."""
    code, output = await kubectl(*arguments, stdin=stdin)
    assert code == 0, output
    return output


async def web(kubectl: Kubectl) -> Any:
    """Return the Deployment as it is stored."""
    return json.loads(await done(kubectl, "get", "deployment", "web", "-o", "json", "--show-managed-fields"))


def managers(obj: Any) -> set[tuple[str, str]]:
    """Return who manages an object."""
    return {(entry["manager"], entry["operation"]) for entry in obj["metadata"]["managedFields"]}


async def test_one_of_each_kind_is_applied_and_then_left_alone(kubectl: Kubectl) -> None:
    words = ("apply", "--server-side", "-f", str(MANIFEST))
    first = await done(kubectl, *words)
    versions = ("get", "-f", str(MANIFEST), "-o", "jsonpath={range .items[*]}{.kind}={.metadata.resourceVersion} {end}")
    before = (await done(kubectl, *versions)).split()

    again = await done(kubectl, *words)

    assert first == again
    assert first.count("serverside-applied\n") == MANIFEST.read_text().count("\nkind: ")
    after = (await done(kubectl, *versions)).split()
    changed = {now.split("=")[0] for was, now in zip(before, after, strict=True) if was != now}
    assert changed <= {"Job"}  # Its labels are by default those that the first write gave its template.


async def test_a_field_that_another_set_is_a_conflict_until_it_is_forced(kubectl: Kubectl) -> None:
    await done(kubectl, "apply", "--server-side", "-f", "-", stdin=WEB)
    await done(kubectl, "set", "image", "deployment/web", "main=web:2")

    code, told = await kubectl("apply", "--server-side", "-f", "-", stdin=WEB)
    await done(kubectl, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=WEB)

    conflict = 'Apply failed with 1 conflict: conflict with "kubectl-set" using apps/v1: '
    assert code == 1
    assert f'{conflict}.spec.template.spec.containers[name="main"].image' in told
    found = await web(kubectl)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"
    assert managers(found) == {("kubectl", "Apply")}


async def test_what_client_side_apply_set_is_taken_over(kubectl: Kubectl) -> None:
    await done(kubectl, "apply", "-f", "-", stdin=WEB)

    await done(kubectl, "apply", "--server-side", "-f", "-", stdin=WEB.replace("name: B", "name: C"))

    found = await web(kubectl)
    container = found["spec"]["template"]["spec"]["containers"][0]
    assert [item["name"] for item in container["env"]] == ["A", "C"]
    assert ("kubectl-client-side-apply", "Update") not in managers(found)


async def test_a_diff_on_the_servers_side_shows_what_an_apply_would_change(kubectl: Kubectl) -> None:
    await done(kubectl, "apply", "--server-side", "-f", "-", stdin=WEB)

    same, _ = await kubectl("diff", "--server-side", "-f", "-", stdin=WEB)
    differs, told = await kubectl("diff", "--server-side", "-f", "-", stdin=WEB.replace("replicas: 2", "replicas: 3"))

    assert (same, differs) == (0, 1)
    assert "+  replicas: 3" in told

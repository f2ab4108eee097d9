"""What keeps a machine from running pods, and what it is merely told."""

from wherry.commands.doctor import Finding, obstacles


def test_only_what_nothing_runs_without_is_an_obstacle() -> None:
    overlay = Finding("overlayfs", False, "layers of images", "`modprobe overlay`")
    kubectl = Finding("kubectl", False, "not on PATH", is_needed=False)
    kernel = Finding("kernel", True, "Linux 6.1")

    assert obstacles([overlay, kubectl, kernel]) == [overlay]
    assert [finding.mark for finding in (overlay, kubectl, kernel)] == ["MISSING", "absent", "ok"]

"""What keeps a machine from running pods, and what it is merely told."""

from wherry.commands.doctor import Finding, has_overlay, obstacles


def test_only_what_nothing_runs_without_is_an_obstacle() -> None:
    overlay = Finding("overlayfs", False, "layers of images", "`modprobe overlay`")
    kubectl = Finding("kubectl", False, "not on PATH", is_needed=False)
    kernel = Finding("kernel", True, "Linux 6.1")

    assert obstacles([overlay, kubectl, kernel]) == [overlay]
    assert [finding.mark for finding in (overlay, kubectl, kernel)] == ["MISSING", "absent", "ok"]


def test_overlayfs_that_the_first_mount_loads_is_there() -> None:
    """As on Debian after boot: it is a module, and nothing has mounted one yet."""
    fresh = "nodev\ttmpfs\n\text4\n"

    assert has_overlay(fresh, lambda module: module == "overlay")
    assert has_overlay(f"{fresh}nodev\toverlay\n", lambda _: False)
    assert not has_overlay(fresh, lambda _: False)

"""What a handler is: a program, and what is always said to it."""

from nodeagent.runtime import handlers, oci_runtime


def test_a_handlers_command_line_goes_before_the_verb() -> None:
    command = handlers.command_of("sealed", {"sealed": "/usr/bin/runsc --platform=ptrace --network=host"})

    launch = {"handler": command, "bundle": "/state/containers/abc"}

    assert oci_runtime.command(launch)[:4] == ["/usr/bin/runsc", "--platform=ptrace", "--network=host", "--root"]
    user = {"uid": 7, "gid": 8, "additionalGids": [9]}
    further = oci_runtime.further_command(["ls", "-l"], launch, user)
    assert further[further.index("exec") :] == ["exec", "--user", "7:8", "--additional-gids", "9", "abc", "ls", "-l"]


def test_only_the_kernel_of_runsc_is_its_own() -> None:
    known = {"runc": "/usr/sbin/runc", "sealed": "/usr/bin/runsc"}

    apart = {name: handlers.has_own_kernel(handlers.command_of(name, known)) for name in ("", "runc", "sealed")}
    assert apart == {"": False, "runc": False, "sealed": True}

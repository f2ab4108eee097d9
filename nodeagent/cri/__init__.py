"""The node agent's door to a container runtime: CRI v1 over a unix socket, any runtime."""

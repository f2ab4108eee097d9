"""The CRI server: images, sandboxes, containers. Knows no Kubernetes API."""

"""Images: names, the content store, archives, registries, and the machine's own root as an image."""

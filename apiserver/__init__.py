"""The front door and the memory: HTTP, authentication, admission, validation, storage, watch."""

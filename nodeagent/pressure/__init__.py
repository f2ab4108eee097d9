"""When the node runs short of memory, disk or processes: tell it, and make pods leave. See docs/node-pressure.md."""

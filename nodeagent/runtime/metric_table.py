"""The metrics that `metrics` tells: their names, what they mean, whether they only grow, their labels.

Source: cAdvisor's Prometheus metrics, whose names dashboards and alerts know.
"""

from typing import Final, NamedTuple

LABELS: Final = ("container", "id", "image", "name", "namespace", "pod")
"""What every metric is labelled with; id: the cgroup, name: the identifier."""


class Family(NamedTuple):
    """One metric; labels: those it has beside LABELS."""

    help: str
    is_counter: bool = False
    labels: tuple[str, ...] = ()


_DISK, _LINK = ("device",), ("interface",)

FAMILIES: Final = {
    "container_blkio_device_usage_total": Family(
        "Bytes moved per block device", True, ("device", "major", "minor", "operation")
    ),
    "container_cpu_cfs_periods_total": Family("Periods of the CPU limit that have passed", True),
    "container_cpu_cfs_throttled_periods_total": Family("Periods in which the CPU limit was reached", True),
    "container_cpu_cfs_throttled_seconds_total": Family("Time that the CPU limit has cost", True),
    "container_cpu_system_seconds_total": Family("CPU time in the kernel", True),
    "container_cpu_usage_seconds_total": Family("CPU time", True, ("cpu",)),
    "container_cpu_user_seconds_total": Family("CPU time outside the kernel", True),
    "container_file_descriptors": Family("Descriptors that its processes have open"),
    "container_fs_inodes_free": Family("Free inodes of the file system of writable layers", False, _DISK),
    "container_fs_inodes_total": Family("Inodes of the file system of writable layers", False, _DISK),
    "container_fs_limit_bytes": Family("Size of the file system of writable layers", False, _DISK),
    "container_fs_reads_bytes_total": Family("Bytes read from a block device", True, _DISK),
    "container_fs_reads_total": Family("Reads from a block device", True, _DISK),
    "container_fs_usage_bytes": Family("Size of the writable layer", False, _DISK),
    "container_fs_writes_bytes_total": Family("Bytes written to a block device", True, _DISK),
    "container_fs_writes_total": Family("Writes to a block device", True, _DISK),
    "container_last_seen": Family("When it was measured, in seconds since 1970"),
    "container_memory_cache": Family("Page cache in bytes"),
    "container_memory_failcnt": Family("How often the memory limit was reached", True),
    "container_memory_failures_total": Family("Page faults", True, ("failure_type", "scope")),
    "container_memory_kernel_usage": Family("Memory that the kernel uses for it, in bytes"),
    "container_memory_mapped_file": Family("Size of mapped files in bytes"),
    "container_memory_max_usage_bytes": Family("The most memory that it has used, in bytes"),
    "container_memory_rss": Family("Anonymous memory in bytes"),
    "container_memory_swap": Family("Swap in bytes"),
    "container_memory_usage_bytes": Family("Memory in bytes, page cache included"),
    "container_memory_working_set_bytes": Family("Memory in bytes without what can be dropped first"),
    "container_network_receive_bytes_total": Family("Bytes received", True, _LINK),
    "container_network_receive_errors_total": Family("Errors in receiving", True, _LINK),
    "container_network_receive_packets_dropped_total": Family("Received packets that were dropped", True, _LINK),
    "container_network_receive_packets_total": Family("Packets received", True, _LINK),
    "container_network_transmit_bytes_total": Family("Bytes sent", True, _LINK),
    "container_network_transmit_errors_total": Family("Errors in sending", True, _LINK),
    "container_network_transmit_packets_dropped_total": Family("Packets to send that were dropped", True, _LINK),
    "container_network_transmit_packets_total": Family("Packets sent", True, _LINK),
    "container_oom_events_total": Family("Processes killed for want of memory", True),
    "container_pressure_cpu_stalled_seconds_total": Family("Time in which all waited for CPU", True),
    "container_pressure_cpu_waiting_seconds_total": Family("Time in which some waited for CPU", True),
    "container_pressure_io_stalled_seconds_total": Family("Time in which all waited for I/O", True),
    "container_pressure_io_waiting_seconds_total": Family("Time in which some waited for I/O", True),
    "container_pressure_memory_stalled_seconds_total": Family("Time in which all waited for memory", True),
    "container_pressure_memory_waiting_seconds_total": Family("Time in which some waited for memory", True),
    "container_processes": Family("Processes"),
    "container_sockets": Family("Sockets that its processes have open"),
    "container_spec_cpu_period": Family("Period of the CPU limit in microseconds"),
    "container_spec_cpu_quota": Family("CPU time per period in microseconds"),
    "container_spec_cpu_shares": Family("Weight of its CPU time"),
    "container_spec_memory_limit_bytes": Family("Memory limit, 0 for none"),
    "container_spec_memory_swap_limit_bytes": Family("Limit of memory and swap together, 0 for none"),
    "container_start_time_seconds": Family("When it was started, in seconds since 1970"),
    "container_threads": Family("Threads"),
    "container_threads_max": Family("The most threads that it may have, 0 for no limit"),
    "container_ulimits_soft": Family("Soft limit of its first process", False, ("ulimit",)),
}

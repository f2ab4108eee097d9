"""The life of a pod: plan, worker, status, probes, volumes."""

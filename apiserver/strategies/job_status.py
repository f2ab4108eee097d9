"""The rules of what is told of a Job: counts, and the indexes that are done.

Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1, the section on its status
"""

import re
from typing import Final

from kube.api.batch_v1 import JobStatus
from kube.errors import invalid

from .checks import Errors
from .statuses import counts_errors

_INTERVAL: Final = re.compile(r"([0-9]+)(?:-([0-9]+))?")


def job_status_errors(status: JobStatus) -> Errors:
    """Check a Job's new status."""
    yield from counts_errors(status)
    if status.ready is not None and status.ready > status.active:
        yield invalid("status.ready", status.ready, "cannot set more ready pods than active")
    for field, text in (("completedIndexes", status.completed_indexes), ("failedIndexes", status.failed_indexes)):
        wrong = next((part for part in text.split(",") if not _INTERVAL.fullmatch(part)), None) if text else None
        if wrong is not None:
            detail = f'error parsing {field}: cannot convert string to integer for index: "{wrong}"'
            yield invalid(f"status.{field}", text, detail)
    uncounted = status.uncounted_terminated_pods
    for field, uids in (("succeeded", uncounted.succeeded), ("failed", uncounted.failed)) if uncounted else ():
        for index, uid in enumerate(uids):
            if not uid:
                yield invalid(f"status.uncountedTerminatedPods.{field}[{index}]", uid, "must not be empty")

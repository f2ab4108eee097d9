"""What etcd and gRPC say, as the contract's errors."""

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from apiserver.store.contract import StoreUnavailable
from apiserver.store.etcd_connection import refusal

CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "is_write", "is_uncertain"),
    [
        (CODE.INTERNAL, True, True),
        (CODE.UNKNOWN, True, True),
        (CODE.CANCELLED, True, True),
        (CODE.INTERNAL, False, False),
        (CODE.RESOURCE_EXHAUSTED, True, False),
        (CODE.PERMISSION_DENIED, True, False),
    ],
)
def test_a_write_that_was_not_plainly_refused_may_have_happened(
    code: grpc.StatusCode, *, is_write: bool, is_uncertain: bool
) -> None:
    """Told as certain, it would be tried again, and what it holds be given to others."""
    error = refusal("http://a:2379", AioRpcError(code, Metadata(), Metadata(), details="reset"), is_write=is_write)

    assert isinstance(error, StoreUnavailable)
    assert error.is_uncertain == is_uncertain

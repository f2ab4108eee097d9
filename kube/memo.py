"""What was found out of a value lately, for when the same one comes again.

Most objects of a cluster have large parts in common with others: the pods of one template, the writes of one client.
Objects are values that never change, so what follows from one needs to be found out once. Frozen structs that hold maps
have no hash, so a value is told here by its identity, or by its JSON where equal ones come in anew with each request.

What is decorated are plain functions of a value and of hashable things beside it, all by position.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from kube.codec import encode

CONTENT_MAX_BYTES: Final = 32 * 1024
TEXT_MAX: Final = 1024

F = TypeVar("F", bound=Callable[..., Any])


def by_text(size: int, longest: int = TEXT_MAX) -> Callable[[F], F]:
    """Keep what a function made of its last `size` arguments, the last of which is text (or bytes) as clients send it.

    What is longer than `longest` is not kept: a stranger could fill the memory with it.
    """

    def decorate(derive: F) -> F:
        kept: Any = lru_cache(maxsize=size)(derive)

        def remembered(*arguments: Any) -> Any:
            return kept(*arguments) if len(arguments[-1]) <= longest else derive(*arguments)

        return cast("F", remembered)

    return decorate


def by_identity(size: int) -> Callable[[F], F]:
    """Keep what a function made of its last `size` arguments, the first of which is told by identity.

    The values are kept too, so that none of them gives its id to another.
    """

    def decorate(derive: F) -> F:
        known: dict[Hashable, tuple[Any, Any]] = {}

        def remembered(value: Any, /, *more: Hashable) -> Any:
            key = (id(value), *more)
            found = known.get(key)
            if found is None:
                found = known[key] = (value, derive(value, *more))
                _bound(known, size)
            return found[1]

        return cast("F", remembered)

    return decorate


def by_content(size: int) -> Callable[[F], F]:
    """Keep what a function made of its last `size` arguments, the first of which is told by its JSON.

    So equal arguments give one result, which `by_identity` knows again. What is large is not kept.
    """

    def decorate(derive: F) -> F:
        known: dict[Hashable, Any] = {}

        def remembered(value: Any, /, *more: Hashable) -> Any:
            content = encode(value)
            if len(content) > CONTENT_MAX_BYTES:
                return derive(value, *more)
            key = (content, *more)
            found = known.get(key)
            if found is None:
                found = known[key] = derive(value, *more)
                _bound(known, size)
            return found

        return cast("F", remembered)

    return decorate


def _bound(known: dict[Hashable, Any], size: int) -> None:
    """Forget the value that came first where there are too many."""
    if len(known) > size:
        del known[next(iter(known))]

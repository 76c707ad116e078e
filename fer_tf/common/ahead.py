"""Makes the next items of an iterable in a thread while the last one is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()


def made_ahead(items: Iterable[T]) -> Iterator[T]:
    """Yields the items of `items`, in order. While one is used, a thread makes the next one.

    So reading files and finding faces go on while a model predicts. An error is raised where its item would come.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, _END)
        try:
            while (item := coming.result()) is not _END:
                coming = thread.submit(next, iterator, _END)
                yield item
        finally:  # the iterator may hold a file, which is closed when nobody uses it
            thread.shutdown(cancel_futures=True)
            getattr(iterator, "close", lambda: None)()

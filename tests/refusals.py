"""How tests of readers open an adapter on a tree of files, break a file, and see that it is refused."""

import pytest

from tickets.errors import DataError

SIZE = (16, 24)


def opened(kind, root, **more):
    """The adapter at a small size, its cache beside the root."""
    return kind(size=SIZE, root=root, cache=root.parent / "cache", **more)


def refused(task, match):
    """Both checks refuse, or only the second where a look inside the files is needed; one line, as told."""
    with pytest.raises(DataError, match=match) as told:
        task.locate()
        task.prepare(workers=1)
    assert "\n" not in str(told.value)
    assert not list(task.cache.glob("*/test*")) or not list(task.cache.glob("*/train*"))  # no half-built split
    assert not list(task.cache.glob("*/.*"))


def truncate(path):
    """Keep the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

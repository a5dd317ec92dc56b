"""Tests of native kernels need a C++ compiler, as a checkout has no compiled ones."""

import pytest

from tickets.hosts.native import objects

needed = pytest.mark.skipif(objects.compiler() is None, reason="needs a C++ compiler")

"""The committed type stubs are those of the module."""

import type_stubs


def test_the_type_stubs_are_fresh():
    for path, text in type_stubs.stubs().items():
        assert path.read_text(encoding="utf-8") == text, "run python python/tests/type_stubs.py"

"""The table of names in docs/coverage.md is fresh."""

import coverage_table


def test_the_table_of_names_is_fresh():
    written = coverage_table.TABLE.read_text(encoding="utf-8")
    assert written == coverage_table.table(), "run python python/tests/coverage_table.py"

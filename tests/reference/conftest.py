"""Nothing here is a test of this suite: `tests/test_reference.py` runs these files."""

collect_ignore = ["blank", "project"]

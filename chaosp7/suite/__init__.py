"""Many experiments, one after the other: run, judge, compare, keep a history."""

"""Benchmarks: fastconnect beside its rivals, measured in the same run (`make bench`). See README.md."""

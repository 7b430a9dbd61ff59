# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled part: what must cost C time a record, and what several processes share."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

include "native/status_page.pxi"
include "native/status_ring.pxi"

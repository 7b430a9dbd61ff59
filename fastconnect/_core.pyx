# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The compiled part: what must cost C time a record, and what several processes share.

A record's way: its batch becomes columns (columns.pxi), those become librdkafka's messages (batch.pxi), the broker's
acknowledgements come back and tell which offsets may be flushed (delivery.pxi); all of it is counted in the task's status
page. Python objects become C structs once a batch, at the edge; inside it is `nogil`.
"""

import logging

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport abort, calloc, free, malloc, rand, realloc, srand
from libc.string cimport memchr, memcpy, memset, strncpy

from rdkafka cimport *

from fastconnect.api.record import ByteOffsets, CountOffsets
from fastconnect.errors import ConfigError, DataError, FatalClientError, RetriableError, SendError

client_log = logging.getLogger("fastconnect.librdkafka")

include "native/decisions.pxi"
include "native/status_page.pxi"
include "native/status_ring.pxi"
include "native/lease.pxi"
include "native/packed_offsets.pxi"
include "native/records.pxi"
include "native/columns.pxi"
include "native/delivery.pxi"
include "native/given_back.pxi"
include "native/client.pxi"
include "native/batch.pxi"
include "native/send_loop.pxi"
include "native/fetched.pxi"
include "native/fetch.pxi"
include "native/heap.pxi"

# The source offsets of a list of records, packed.
#
# Every record's offset must be known until it is acknowledged. They mostly have the same keys in the same order, and for each
# key an integer or the very same object: then 8 bytes each are kept instead of a hundred thousand records with all that they
# hold. Memory that comes back at once is still in the processor's caches. Where they cannot be packed the whole records are
# kept: keeping the dicts alone, scattered over memory that is used again, costs 600 ns a record.

from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.list cimport PyList_GET_SIZE

cdef extern from "Python.h":
    bint PyDict_CheckExact(object)
    bint PyLong_CheckExact(object)
    long long as_long_long "PyLong_AsLongLongAndOverflow"(object, int*) except? -1

cdef enum:
    MOST_PACKED_KEYS = 8


cdef class PackedOffsets:
    """The source offsets of many records; called with an index it makes the dict of that record."""

    cdef list names
    cdef list shared                            # for each name: the object that all have; unused where there are numbers
    cdef int64_t* numbers[MOST_PACKED_KEYS]     # for each name: each record's integer; NULL: all have the same object
    cdef Py_ssize_t count

    def __cinit__(self):
        self.names = []
        self.shared = []

    def __dealloc__(self):
        cdef int i
        for i in range(MOST_PACKED_KEYS):
            free(self.numbers[i])

    def __call__(self, Py_ssize_t index):
        cdef int i
        return {
            name: self.numbers[i][index] if self.numbers[i] != NULL else self.shared[i]
            for i, name in enumerate(self.names)
        }

    cdef PackedOffsets picked(self, rows):
        """Those of some records."""
        cdef PackedOffsets some = PackedOffsets.__new__(PackedOffsets)
        cdef Py_ssize_t n
        cdef int i
        some.names = self.names
        some.shared = self.shared
        some.count = len(rows)
        for i in range(len(self.names)):
            if self.numbers[i] != NULL:
                some.numbers[i] = <int64_t*>malloc(max(some.count, 1) * sizeof(int64_t))
                if some.numbers[i] == NULL:
                    raise MemoryError()
                for n, row in enumerate(rows):
                    some.numbers[i][n] = self.numbers[i][<Py_ssize_t>row]
        return some

    cdef bint begin(self, dict first, Py_ssize_t count):
        """Take names and objects from the first offset; False if it is not to be packed."""
        cdef Py_ssize_t position = 0
        cdef PyObject* name
        cdef PyObject* value
        if PyDict_Size(first) > MOST_PACKED_KEYS:
            return False
        self.count = count
        while PyDict_Next(first, &position, &name, &value):
            self.names.append(<object>name)
            self.shared.append(<object>value)
        return True

    cdef bint add(self, Py_ssize_t n, dict offset) except -1:
        """Take the offset of record n; False if it does not fit to the ones before."""
        cdef Py_ssize_t position = 0
        cdef PyObject* name
        cdef PyObject* value
        cdef int64_t* numbers
        cdef int i = 0
        cdef int overflow = 0
        if PyDict_Size(offset) != PyList_GET_SIZE(self.names):
            return False
        while PyDict_Next(offset, &position, &name, &value):
            if name != <PyObject*>self.names[i]:
                return False
            numbers = self.numbers[i]
            if numbers == NULL:
                if value == <PyObject*>self.shared[i]:
                    i += 1
                    continue
                numbers = self.begin_numbers(i, n)
                if numbers == NULL:
                    return False
            if not PyLong_CheckExact(<object>value):
                return False
            numbers[n] = as_long_long(<object>value, &overflow)
            if overflow:
                return False
            i += 1
        return True

    cdef int64_t* begin_numbers(self, int i, Py_ssize_t n) except? NULL:
        """Not all have the same object: write down the number of the n records before; NULL if it was none."""
        cdef int overflow = 0
        cdef int64_t number
        cdef Py_ssize_t k
        if not PyLong_CheckExact(self.shared[i]):
            return NULL
        number = as_long_long(self.shared[i], &overflow)
        if overflow:
            return NULL
        self.numbers[i] = <int64_t*>malloc(self.count * sizeof(int64_t))
        if self.numbers[i] == NULL:
            raise MemoryError()
        for k in range(n):
            self.numbers[i][k] = number
        return self.numbers[i]

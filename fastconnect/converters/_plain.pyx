# cython: language_level=3, boundscheck=False, wraparound=False
"""Looks at Python values before msgspec makes JSON of them, and mends what it wrote where Java writes something else.

msgspec is as fast as JSON gets, but silently differs from Kafka Connect in a few things: NaN and Infinity become `null`,
numbers as keys become texts, and 1.0E10 is written `10000000000.0`. `look` finds the values for which that matters, at about
a quarter of what encoding them costs; `mend` puts right what can be put right in the bytes. All else is json.py's.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport PyObject
from libc.string cimport memcpy

import msgspec

cdef extern from "Python.h":
    bint PyUnicode_CheckExact(object)
    bint PyLong_CheckExact(object)
    bint PyFloat_CheckExact(object)
    bint PyDict_CheckExact(object)
    bint PyList_CheckExact(object)
    bint PyTuple_CheckExact(object)
    bint PyBytes_CheckExact(object)
    double PyFloat_AS_DOUBLE(object)
    long long as_long_long "PyLong_AsLongLongAndOverflow"(object, int*) except? -1

cdef enum:
    PLAIN = 0
    FAR_FLOAT = 1   # plain, but for a float that Java writes with an exponent
    OTHER = 2       # msgspec would refuse it, or write it as Kafka Connect does not
    DEPTH = 100     # deeper values go the careful way, which has Python's own guard against endless ones

cdef object struct_type = type(msgspec.Struct)


cdef int look_at(object value, int depth) except -1:
    cdef Py_ssize_t position = 0
    cdef PyObject* key
    cdef PyObject* item
    cdef double size
    cdef int overflow = 0
    cdef int found = PLAIN
    if PyUnicode_CheckExact(value) or value is None or value is True or value is False or PyBytes_CheckExact(value):
        return PLAIN
    if PyLong_CheckExact(value):
        as_long_long(value, &overflow)
        return OTHER if overflow else PLAIN
    if PyFloat_CheckExact(value):
        size = PyFloat_AS_DOUBLE(value)
        if size < 0:
            size = -size
        if 1e-3 <= size < 1e7 or size == 0:
            return PLAIN
        # Below 1e-300 Java may give two digits where one is enough (4.9E-324); NaN fails both comparisons.
        return FAR_FLOAT if 1e-300 <= size <= 1.7976931348623157e308 else OTHER
    if depth == 0:
        return OTHER
    if PyDict_CheckExact(value):
        while PyDict_Next(value, &position, &key, &item):
            if not PyUnicode_CheckExact(<object> key):
                return OTHER
            found |= look_at(<object> item, depth - 1)
        return found
    if PyList_CheckExact(value):
        for element in <list> value:
            found |= look_at(element, depth - 1)
        return found
    if PyTuple_CheckExact(value):
        for element in <tuple> value:
            found |= look_at(element, depth - 1)
        return found
    if type(type(value)) is struct_type:
        for name in type(value).__struct_fields__:
            found |= look_at(getattr(value, name), depth - 1)
        return found
    return OTHER


def look(list values not None):
    """Say whether `java_floats` is needed, and which values (their indexes) must not be given to msgspec as they are."""
    cdef bint far_floats = False
    cdef list others = []
    cdef Py_ssize_t i
    cdef int found
    for i in range(len(values)):
        found = look_at(values[i], DEPTH)
        if found:
            if found & OTHER:
                others.append(i)
            else:
                far_floats = True
    return far_floats, others


def mend(bytes json not None, bint floats):
    """Write what msgspec wrote as Kafka Connect's JSON library would have written it.

    Characters beyond 16 bits become two escapes (`\\uD83D\\uDE00`), the hex digits of control characters upper case
    (`\\u001F`) and, if `floats`, floats below 1e-3 or from 1e7 on get an exponent, as by Java's Double.toString.
    """
    cdef const unsigned char* source = <const unsigned char*> PyBytes_AS_STRING(json)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(json)
    # What grows most is a character of four bytes, which becomes twelve.
    cdef char* target = <char*> PyMem_Malloc(3 * length + 16)
    cdef Py_ssize_t read = 0, written = 0, start
    cdef unsigned char c
    cdef bint in_text = False
    cdef int i, wide
    if target == NULL:
        raise MemoryError
    try:
        while read < length:
            c = source[read]
            if in_text:
                if c == c"\\":
                    for i in range(6 if source[read + 1] == c"u" else 2):
                        c = source[read]
                        target[written] = c - 32 if i > 1 and c'a' <= c <= c'f' else c
                        written += 1
                        read += 1
                    continue
                if c == c'"':
                    in_text = False
                elif c >= 0xF0:
                    wide = (c & 7) << 18 | (source[read + 1] & 63) << 12 | (source[read + 2] & 63) << 6
                    wide = (wide | (source[read + 3] & 63)) - 0x10000
                    write_escape(target + written, 0xD800 + (wide >> 10))
                    write_escape(target + written + 6, 0xDC00 + (wide & 0x3FF))
                    written += 12
                    read += 4
                    continue
            elif c == c'"':
                in_text = True
            elif floats and (c == c"-" or c"0" <= c <= c"9"):
                start = read
                while read < length and is_number(source[read]):
                    read += 1
                written += write_number(<const char*> source + start, read - start, target + written)
                continue
            target[written] = c
            written += 1
            read += 1
        return PyBytes_FromStringAndSize(target, written)
    finally:
        PyMem_Free(target)


cdef inline void write_escape(char* target, int unit) noexcept nogil:
    cdef const char* digits = "0123456789ABCDEF"
    target[0] = c"\\"
    target[1] = c"u"
    target[2] = digits[unit >> 12 & 15]
    target[3] = digits[unit >> 8 & 15]
    target[4] = digits[unit >> 4 & 15]
    target[5] = digits[unit & 15]


cdef inline bint is_number(char c) noexcept nogil:
    return c"0" <= c <= c"9" or c == c"." or c == c"e" or c == c"E" or c == c"-" or c == c"+"


cdef Py_ssize_t write_number(const char* text, Py_ssize_t length, char* target) noexcept nogil:
    """Copy one number; return how long it became."""
    cdef char digits[32]  # a double has at most 17; a longer number was not written by msgspec and is left alone
    cdef int count = 0, point = -1, exponent = 0, first = -1, seen = 0, sign = 1, i
    cdef Py_ssize_t at = 0, written = 0
    cdef bint negative = length > 0 and text[0] == c"-"
    if negative:
        at = 1
    while at < length and text[at] != c"e" and text[at] != c"E":
        if text[at] == c".":
            point = seen
        else:
            if first < 0 and text[at] != c"0":
                first = seen
            if first >= 0:
                if count == 32:
                    if text[at] != c"0":
                        memcpy(target, text, length)
                        return length
                else:
                    digits[count] = text[at]
                    count += 1
            seen += 1
        at += 1
    if first < 0 or (point < 0 and at == length):  # zero, or an integer
        memcpy(target, text, length)
        return length
    if point < 0:
        point = seen
    if at < length:
        at += 1
        if text[at] == c"-":
            sign = -1
            at += 1
        elif text[at] == c"+":
            at += 1
        while at < length:
            exponent = exponent * 10 + (text[at] - c'0')
            at += 1
    exponent = sign * exponent + point - first - 1
    if -3 <= exponent < 7:
        memcpy(target, text, length)
        return length
    while count > 1 and digits[count - 1] == c"0":
        count -= 1
    if negative:
        target[written] = c"-"
        written += 1
    target[written] = digits[0]
    target[written + 1] = c"."
    written += 2
    if count == 1:
        target[written] = c"0"
        written += 1
    for i in range(1, count):
        target[written] = digits[i]
        written += 1
    target[written] = c"E"
    written += 1
    if exponent < 0:
        target[written] = c"-"
        written += 1
        exponent = -exponent
    if exponent >= 100:
        target[written] = <char> (c'0' + exponent // 100)
        written += 1
    if exponent >= 10:
        target[written] = <char> (c'0' + exponent // 10 % 10)
        written += 1
    target[written] = <char> (c'0' + exponent % 10)
    return written + 1

# A column: the keys or the values of a batch, whichever form they came in, read one after the other as pointer and length.
#
# Nothing is copied: librdkafka is given pointers into the objects that the batch brought, and those live until the last of
# their records is settled.

cdef extern from *:
    """
    #include <Python.h>
    #include <string.h>

    /* The i-th item of a tuple of bytes and None, as pointer and length; NULL for None. Tuples do not change, so no GIL. */
    static inline const char *fc_bytes_item(PyObject *tuple, Py_ssize_t i, size_t *bytes) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (item == Py_None) { *bytes = 0; return NULL; }
        *bytes = (size_t)PyBytes_GET_SIZE(item);
        return PyBytes_AS_STRING(item);
    }
    static inline int fc_is_none(PyObject *tuple, Py_ssize_t i) { return PyTuple_GET_ITEM(tuple, i) == Py_None; }

    /* The compiler makes vector code of it; counting in bytes, which overflow only beyond 255, is 10 times faster. */
    static inline int64_t fc_count_newlines(const char *from, size_t bytes) {
        int64_t count = 0;
        size_t i = 0;
        for (; bytes - i >= 192; i += 192) {
            uint8_t few = 0;
            for (size_t k = 0; k < 192; k++) few += from[i + k] == '\\n';
            count += few;
        }
        for (; i < bytes; i++) count += from[i] == '\\n';
        return count;
    }

    /* The Arrow C data interface: a stable layout, published for being declared anew wherever it is used. */
    struct ArrowSchema {
        const char *format; const char *name; const char *metadata; int64_t flags; int64_t n_children;
        struct ArrowSchema **children; struct ArrowSchema *dictionary;
        void (*release)(struct ArrowSchema *); void *private_data;
    };
    struct ArrowArray {
        int64_t length; int64_t null_count; int64_t offset; int64_t n_buffers; int64_t n_children;
        const void **buffers; struct ArrowArray **children; struct ArrowArray *dictionary;
        void (*release)(struct ArrowArray *); void *private_data;
    };
    """
    const char* bytes_item "fc_bytes_item"(PyObject* tuple, Py_ssize_t i, size_t* size) noexcept nogil
    bint is_none "fc_is_none"(PyObject* tuple, Py_ssize_t i) noexcept nogil
    int64_t count_newlines "fc_count_newlines"(const char* start, size_t size) noexcept nogil
    struct ArrowSchema:
        const char* format
    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        const void** buffers

cdef enum ColumnKind:
    NOTHING = 0             # no value at all: a tombstone, or no key
    LINES = 1               # one buffer, a value a line
    ITEMS = 2               # a tuple of bytes and None
    ARROW_32 = 3            # an Arrow binary or string array with 32-bit offsets
    ARROW_64 = 4            # the same with 64-bit offsets

cdef struct Column:
    ColumnKind kind
    int64_t count
    int64_t next            # index of the value that column_next will give
    const char* cursor      # LINES: where that value begins
    const char* end
    PyObject* nulls         # LINES made of Python values: those values; a line `null` of None is a tombstone
    PyObject* items         # ITEMS
    const int32_t* offsets_32
    const int64_t* offsets_64
    const char* text        # ARROW: the values' bytes, one after the other
    const uint8_t* valid    # ARROW: a bit an element, NULL: all are there
    int64_t first           # ARROW: index of the array's first element in its buffers


cdef inline void column_next(Column* column, void** start, size_t* size) noexcept nogil:
    """Give the next value; NULL stands for none. The caller counts: never beyond `count`."""
    cdef int64_t i = column.next
    cdef const char* newline
    column.next = i + 1
    if column.kind == LINES:
        newline = <const char*>memchr(column.cursor, 10, column.end - column.cursor)
        if newline == NULL:
            newline = column.end
        start[0] = <void*>column.cursor
        size[0] = newline - column.cursor
        column.cursor = newline + 1
        if column.nulls != NULL and size[0] == 4 and is_none(column.nulls, i):
            start[0] = NULL
            size[0] = 0
    elif column.kind == ITEMS:
        start[0] = <void*>bytes_item(column.items, i, size)
    elif column.kind == NOTHING:
        start[0] = NULL
        size[0] = 0
    else:
        i += column.first
        if column.valid != NULL and not (column.valid[i >> 3] >> (i & 7)) & 1:
            start[0] = NULL
            size[0] = 0
        elif column.kind == ARROW_32:
            start[0] = <void*>(column.text + column.offsets_32[i])
            size[0] = column.offsets_32[i + 1] - column.offsets_32[i]
        else:
            start[0] = <void*>(column.text + column.offsets_64[i])
            size[0] = column.offsets_64[i + 1] - column.offsets_64[i]


cdef bint has_none(values):
    """Whether None is among them. `None in values` would compare every value with it, at 10 ns each."""
    for value in values:
        if value is None:
            return True
    return False


cdef object column_of(Column* column, object values, object nulls):
    """Set a column up from Python's side of it; return what must be kept as long as its pointers are used.

    values: None; a buffer of lines; a list or tuple of bytes and None; or anything with `__arrow_c_array__`.
    nulls: for lines made of Python values, those values.
    """
    cdef Py_buffer view
    memset(column, 0, sizeof(Column))
    if values is None:
        column.kind = NOTHING
        return None
    if isinstance(values, (list, tuple)):
        kept = tuple(values)
        for item in kept:
            if item is not None and type(item) is not bytes:
                raise TypeError(f"raw values are bytes or None, got {type(item).__name__}")
        column.kind = ITEMS
        column.items = <PyObject*>kept
        column.count = len(kept)
        return kept
    if hasattr(values, "__arrow_c_array__"):
        return arrow_column(column, values)
    kept = memoryview(values)
    if not kept.c_contiguous:
        raise TypeError("a buffer of lines must be contiguous")
    PyObject_GetBuffer(kept, &view, PyBUF_SIMPLE)
    column.kind = LINES
    column.cursor = <const char*>view.buf
    column.end = column.cursor + view.len
    column.count = count_newlines(column.cursor, view.len)
    if view.len and (column.end - 1)[0] != 10:
        column.count += 1                       # a last line without its newline
    PyBuffer_Release(&view)                     # the memoryview itself keeps the memory in place
    if nulls is not None and has_none(nulls):
        values_kept = tuple(nulls)
        column.nulls = <PyObject*>values_kept
        return kept, values_kept
    return kept


cdef object arrow_column(Column* column, object values):
    schema_capsule, array_capsule = values.__arrow_c_array__()
    cdef ArrowSchema* schema = <ArrowSchema*>PyCapsule_GetPointer(schema_capsule, "arrow_schema")
    cdef ArrowArray* array = <ArrowArray*>PyCapsule_GetPointer(array_capsule, "arrow_array")
    form = schema.format.decode()
    if form not in ("z", "u", "Z", "U"):
        raise TypeError(f"Arrow values must be a binary or string array, got format {form!r}")
    column.kind = ARROW_32 if form in ("z", "u") else ARROW_64
    column.count = array.length
    column.first = array.offset
    column.valid = <const uint8_t*>array.buffers[0] if array.null_count != 0 else NULL
    column.offsets_32 = <const int32_t*>array.buffers[1]
    column.offsets_64 = <const int64_t*>array.buffers[1]
    column.text = <const char*>array.buffers[2]
    return array_capsule                        # it owns the buffers

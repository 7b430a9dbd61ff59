# SourceRecord objects -> columns of their fields, in one pass.

from fastconnect.api.record import SourceRecord

cdef extern from *:
    """
    #include <structmember.h>

    /* Where a slot's value lies in the object, from its descriptor in the class; 0: not a plain slot. */
    static inline Py_ssize_t fc_slot_offset(PyObject *descriptor) {
        if (!Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) return 0;
        return ((PyMemberDescrObject *)descriptor)->d_member->offset;
    }
    static inline PyObject *fc_slot(PyObject *object, Py_ssize_t offset) { return *(PyObject **)((char *)object + offset); }
    """
    Py_ssize_t slot_offset "fc_slot_offset"(object descriptor)
    PyObject* slot "fc_slot"(PyObject* object, Py_ssize_t offset) noexcept

# A msgspec.Struct keeps its fields in plain slots, whose places their descriptors tell: reading one so costs 1 ns, by name 25.
cdef Py_ssize_t SLOT_TOPIC = slot_offset(SourceRecord.topic)
cdef Py_ssize_t SLOT_VALUE = slot_offset(SourceRecord.value)
cdef Py_ssize_t SLOT_KEY = slot_offset(SourceRecord.key)
cdef Py_ssize_t SLOT_SOURCE_PARTITION = slot_offset(SourceRecord.source_partition)
cdef Py_ssize_t SLOT_SOURCE_OFFSET = slot_offset(SourceRecord.source_offset)
cdef Py_ssize_t SLOT_PARTITION = slot_offset(SourceRecord.partition)
cdef Py_ssize_t SLOT_TIMESTAMP = slot_offset(SourceRecord.timestamp)
cdef Py_ssize_t SLOT_HEADERS = slot_offset(SourceRecord.headers)
cdef Py_ssize_t SLOT_KEY_SCHEMA = slot_offset(SourceRecord.key_schema)
cdef Py_ssize_t SLOT_VALUE_SCHEMA = slot_offset(SourceRecord.value_schema)
if 0 in (SLOT_TOPIC, SLOT_VALUE, SLOT_KEY, SLOT_SOURCE_PARTITION, SLOT_SOURCE_OFFSET, SLOT_PARTITION, SLOT_TIMESTAMP,
         SLOT_HEADERS, SLOT_KEY_SCHEMA, SLOT_VALUE_SCHEMA):
    raise ImportError("this msgspec keeps a Struct's fields elsewhere than in slots: _core cannot read SourceRecords")


cdef class RecordColumns:
    """A list of SourceRecords, field by field; a field that no record has is None.

    `topic` is that of all, or None: then `topics` has each record's. `source_partition` likewise: where records of several
    source partitions are mixed, `stream_of` has each record's index in `source_partitions`.
    """

    cdef readonly list records
    cdef readonly str topic
    cdef readonly list topics
    cdef readonly list values
    cdef readonly list keys
    cdef readonly list partitions
    cdef readonly list timestamps
    cdef readonly list headers
    cdef readonly list key_schemas
    cdef readonly list value_schemas
    cdef PackedOffsets source_offsets       # None where they cannot be packed
    cdef readonly list source_partitions
    cdef readonly list stream_of

    def __len__(self):
        return len(self.records)


cdef list column_of_slot(list records, Py_ssize_t offset):
    """One field of all records; None if all of them have None there."""
    cdef bint any_there = False
    cdef PyObject* value
    for record in records:
        value = slot(<PyObject*>record, offset)
        if <object>value is not None:
            any_there = True
            break
    return [<object>slot(<PyObject*>record, offset) for record in records] if any_there else None


def record_columns(list records not None):
    """Take a list of SourceRecords apart, column by column.

    Raises:
        TypeError: an item is no SourceRecord.
    """
    cdef RecordColumns columns = RecordColumns.__new__(RecordColumns)
    cdef PyObject* last_partition = NULL
    cdef PyObject* topic = NULL
    cdef PyObject* value
    cdef bint one_topic = True
    cdef bint one_partition = True
    for record in records:
        if type(record) is not SourceRecord:
            raise TypeError(f"poll() returned a list with a {type(record).__name__} in it, not only SourceRecords")
        value = slot(<PyObject*>record, SLOT_TOPIC)
        if value != topic:
            if topic != NULL and <object>value != <object>topic:
                one_topic = False
            topic = value
        value = slot(<PyObject*>record, SLOT_SOURCE_PARTITION)
        if value != last_partition:
            if last_partition != NULL and <object>value != <object>last_partition:
                one_partition = False
            last_partition = value
    columns.records = records
    columns.values = [<object>slot(<PyObject*>record, SLOT_VALUE) for record in records]
    columns.keys = column_of_slot(records, SLOT_KEY)
    columns.partitions = column_of_slot(records, SLOT_PARTITION)
    columns.timestamps = column_of_slot(records, SLOT_TIMESTAMP)
    columns.headers = column_of_slot(records, SLOT_HEADERS)
    columns.key_schemas = column_of_slot(records, SLOT_KEY_SCHEMA)
    columns.value_schemas = column_of_slot(records, SLOT_VALUE_SCHEMA)
    columns.source_offsets = offsets_of(records)
    if one_topic:
        columns.topic = <object>topic if topic != NULL else None
    else:
        columns.topics = [<object>slot(<PyObject*>record, SLOT_TOPIC) for record in records]
    if one_partition:
        columns.source_partitions = [<object>last_partition if last_partition != NULL else None]
    else:
        columns.source_partitions, columns.stream_of = partitions_of(records)
    return columns


cdef tuple partitions_of(list records):
    """The distinct source partitions of the records, and for each record the index of its own among them."""
    cdef dict by_identity = {}      # the same dict object again and again is the usual case
    cdef dict by_content = {}
    distinct = []
    stream_of = []
    for record in records:
        partition = <object>slot(<PyObject*>record, SLOT_SOURCE_PARTITION)
        index = by_identity.get(id(partition))
        if index is None:
            content = partition_key(partition)
            index = by_content.setdefault(content, len(distinct))
            if index == len(distinct):
                distinct.append(partition)
            by_identity[id(partition)] = index
        stream_of.append(index)
    return distinct, stream_of


# Source offsets, packed.
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


cdef PackedOffsets offsets_of(list records):
    """The source offsets of records, packed; None if they cannot be."""
    cdef PackedOffsets packed
    cdef PyObject* offset
    cdef Py_ssize_t n
    if not records:
        return None
    offset = slot(<PyObject*>records[0], SLOT_SOURCE_OFFSET)
    packed = PackedOffsets.__new__(PackedOffsets)
    if not PyDict_CheckExact(<object>offset) or not packed.begin(<dict>offset, PyList_GET_SIZE(records)):
        return None
    for n in range(1, PyList_GET_SIZE(records)):
        offset = slot(<PyObject*>records[n], SLOT_SOURCE_OFFSET)
        if not PyDict_CheckExact(<object>offset) or not packed.add(n, <dict>offset):
            return None
    return packed

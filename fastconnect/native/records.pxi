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

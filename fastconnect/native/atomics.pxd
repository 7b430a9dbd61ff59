"""Loads and stores of 8-byte words that several processes share.

`release` publishes what was written before it; `acquire` sees what was published; `relaxed` orders nothing but is still never
torn. `add_relaxed` is a load and a store, without a bus lock: every word has one writer.
"""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stdint.h>
    static inline int64_t fc_load_acquire(const int64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
    static inline int64_t fc_load_relaxed(const int64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
    static inline void fc_store_release(int64_t *word, int64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
    static inline void fc_store_relaxed(int64_t *word, int64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
    static inline void fc_add_relaxed(int64_t *word, int64_t value) {
        uint64_t sum = (uint64_t)__atomic_load_n(word, __ATOMIC_RELAXED) + (uint64_t)value;
        __atomic_store_n(word, (int64_t)sum, __ATOMIC_RELAXED);
    }
    static inline void fc_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
    static inline void fc_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
    """
    int64_t load_acquire "fc_load_acquire"(const int64_t* word) noexcept nogil
    int64_t load_relaxed "fc_load_relaxed"(const int64_t* word) noexcept nogil
    void store_release "fc_store_release"(int64_t* word, int64_t value) noexcept nogil
    void store_relaxed "fc_store_relaxed"(int64_t* word, int64_t value) noexcept nogil
    void add_relaxed "fc_add_relaxed"(int64_t* word, int64_t value) noexcept nogil
    void fence_acquire "fc_fence_acquire"() noexcept nogil
    void fence_release "fc_fence_release"() noexcept nogil

# Messages that nobody needs any more, on their way back to the thread that made them.
#
# librdkafka's broker thread allocates a heap block for every message that it fetches. Freed by another thread, each of them has
# that thread's heap locked for a moment, and the two spend a fifth of their time on waiting for each other. So a used batch is
# put on a list, and the broker thread frees it when its next answer to a fetch has come: right before it allocates new ones.

cdef extern from *:
    """
    #include <stdlib.h>
    struct fc_block { struct fc_block *following; ssize_t count; rd_kafka_message_t *messages[]; };
    struct fc_given_back { struct fc_block *first; int64_t count; };

    static inline struct fc_block *fc_block_new(ssize_t room) {
        struct fc_block *block = malloc(sizeof(struct fc_block) + room * sizeof(rd_kafka_message_t *));
        if (block != NULL) block->count = 0;
        return block;
    }

    static inline void fc_block_free(struct fc_block *block) {
        for (ssize_t i = 0; i < block->count; i++) rd_kafka_message_destroy(block->messages[i]);
        free(block);
    }

    /* Threads put blocks on the list one by one and take all of them at once, so the head is all that they share. */
    static inline void fc_give_back(struct fc_given_back *list, struct fc_block *block) {
        __atomic_add_fetch(&list->count, block->count, __ATOMIC_RELAXED);
        block->following = __atomic_load_n(&list->first, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&list->first, &block->following, block, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    }

    static inline void fc_free_given_back(struct fc_given_back *list) {
        struct fc_block *block, *next;
        if (__atomic_load_n(&list->first, __ATOMIC_RELAXED) == NULL) return;
        block = __atomic_exchange_n(&list->first, NULL, __ATOMIC_ACQUIRE);
        for (; block != NULL; block = next) {
            next = block->following;
            __atomic_sub_fetch(&list->count, block->count, __ATOMIC_RELAXED);
            fc_block_free(block);
        }
    }

    /* librdkafka calls these two, the second one in the thread of the broker that has answered. */
    static int fc_on_response(rd_kafka_t *client, int socket, const char *broker, int32_t broker_id, int16_t request,
                              int16_t version, int32_t number, size_t size, int64_t took_us, int code, void *list) {
        if (request == 1 /* Fetch */) fc_free_given_back(list);
        return 0;
    }
    static int fc_on_new(rd_kafka_t *client, const rd_kafka_conf_t *settings, void *list, char *why, size_t why_size) {
        return rd_kafka_interceptor_add_on_response_received(client, "given back", fc_on_response, list);
    }
    static inline int fc_free_in_broker_threads(rd_kafka_conf_t *settings, struct fc_given_back *list) {
        return rd_kafka_conf_interceptor_add_on_new(settings, "given back", fc_on_new, list);
    }
    """
    struct Block "fc_block":
        Py_ssize_t count
        rd_kafka_message_t** messages
    struct GivenBack "fc_given_back":
        int64_t count               # messages on the list
    Block* block_new "fc_block_new"(Py_ssize_t room) noexcept nogil
    void block_free "fc_block_free"(Block* block) noexcept nogil
    void give_back "fc_give_back"(GivenBack* list, Block* block) noexcept nogil
    void free_given_back "fc_free_given_back"(GivenBack* list) noexcept nogil
    int free_in_broker_threads "fc_free_in_broker_threads"(rd_kafka_conf_t* settings, GivenBack* list) noexcept nogil

cdef enum:
    MOST_GIVEN_BACK = 200_000       # no answer comes while all partitions are paused: what is more is freed at once

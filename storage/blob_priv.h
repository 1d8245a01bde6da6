/* storage/blob_priv.h: what a back end of the blob store is made of.
 *
 * A back end embeds the three base structs as first members of its own and fills one ko_blob_ops.
 * blob.c has checked the arguments by then: ids are well-formed, ranges lie within the size,
 * digests are valid. No slot may be NULL. Every slot may block and may be called from any thread; a
 * reader or a stage is used by one thread at a time. */
#ifndef KO_STORAGE_BLOB_PRIV_H
#define KO_STORAGE_BLOB_PRIV_H

#include "storage/blob.h"

#define KO_BLOB_STAGE_ID_MAX 64 /* bytes with NUL */

typedef struct {
    void (*store_free)(ko_blob_store *store); /* no reader or stage is left */

    int (*stat)(ko_blob_store *store, const ko_digest *digest, uint64_t *out_bytes, ko_err *err);
    int (*open)(ko_blob_store *store, const ko_digest *digest, ko_blob_reader **out, ko_err *err);
    int (*read)(ko_blob_reader *reader, void *into, size_t len, uint64_t offset, ko_err *err);
    void (*reader_free)(ko_blob_reader *reader);

    int (*stage_new)(ko_blob_store *store, const char *id, ko_blob_stage **out, ko_err *err);
    int (*stage_open)(ko_blob_store *store, const char *id, ko_blob_stage **out, ko_err *err);
    void (*stage_close)(ko_blob_stage *stage);
    /* Writes at stage->size_bytes, which blob.c moves on afterwards. On failure the stage holds
     * what it held before. */
    int (*stage_append)(ko_blob_stage *stage, const void *bytes, size_t len, ko_err *err);
    int (*stage_read)(ko_blob_stage *stage, void *into, size_t len, uint64_t offset, ko_err *err);
    int (*stage_publish)(ko_blob_stage *stage, const ko_digest *digest, ko_err *err);
    int (*stage_discard)(ko_blob_store *store, const char *id, ko_err *err);

    int (*quarantine)(ko_blob_store *store, const ko_digest *digest, ko_err *err);
    int (*restore)(ko_blob_store *store, const ko_digest *digest, ko_err *err);
    int (*open_quarantined)(ko_blob_store *store, const ko_digest *digest, ko_blob_reader **out,
                            ko_err *err);
    int (*purge)(ko_blob_store *store, const ko_digest *digest, ko_err *err);

    int (*walk)(ko_blob_store *store, ko_blob_where where, ko_blob_walk_fn *fn, void *arg,
                ko_err *err);
    int (*space)(ko_blob_store *store, uint64_t *free_bytes, uint64_t *total_bytes, ko_err *err);
} ko_blob_ops;

struct ko_blob_store {
    const ko_blob_ops *ops;
};

struct ko_blob_reader {
    const ko_blob_ops *ops;
    uint64_t size_bytes;
    int fd; /* -1: none */
};

struct ko_blob_stage {
    ko_blob_store *store;
    uint64_t size_bytes;
    bool sealed; /* published: may not grow any more */
    char id[KO_BLOB_STAGE_ID_MAX];
};

#endif

/* storage/upload_priv.h: the session object and the table of those in memory, for upload*.c. */
#ifndef KO_STORAGE_UPLOAD_PRIV_H
#define KO_STORAGE_UPLOAD_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/map.h"
#include "storage/meta_upload.h"
#include "storage/upload.h"

struct ko_uploads {
    ko_blob_store *store;
    ko_meta *meta;
    ko_uploads_options options; /* without zeros */

    pthread_mutex_t lock;  /* for all below, and for `held` and the links of a session */
    ko_map *table;         /* id -> ko_upload */
    ko_upload *idle_first; /* unused the longest */
    ko_upload *idle_last;
    size_t idle_count;
};

struct ko_upload {
    ko_uploads *owner;
    ko_upload_kind kind;
    ko_meta_upload row;
    ko_blob_stage *stage; /* NULL: no byte has arrived yet */
    ko_hash *hash;        /* of the first `hashed` bytes; behind the size after a reopening */
    uint64_t hashed;
    uint64_t max_bytes;
    _Atomic uint64_t offset; /* size of the stage; others may ask for it */
    atomic_bool loaded;      /* row and stage are known (see table_grab()) */
    bool over;               /* finished or cancelled: goes at release */

    bool held;
    uint64_t idle_since_ms;
    ko_upload *idle_prev;
    ko_upload *idle_next;
};

/* A blank session that only has an id; not in the table. */
ko_upload *ko_upload_blank(ko_uploads *owner, const char *id);
/* Closes the file and forgets the hash; the bytes on disk stay. NULL is allowed. */
ko_upload *ko_upload_drop(ko_upload *upload);

/* Takes hold of the session with this id: the one in memory, or a blank one that is put in the
 * table so that nobody else loads it meanwhile. NULL: held by somebody else. */
ko_upload *ko_upload_table_grab(ko_uploads *uploads, const char *id);
/* Puts a new, held session in. */
void ko_upload_table_add(ko_uploads *uploads, ko_upload *upload);
/* Takes a held session out; the caller drops it. */
void ko_upload_table_remove(ko_upload *upload);
/* Ends the hold of a session that stays. */
void ko_upload_table_rest(ko_upload *upload);
/* What is known of a loaded session; false when it is not in memory or cannot be found by others.
 */
bool ko_upload_table_info(ko_uploads *uploads, ko_str id, ko_upload_info *out);
/* Is anything in memory under this id? */
bool ko_upload_table_has(ko_uploads *uploads, ko_str id);

/* Removes row and bytes of a held session. */
int ko_upload_remove(ko_upload *upload, ko_err *err);

#endif

/* storage/meta_audit.h: who did what. Append lazily (KO_META_LAZY); rows are never changed.
 *
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_AUDIT_H
#define KO_STORAGE_META_AUDIT_H

#include "storage/meta.h"
#include "storage/meta_types.h"

typedef struct {
    int64_t id; /* set by the database */
    int64_t at_s;
    ko_str account; /* name as given; "": anonymous */
    ko_str action;  /* "login", "tag.delete", ... */
    ko_str target;  /* repository, account ... */
    ko_str address; /* of the client */
    ko_str outcome; /* "ok", "denied", "failed" */
} ko_meta_audit;

/* Fields are cut to KO_MAX_AUDIT_FIELD bytes. */
KO_MUST_USE int ko_meta_audit_add(ko_meta_tx *tx, const ko_meta_audit *row, ko_err *err);
/* Newest first, those before `before_id` (0 from the newest), at most `limit`. */
KO_MUST_USE int ko_meta_audit_list(ko_meta_tx *tx, int64_t before_id, size_t limit, ko_arena *arena,
                                   ko_meta_audit **out, size_t *count, ko_err *err);
/* Removes at most `limit` rows older than `before_s`. */
KO_MUST_USE int ko_meta_audit_prune(ko_meta_tx *tx, int64_t before_s, size_t limit, size_t *removed,
                                    ko_err *err);

#endif

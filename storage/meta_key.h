/* storage/meta_key.h: what all nodes of one registry share: the signing keys of the token service,
 * and settings the server makes for itself (key and value).
 *
 * Changes raise the rights generation. Threads: as the transaction. */
#ifndef KO_STORAGE_META_KEY_H
#define KO_STORAGE_META_KEY_H

#include "storage/meta.h"
#include "storage/meta_types.h"

typedef struct {
    const char *kid;
    ko_str private_key; /* PKCS#8 DER; never log it, and wipe copies */
    int64_t created_at_s;
    int64_t retired_at_s; /* 0: signs; else only verifies */
} ko_meta_key;

/* errors EXISTS: this kid is there. */
KO_MUST_USE int ko_meta_key_add(ko_meta_tx *tx, ko_str kid, ko_str private_key, int64_t at_s,
                                ko_err *err);
/* All, newest first. */
KO_MUST_USE int ko_meta_key_list(ko_meta_tx *tx, ko_arena *arena, ko_meta_key **out, size_t *count,
                                 ko_err *err);
/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_key_retire(ko_meta_tx *tx, ko_str kid, int64_t at_s, ko_err *err);
/* Removes those retired before `before_s`: tokens signed by them have expired. */
KO_MUST_USE int ko_meta_key_prune(ko_meta_tx *tx, int64_t before_s, ko_err *err);

/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_setting_get(ko_meta_tx *tx, ko_str name, ko_arena *arena, ko_str *out,
                                    ko_err *err);
KO_MUST_USE int ko_meta_setting_set(ko_meta_tx *tx, ko_str name, ko_str value, ko_err *err);

#endif

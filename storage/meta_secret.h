/* storage/meta_secret.h: personal, robot and refresh tokens. Only the SHA-256 of a token is stored.
 *
 * Revoking raises the rights generation; adding does not, as nobody remembers what is not there and
 * every login of a client adds one. Threads: as the transaction. */
#ifndef KO_STORAGE_META_SECRET_H
#define KO_STORAGE_META_SECRET_H

#include "storage/meta.h"
#include "storage/meta_types.h"

/* Stored: never renumber. */
typedef enum {
    KO_META_SECRET_PERSONAL = 0, /* made by its account, used as a password */
    KO_META_SECRET_ROBOT = 1,    /* the same, of a robot */
    KO_META_SECRET_REFRESH = 2   /* made by the token service for offline_token */
} ko_meta_secret_kind;

#define KO_META_SECRET_HASH 32 /* bytes of SHA-256 */

typedef struct {
    int64_t id;
    int64_t account_id;
    ko_meta_secret_kind kind;
    const char *name;         /* what its maker called it */
    const char *scope;        /* "": everything the account may */
    int64_t password_version; /* of the account when it was made */
    int64_t created_by;       /* account id */
    int64_t created_at_s;
    int64_t expires_at_s;   /* 0: never */
    int64_t last_used_at_s; /* 0: never used */
} ko_meta_secret;

typedef struct {
    int64_t account_id;
    ko_meta_secret_kind kind;
    ko_str name;
    ko_str scope;
    int64_t password_version;
    int64_t expires_at_s;
    uint8_t hash[KO_META_SECRET_HASH];
} ko_meta_secret_spec;

/* errors EXISTS: this hash is there already; NOT_FOUND: no such account. */
KO_MUST_USE int ko_meta_secret_add(ko_meta_tx *tx, const ko_meta_secret_spec *spec, ko_meta_by by,
                                   int64_t *out_id, ko_err *err);
/* Expiry, the account's state and versions are the caller's to judge. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_secret_find(ko_meta_tx *tx, const uint8_t hash[static KO_META_SECRET_HASH],
                                    ko_arena *arena, ko_meta_secret *out, ko_err *err);
/* Of an account, without refresh tokens, by id, those after `after_id` (0 from the start). */
KO_MUST_USE int ko_meta_secret_list(ko_meta_tx *tx, int64_t account_id, int64_t after_id,
                                    size_t limit, ko_arena *arena, ko_meta_secret **out,
                                    size_t *count, ko_err *err);
/* Only when it belongs to the account. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_secret_revoke(ko_meta_tx *tx, int64_t account_id, int64_t id, ko_err *err);
/* All of one kind of an account (a new password ends its refresh tokens). */
KO_MUST_USE int ko_meta_secret_revoke_all(ko_meta_tx *tx, int64_t account_id,
                                          ko_meta_secret_kind kind, ko_err *err);
/* Notes the last use; write it lazily and not at every request. Raises no generation. */
KO_MUST_USE int ko_meta_secret_touch(ko_meta_tx *tx, int64_t id, int64_t at_s, ko_err *err);
/* Removes at most `limit` that expired before `before_s`. */
KO_MUST_USE int ko_meta_secret_prune(ko_meta_tx *tx, int64_t before_s, size_t limit,
                                     size_t *removed, ko_err *err);

#endif

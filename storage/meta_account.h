/* storage/meta_account.h: people and robots.
 *
 * Changes raise the rights generation. Threads: as the transaction. */
#ifndef KO_STORAGE_META_ACCOUNT_H
#define KO_STORAGE_META_ACCOUNT_H

#include "storage/meta_owner.h"

/* The numbers are stored: never renumber. */
typedef enum { KO_META_PERSON = 0, KO_META_ROBOT = 1 } ko_meta_account_kind;

#define KO_META_PASSWORD_HASH_MAX 128 /* crypto_pwhash_STRBYTES, with NUL */

typedef struct {
    ko_meta_owner owner; /* id, name, quotas */
    ko_meta_account_kind kind;
    bool is_admin;
    bool is_disabled;
    int64_t robot_of; /* robots: the account or group it belongs to; 0: none */
    char password_hash[KO_META_PASSWORD_HASH_MAX]; /* "": no password login */
    int64_t password_version; /* raised with each new password: older refresh tokens end */
    const char *display;      /* "" when unset */
    const char *email;        /* "" when unset */
} ko_meta_account;

typedef struct {
    ko_meta_account_kind kind;
    ko_str name;
    ko_str display;
    ko_str email;
    ko_str password_hash;
    bool is_admin;
    int64_t robot_of; /* robots: the account or group it belongs to, with which it goes; 0: none */
    ko_meta_visibility default_visibility;
    int64_t at_s;
} ko_meta_account_spec;

/* A new account with default quotas. errors EXISTS: an account or group has this name; INVALID: a
 * name that cannot be the first component of a repository, or too long. */
KO_MUST_USE int ko_meta_account_add(ko_meta_tx *tx, const ko_meta_account_spec *spec,
                                    int64_t *out_id, ko_err *err);
/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_account_find(ko_meta_tx *tx, ko_str name, ko_arena *arena,
                                     ko_meta_account *out, ko_err *err);
KO_MUST_USE int ko_meta_account_load(ko_meta_tx *tx, int64_t id, ko_arena *arena,
                                     ko_meta_account *out, ko_err *err);
/* In byte order of names, those after `after` ("" from the start), at most `limit`. */
KO_MUST_USE int ko_meta_account_list(ko_meta_tx *tx, ko_str after, size_t limit, ko_arena *arena,
                                     ko_meta_account **out, size_t *count, ko_err *err);
/* Every account, and of these the enabled administrators (to refuse removing the last one). */
KO_MUST_USE int ko_meta_account_count(ko_meta_tx *tx, uint64_t *accounts, uint64_t *admins,
                                      ko_err *err);

/* Also raises password_version. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_account_set_password(ko_meta_tx *tx, int64_t id, ko_str hash, ko_err *err);
/* The same password hashed anew (stronger parameters): the version stays. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_account_set_password_hash(ko_meta_tx *tx, int64_t id, ko_str hash,
                                                  ko_err *err);
KO_MUST_USE int ko_meta_account_set_flags(ko_meta_tx *tx, int64_t id, bool is_admin,
                                          bool is_disabled, ko_err *err);
KO_MUST_USE int ko_meta_account_set_profile(ko_meta_tx *tx, int64_t id, ko_str display,
                                            ko_str email, ko_err *err);

/* Removes the account, its robots, secrets, memberships and grants; with `force` its repositories
 * too. errors NOT_FOUND; CONFLICT: it still owns repositories and `force` is not given. */
KO_MUST_USE int ko_meta_account_remove(ko_meta_tx *tx, int64_t id, bool force, int64_t at_s,
                                       ko_err *err);

#endif

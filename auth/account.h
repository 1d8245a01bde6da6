/* auth/account.h: what is done to accounts with passwords and secrets, for the API and for the
 * command line alike. Everything else about accounts is rows: storage/meta_account.h.
 *
 * Threads: any.
 * Blocks:  yes: passwords are hashed here and the database is written. */
#ifndef KO_AUTH_ACCOUNT_H
#define KO_AUTH_ACCOUNT_H

#include "auth/credential.h"
#include "auth/password.h"
#include "storage/meta_account.h"
#include "storage/meta_secret.h"

typedef struct {
    int64_t private_repos; /* as in ko_meta_owner */
    int64_t bytes;
} ko_account_quota;

typedef struct {
    ko_meta_account_kind kind;
    ko_str name;
    ko_str password; /* empty: none (robots have none) */
    ko_str display;
    ko_str email;
    bool is_admin;
    ko_meta_visibility default_visibility;
    const ko_account_quota *quota; /* NULL: what the settings say */
} ko_account_new;

/* Is this name fit for a new account or group? Lower-case letters and digits with single separators
 * between, like one component of a repository name; not a reserved word. errors INVALID. */
KO_MUST_USE int ko_account_check_name(ko_str name, ko_err *err);

/* errors INVALID (name, password); EXISTS; those of ko_meta_write(). */
KO_MUST_USE int ko_account_create(ko_meta *meta, ko_password_cost cost, const ko_account_new *spec,
                                  int64_t *out_id, ko_err *err);

/* Also ends the refresh tokens of the account. errors INVALID: the password breaks a rule, or the
 * account is a robot; NOT_FOUND. */
KO_MUST_USE int ko_account_set_password(ko_meta *meta, ko_password_cost cost, int64_t id,
                                        ko_str password, ko_err *err);

/* The parts of this that need no hashing, for a write transaction of the caller's; `hash` is what
 * ko_password_hash() made. errors INVALID: a robot; NOT_FOUND. */
KO_MUST_USE int ko_account_set_hash(ko_meta_tx *tx, const ko_meta_account *account, ko_str hash,
                                    ko_err *err);

/* In a write transaction. errors INVALID: a robot as administrator; CONFLICT: nobody would be left
 * to administrate. */
KO_MUST_USE int ko_account_set_flags(ko_meta_tx *tx, const ko_meta_account *account, bool is_admin,
                                     bool is_disabled, ko_err *err);
/* In a write transaction; with `force` its repositories go too. errors CONFLICT: it still owns
 * repositories, or nobody would be left to administrate. */
KO_MUST_USE int ko_account_remove(ko_meta_tx *tx, const ko_meta_account *account, bool force,
                                  ko_err *err);

typedef struct {
    int64_t account_id;   /* personal token for a person, robot secret for a robot */
    ko_str name;          /* what its maker calls it, at most 64 bytes of printable text */
    ko_str scope;         /* as scope.h, names may be patterns; empty: all the account may */
    int64_t expires_at_s; /* 0: never */
    int64_t by;           /* account id of the maker */
} ko_account_secret_new;

/* Makes a personal token or robot secret. `text` is shown to its owner once and kept nowhere.
 * errors INVALID: name, scope or an expiry in the past; NOT_FOUND: no such account. */
KO_MUST_USE int ko_account_create_secret(ko_meta *meta, const ko_account_secret_new *spec,
                                         char text[static KO_CREDENTIAL_MAX], int64_t *out_id,
                                         ko_err *err);

#endif

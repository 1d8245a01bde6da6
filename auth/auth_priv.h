/* auth/auth_priv.h: what the files of ko_auth share: auth.c (the object, identities), auth_login.c
 * (credentials to identity), auth_rights.c (identity to actions), auth_issue.c (the token service).
 */
#ifndef KO_AUTH_AUTH_PRIV_H
#define KO_AUTH_AUTH_PRIV_H

#include "auth/auth.h"
#include "auth/keyring.h"
#include "auth/verified.h"
#include "storage/meta_account.h"

#define KO_AUTH_LEEWAY_S 60 /* clocks of several nodes differ */

struct ko_auth {
    ko_auth_opts opts;
    char *service; /* opts.service points here */
    ko_keyring *keys;
    ko_backoff *backoff;
    ko_verified *logins; /* user and password -> ko_identity */
    ko_verified *tokens; /* "" and token -> ko_identity */
    ko_cache *rights;    /* account id and repository -> actions */
    const ko_identity *anonymous;
};

/* A new identity with copies of everything `from` points to; its entry is set up here. */
const ko_identity *ko_auth_make_identity(const ko_identity *from);
/* Fills kind, account_id, name and admin from a row. */
void ko_auth_describe(const ko_meta_account *account, ko_identity *out);

/* Remembers a fresh identity under its credentials until it expires, or for `ttl_ms`. */
void ko_auth_remember(ko_verified *where, ko_str user, ko_str secret, uint64_t generation,
                      uint64_t ttl_ms, const ko_identity *id);

/* Actions of an account (0: anonymous) on a repository, within a transaction. `account` is NULL for
 * an anonymous caller. */
KO_MUST_USE int ko_auth_judge(ko_meta_tx *tx, const ko_meta_account *account, ko_str repo,
                              ko_actions *out, ko_err *err);
/* What the identity's own limits leave of them. */
ko_actions ko_auth_limit(const ko_identity *id, ko_str repo, ko_actions actions);

#endif

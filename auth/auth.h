/* auth/auth.h: the one door to accounts and rights: who is calling, and what may they do?
 *
 * A request is judged in two steps. First its credentials become an identity (Basic, Bearer, or the
 * anonymous one); then ko_auth_actions() says what that identity may do to a repository. Both steps
 * have a `_cached` form that never blocks and answers from memory, for the loop, and a full form
 * that may hash, verify signatures and read the database, for the work pool. Cached answers carry
 * the rights generation of the database, so that nothing outlives the change that ended it.
 *
 *     id = ko_auth_bearer_cached(auth, token, use);         on the loop
 *     if (!id) { on the pool: ko_auth_bearer(auth, token, use, &id, err) }
 *
 * Threads: ko_auth from any thread; a ko_identity never changes and may be shared. */
#ifndef KO_AUTH_AUTH_H
#define KO_AUTH_AUTH_H

#include "auth/backoff.h"
#include "auth/password.h"
#include "auth/scope.h"
#include "common/base/arena.h"
#include "common/base/cache.h"
#include "common/base/limits.h"
#include "storage/meta.h"

typedef struct ko_auth ko_auth;

typedef struct {
    ko_meta *meta;       /* not owned; must outlive the ko_auth */
    const char *service; /* the challenge's service, the tokens' audience and issuer */
    ko_password_cost cost;
    ko_backoff_opts backoff;
    uint64_t token_life_s;    /* of access tokens; at least 60 (clients take less for 60) */
    uint64_t refresh_life_s;  /* of refresh tokens; 0: none are given */
    uint64_t upload_grace_s;  /* how long an expired token may still finish its own upload */
    uint64_t key_rotate_s;    /* how long a signing key signs */
    uint64_t verified_ttl_ms; /* how long a verified password is remembered */
    size_t cache_entries;     /* of each cache */
} ko_auth_opts;

/* Opens the signing keys. Blocks: yes. Owned by the caller: ko_auth_free(). */
KO_MUST_USE int ko_auth_new(const ko_auth_opts *opts, ko_auth **out, ko_err *err);
ko_auth *ko_auth_free(ko_auth *auth);
KO_DEFINE_AUTOPTR(ko_auth, ko_auth_free);

/* Rotates keys, forgets expired secrets. Call every few minutes from the pool. Blocks: yes. */
KO_MUST_USE int ko_auth_maintain(ko_auth *auth, ko_err *err);

/* ---- Who is it? ---- */

typedef enum {
    KO_ID_ANONYMOUS,
    KO_ID_ACCOUNT, /* a person */
    KO_ID_ROBOT
} ko_identity_kind;

typedef enum {
    KO_VIA_NOTHING, /* no credentials */
    KO_VIA_PASSWORD,
    KO_VIA_SECRET, /* personal token, robot password or refresh token */
    KO_VIA_TOKEN   /* access token of the token service */
} ko_identity_via;

typedef struct ko_identity {
    ko_cache_entry entry; /* reference count */
    ko_identity_kind kind;
    ko_identity_via via;
    int64_t account_id;                 /* 0 for anonymous */
    char name[KO_MAX_ACCOUNT_NAME + 1]; /* empty for anonymous */
    bool admin;                         /* of the account; a limited identity has less */
    bool limited;                       /* only what `access` lists, within the account's rights */
    bool globs;                         /* names in `access` are patterns (personal tokens) */
    bool whole;                         /* token: earned without a limit, ko_auth_may_copy_from() */
    bool expired;                       /* accepted for KO_USE_UPLOAD only */
    int64_t expires_at_s;               /* INT64_MAX: never */
    int64_t password_version;           /* of the account when it logged in */
    int64_t secret_id;                  /* KO_VIA_SECRET: row of the secret, for the audit log */
    ko_scopes access;
} ko_identity;

void ko_identity_ref(const ko_identity *id);
const ko_identity *ko_identity_unref(const ko_identity *id); /* accepts NULL, returns NULL */
static inline void ko_autoid_done(const ko_identity **id)
{
    (void)ko_identity_unref(*id);
}
/* Local reference that is dropped when it leaves scope. */
#define ko_autoid __attribute__((cleanup(ko_autoid_done))) const ko_identity *

/* A reference to the identity of a caller without credentials. Never blocks. */
const ko_identity *ko_auth_anonymous(ko_auth *auth);

/* May the identity use the parts of the service that are not a repository's: account pages, the
 * administration? Only whole ones may: not those limited to scopes, nor access tokens. */
bool ko_identity_is_whole(const ko_identity *id);

/* Seconds until this account and address may try to log in again (for 429 and Retry-After); 0: now.
 * Never blocks. */
unsigned ko_auth_retry_after_s(ko_auth *auth, ko_str user, ko_str address);

/* User and password, where the password may be a personal token or a robot's secret.
 * Loop: a new reference, or NULL when it must be verified on the pool. */
const ko_identity *ko_auth_basic_cached(ko_auth *auth, ko_str user, ko_str password);
/* Pool. `address` is the client's, for the back-off.
 * errors DENIED: wrong, and nothing more is told; UNAVAILABLE: too many tries, see
 * ko_auth_retry_after_s(); IO. */
KO_MUST_USE int ko_auth_basic(ko_auth *auth, ko_str user, ko_str password, ko_str address,
                              const ko_identity **out, ko_err *err);

/* A refresh token (grant_type=refresh_token). Pool. errors as ko_auth_basic(). */
KO_MUST_USE int ko_auth_refresh(ko_auth *auth, ko_str refresh_token, ko_str address,
                                const ko_identity **out, ko_err *err);
/* Ends a refresh token (logout); one that is not known is success. Pool. */
KO_MUST_USE int ko_auth_revoke_refresh(ko_auth *auth, ko_str refresh_token, ko_err *err);

typedef enum {
    KO_USE_NORMAL,
    KO_USE_UPLOAD /* PATCH or PUT on an upload session, which must belong to the same account: an
                     expired token is good for `upload_grace_s` more, and identity->expired says so
                   */
} ko_bearer_use;

/* An access token, or a personal token or robot secret sent as Bearer.
 * Loop: a new reference, or NULL when it must be verified on the pool. */
const ko_identity *ko_auth_bearer_cached(ko_auth *auth, ko_str token, ko_bearer_use use);
/* Pool. errors DENIED: not valid (any more): answer 401 with error="invalid_token"; UNAVAILABLE as
 * ko_auth_basic(); IO. */
KO_MUST_USE int ko_auth_bearer(ko_auth *auth, ko_str token, ko_bearer_use use, ko_str address,
                               const ko_identity **out, ko_err *err);

/* ---- What may it do? ---- */

/* Loop: true with the actions when they are known, false when the pool must ask. */
bool ko_auth_actions_cached(ko_auth *auth, const ko_identity *id, ko_str repo, ko_actions *out);
/* Pool. `repo` is a checked name. */
KO_MUST_USE int ko_auth_actions(ko_auth *auth, const ko_identity *id, ko_str repo, ko_actions *out,
                                ko_err *err);

/* May it copy blobs out of this repository, as a mount does? Pool. Its account must be allowed to
 * pull from it, but an access token need not name it: many clients keep one token per target, and
 * would upload again what is here. A token that was earned by a limited secret must name it.
 * errors as ko_auth_actions(). */
KO_MUST_USE int ko_auth_may_copy_from(ko_auth *auth, const ko_identity *id, ko_str repo, bool *out,
                                      ko_err *err);

/* Do its limits, if it has any, include the catalog? Who may list it at all is the server's
 * setting, and what the list holds is limited by rights in any case. */
bool ko_auth_may_catalog(const ko_identity *id);

/* ---- The token service ---- */

typedef struct {
    char *token; /* access token */
    int64_t issued_at_s;
    uint64_t expires_in_s;
    char *refresh_token; /* NULL: none was asked for, or this identity gets none */
    ko_scopes granted;   /* what of the asked scopes the token gives */
} ko_issued;

/* Gives a token with that part of `asked` which the identity has: asking too much is no error (T5).
 * `offline`: a refresh token is wanted; only a password earns one. `client`: what the client calls
 * itself, kept with the refresh token. Pool. errors DENIED: the account is gone or disabled, or the
 * identity itself came from an access token; TOO_LARGE: so many scopes do not fit in a token; IO.
 */
KO_MUST_USE int ko_auth_issue(ko_auth *auth, const ko_identity *id, const ko_scopes *asked,
                              bool offline, ko_str client, ko_arena *arena, ko_issued *out,
                              ko_err *err);

/* The public signing keys as a JSON Web Key Set, appended. Never blocks. */
int ko_auth_print_jwks(ko_auth *auth, ko_buf *out);

#endif

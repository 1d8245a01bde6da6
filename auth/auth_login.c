/* auth/auth_login.c: from credentials to an identity.
 *
 * A password is slow to check and can be guessed: it goes through the back-off, and a name that
 * does not exist, is disabled or has no password costs the same time and gives the same answer as a
 * wrong password. Secrets of 256 random bits cannot be guessed, so they are only looked up, and the
 * back-off leaves them alone: whoever guesses at somebody's password does not stop that account's
 * build machines.
 *
 * The generation is read before the rows: an identity is remembered under the state it was judged
 * by, and a change that commits in between makes the entry useless instead of wrong. */
#include "auth/auth_priv.h"
#include "auth/credential.h"
#include "auth/json_claims.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "storage/meta_secret.h"

#define TOUCH_EVERY_S (15 * 60) /* how exact "last used" is */

static int wrong_credentials(ko_err *err)
{
    return ko_err_set(err, KO_E_DENIED, "wrong user name or password");
}

/* ---- Passwords ---- */

typedef struct {
    ko_str user;
    bool found;
    bool disabled;
    char hash[KO_META_PASSWORD_HASH_MAX];
    ko_identity id;
} account_job;

static int find_account(ko_meta_tx *tx, void *arg, ko_err *err)
{
    account_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;
    ko_err why = KO_ERR_INIT;

    if (ko_meta_account_find(tx, job->user, arena, &account, &why) < 0) {
        job->found = false;
        if (why.code == KO_E_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    job->found = true;
    job->disabled = account.is_disabled;
    memcpy(job->hash, account.password_hash, sizeof(job->hash));
    job->id = (ko_identity){.via = KO_VIA_PASSWORD, .expires_at_s = INT64_MAX};
    ko_auth_describe(&account, &job->id);
    return 0;
}

typedef struct {
    int64_t account_id;
    const char *old_hash;
    char new_hash[KO_PASSWORD_HASH_MAX];
} rehash_job;

static int store_rehash(ko_meta_tx *tx, void *arg, ko_err *err)
{
    rehash_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (ko_meta_account_load(tx, job->account_id, arena, &account, err) < 0)
        return -1;
    if (strcmp(account.password_hash, job->old_hash) != 0)
        return 0; /* a new password was set meanwhile */
    return ko_meta_account_set_password_hash(tx, job->account_id, ko_str_of(job->new_hash), err);
}

/* Best effort: the login stands even if the database is full. */
static void rehash(ko_auth *auth, const account_job *account, ko_str password)
{
    rehash_job job = {.account_id = account->id.account_id, .old_hash = account->hash};
    ko_err err = KO_ERR_INIT;

    if (!ko_password_needs_rehash(account->hash, auth->opts.cost))
        return;
    if (ko_password_hash(auth->opts.cost, password, job.new_hash, &err) < 0 ||
        ko_meta_write(auth->opts.meta, KO_META_LAZY, store_rehash, &job, &err) < 0)
        ko_log(KO_DEBUG, "auth.rehash", KO_F_ERR(&err));
}

static int login_by_password(ko_auth *auth, ko_str user, ko_str password, const ko_identity **out,
                             ko_err *err)
{
    account_job job = {.user = user};

    if (ko_meta_read(auth->opts.meta, find_account, &job, err) < 0)
        return ko_err_ctx(err, "log in");
    if (!job.found || job.hash[0] == '\0') {
        ko_password_verify_nobody(auth->opts.cost, password);
        return wrong_credentials(err);
    }
    if (!ko_password_verify(job.hash, password) || job.disabled)
        return wrong_credentials(err);
    rehash(auth, &job, password);
    *out = ko_auth_make_identity(&job.id);
    return 0;
}

/* ---- Secrets ---- */

typedef struct {
    ko_credential_kind kind;
    uint8_t hash[KO_CREDENTIAL_HASH_SIZE];
    ko_str user; /* Basic: must be the secret's account; NULL pointer: any */
    int64_t now_s;
    ko_arena *arena; /* for the scopes of the identity */
    bool fine;
    bool touch; /* "last used" is old enough to be written */
    ko_identity id;
} secret_job;

static bool kind_fits(ko_credential_kind kind, ko_meta_secret_kind stored)
{
    switch (kind) {
    case KO_CREDENTIAL_PERSONAL:
        return stored == KO_META_SECRET_PERSONAL;
    case KO_CREDENTIAL_ROBOT:
        return stored == KO_META_SECRET_ROBOT;
    case KO_CREDENTIAL_REFRESH:
        return stored == KO_META_SECRET_REFRESH;
    }
    return false;
}

static bool secret_is_good(const secret_job *job, const ko_meta_secret *secret,
                           const ko_meta_account *account)
{
    if (!kind_fits(job->kind, secret->kind) || account->is_disabled)
        return false;
    if (secret->expires_at_s != 0 && secret->expires_at_s <= job->now_s)
        return false;
    /* A new password ends what was given for the old one. */
    if (secret->kind == KO_META_SECRET_REFRESH &&
        secret->password_version != account->password_version)
        return false;
    return !job->user.ptr || ko_str_eq(job->user, ko_str_of(account->owner.name));
}

static int describe_secret(secret_job *job, const ko_meta_secret *secret,
                           const ko_meta_account *account, ko_err *err)
{
    ko_identity *id = &job->id;

    *id = (ko_identity){.via = KO_VIA_SECRET, .secret_id = secret->id, .globs = true};
    id->expires_at_s = secret->expires_at_s ? secret->expires_at_s : INT64_MAX;
    id->limited = secret->scope[0] != '\0';
    ko_auth_describe(account, id);
    if (id->limited && ko_scope_parse(ko_str_of(secret->scope), job->arena, &id->access, err) < 0) {
        if (err)
            err->code = KO_E_CORRUPT; /* it was checked when it was stored */
        return ko_err_ctx(err, "scope of secret %lld", (long long)secret->id);
    }
    job->touch = job->now_s - secret->last_used_at_s >= TOUCH_EVERY_S;
    job->fine = true;
    return 0;
}

static int find_secret(ko_meta_tx *tx, void *arg, ko_err *err)
{
    secret_job *job = arg;
    ko_meta_secret secret;
    ko_meta_account account;
    ko_err why = KO_ERR_INIT;

    job->fine = false;
    if (ko_meta_secret_find(tx, job->hash, job->arena, &secret, &why) < 0 ||
        ko_meta_account_load(tx, secret.account_id, job->arena, &account, &why) < 0) {
        if (why.code == KO_E_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    return secret_is_good(job, &secret, &account) ? describe_secret(job, &secret, &account, err)
                                                  : 0;
}

static int touch_secret(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const secret_job *job = arg;

    return ko_meta_secret_touch(tx, job->id.secret_id, job->now_s, err);
}

static int login_by_secret(ko_auth *auth, ko_arena *arena, secret_job *job, const ko_identity **out,
                           ko_err *err)
{
    ko_err why = KO_ERR_INIT;

    job->arena = arena;
    job->now_s = ko_clock_wall_s();
    if (ko_meta_read(auth->opts.meta, find_secret, job, err) < 0)
        return ko_err_ctx(err, "log in");
    if (!job->fine)
        return wrong_credentials(err);
    if (job->touch && ko_meta_write(auth->opts.meta, KO_META_LAZY, touch_secret, job, &why) < 0)
        ko_log(KO_DEBUG, "auth.touch", KO_F_ERR(&why)); /* it is only a note */
    *out = ko_auth_make_identity(&job->id);
    return 0;
}

/* ---- Basic ---- */

static const ko_identity *identity_of(ko_cache_entry *entry)
{
    return entry ? KO_CONTAINER(entry, const ko_identity, entry) : NULL;
}

const ko_identity *ko_auth_basic_cached(ko_auth *auth, ko_str user, ko_str password)
{
    uint64_t generation = ko_meta_generation_rights(auth->opts.meta);

    return identity_of(
        ko_verified_find(auth->logins, user, password, generation, ko_clock_mono_ms()));
}

static int basic_by_password(ko_auth *auth, ko_str user, ko_str password, ko_str address,
                             const ko_identity **out, ko_err *err)
{
    ko_err why = KO_ERR_INIT;

    if (ko_backoff_wait_ms(auth->backoff, user, address, ko_clock_mono_ms()) > 0)
        return ko_err_set(err, KO_E_UNAVAILABLE, "too many failed logins, try again later");
    if (login_by_password(auth, user, password, out, &why) < 0) {
        if (why.code == KO_E_DENIED)
            ko_backoff_failed(auth->backoff, user, address, ko_clock_mono_ms());
        if (err)
            *err = why;
        return -1;
    }
    ko_backoff_succeeded(auth->backoff, user, address, ko_clock_mono_ms());
    return 0;
}

int ko_auth_basic(ko_auth *auth, ko_str user, ko_str password, ko_str address,
                  const ko_identity **out, ko_err *err)
{
    uint64_t generation = ko_meta_generation_rights(auth->opts.meta);
    ko_autoptr(ko_arena) arena = ko_arena_new();
    secret_job job = {.user = user};
    const ko_identity *id = NULL;
    int rc;

    if (user.len == 0)
        return wrong_credentials(err);
    /* Clients log in several times at once: what the first has verified the others need not. */
    *out = ko_auth_basic_cached(auth, user, password);
    if (*out)
        return 0;
    if (!ko_credential_parse(password, &job.kind, job.hash))
        rc = basic_by_password(auth, user, password, address, &id, err);
    else if (job.kind == KO_CREDENTIAL_REFRESH)
        rc = wrong_credentials(err); /* good for the token service only */
    else
        rc = login_by_secret(auth, arena, &job, &id, err);
    if (rc < 0)
        return -1;
    ko_auth_remember(auth->logins, user, password, generation, auth->opts.verified_ttl_ms, id);
    *out = id;
    return 0;
}

/* ---- Refresh tokens ---- */

int ko_auth_refresh(ko_auth *auth, ko_str refresh_token, ko_str address, const ko_identity **out,
                    ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    secret_job job = {0};

    (void)address; /* cannot be guessed: see the head of this file */
    if (!ko_credential_parse(refresh_token, &job.kind, job.hash) ||
        job.kind != KO_CREDENTIAL_REFRESH)
        return wrong_credentials(err);
    return login_by_secret(auth, arena, &job, out, err);
}

static int revoke_secret(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const secret_job *job = arg;
    ko_meta_secret secret;

    if (ko_meta_secret_find(tx, job->hash, job->arena, &secret, err) < 0)
        return -1;
    return ko_meta_secret_revoke(tx, secret.account_id, secret.id, err);
}

int ko_auth_revoke_refresh(ko_auth *auth, ko_str refresh_token, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    secret_job job = {.arena = arena};
    ko_err why = KO_ERR_INIT;

    if (!ko_credential_parse(refresh_token, &job.kind, job.hash) ||
        job.kind != KO_CREDENTIAL_REFRESH)
        return 0;
    if (ko_meta_write(auth->opts.meta, KO_META_DURABLE, revoke_secret, &job, &why) == 0 ||
        why.code == KO_E_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

/* ---- Bearer ---- */

const ko_identity *ko_auth_bearer_cached(ko_auth *auth, ko_str token, ko_bearer_use use)
{
    uint64_t generation = ko_meta_generation_rights(auth->opts.meta);

    (void)use; /* what is remembered has not expired and is good for every use */
    if (token.len > KO_MAX_TOKEN)
        return NULL;
    return identity_of(
        ko_verified_find(auth->tokens, (ko_str){"", 0}, token, generation, ko_clock_mono_ms()));
}

static int check_times(const ko_auth *auth, const ko_claims *claims, ko_bearer_use use,
                       bool *expired, ko_err *err)
{
    int64_t now_s = ko_clock_wall_s();
    int64_t end_s = claims->expires_at_s + KO_AUTH_LEEWAY_S;

    if (claims->not_before_s > now_s + KO_AUTH_LEEWAY_S)
        return ko_err_set(err, KO_E_DENIED, "token: not valid yet");
    *expired = now_s >= end_s;
    if (!*expired)
        return 0;
    if (use == KO_USE_UPLOAD && now_s < end_s + (int64_t)auth->opts.upload_grace_s)
        return 0;
    return ko_err_set(err, KO_E_DENIED, "token: expired");
}

typedef struct {
    const ko_claims *claims;
    bool fine;
    ko_identity *id;
} holder_job;

/* The account as it is now: a token does not outlive it. */
static int find_holder(ko_meta_tx *tx, void *arg, ko_err *err)
{
    holder_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;
    ko_err why = KO_ERR_INIT;

    job->fine = false;
    if (ko_meta_account_load(tx, job->claims->account_id, arena, &account, &why) < 0) {
        if (why.code == KO_E_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    job->fine =
        !account.is_disabled && ko_str_eq(job->claims->subject, ko_str_of(account.owner.name));
    ko_auth_describe(&account, job->id);
    return 0;
}

static int identify_holder(ko_auth *auth, const ko_claims *claims, ko_identity *id, ko_err *err)
{
    holder_job job = {.claims = claims, .id = id};

    if (claims->account_id == 0)
        return 0;
    if (ko_meta_read(auth->opts.meta, find_holder, &job, err) < 0)
        return ko_err_ctx(err, "look up the holder of a token");
    return job.fine ? 0 : ko_err_set(err, KO_E_DENIED, "token: its account is gone or disabled");
}

static int bearer_by_token(ko_auth *auth, ko_str token, ko_bearer_use use, ko_arena *arena,
                           ko_identity *id, ko_err *err)
{
    ko_autobuf json;
    ko_claims claims;

    ko_buf_init(&json, KO_MAX_TOKEN);
    if (ko_keyring_verify(auth->keys, token, &json, err) < 0 ||
        ko_claims_parse(ko_buf_str(&json), ko_str_of(auth->service), arena, &claims, err) < 0)
        return -1;
    if (!ko_str_eq(claims.issuer, ko_str_of(auth->service)))
        return ko_err_set(err, KO_E_DENIED, "token: made by another issuer");
    if (check_times(auth, &claims, use, &id->expired, err) < 0)
        return -1;
    id->via = KO_VIA_TOKEN;
    id->limited = true;
    id->whole = claims.whole;
    id->expires_at_s = claims.expires_at_s;
    id->access = claims.access;
    return identify_holder(auth, &claims, id, err);
}

int ko_auth_bearer(ko_auth *auth, ko_str token, ko_bearer_use use, ko_str address,
                   const ko_identity **out, ko_err *err)
{
    uint64_t generation = ko_meta_generation_rights(auth->opts.meta);
    ko_autoptr(ko_arena) arena = ko_arena_new();
    secret_job job = {0};
    ko_identity id = {.kind = KO_ID_ANONYMOUS};
    ko_err why = KO_ERR_INIT;

    (void)address; /* neither signatures nor secrets can be guessed */
    if (ko_credential_parse(token, &job.kind, job.hash)) {
        if (job.kind == KO_CREDENTIAL_REFRESH)
            return wrong_credentials(err);
        if (login_by_secret(auth, arena, &job, out, err) < 0)
            return -1;
    } else if (bearer_by_token(auth, token, use, arena, &id, &why) < 0) {
        if (why.code == KO_E_INVALID) /* malformed or not: the caller answers 401 either way */
            why.code = KO_E_DENIED;
        if (err)
            *err = why;
        return -1;
    } else {
        *out = ko_auth_make_identity(&id);
    }
    /* A token of ours is good until it ends; of a secret, "last used" is to be noted now and then.
     */
    uint64_t ttl_ms = (*out)->via == KO_VIA_TOKEN ? UINT64_MAX : auth->opts.verified_ttl_ms;
    ko_auth_remember(auth->tokens, (ko_str){"", 0}, token, generation, ttl_ms, *out);
    return 0;
}

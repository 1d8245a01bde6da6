/* auth/auth_issue.c: the token service: access tokens with what was asked for and may be given, and
 * refresh tokens.
 *
 * One read transaction judges every scope, so that a token shows one state. The token's identity is
 * put into the cache at once: the request it was fetched for follows within milliseconds and finds
 * it there.
 *
 * Spec: distribution docs/content/spec/auth/token.md and jwt.md. Tokens of anonymous callers have
 * an empty subject. */
#include "auth/auth_priv.h"
#include "auth/credential.h"
#include "auth/json_claims.h"
#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/oci/ref.h"
#include "storage/meta_secret.h"

#define MAX_CLIENT_NAME 64

typedef struct {
    const ko_identity *id;
    const ko_scopes *asked;
    ko_scopes granted; /* room for as many as were asked for */
    ko_identity holder;
    int64_t password_version;
} issue_job;

static int grant_one(ko_meta_tx *tx, const issue_job *job, const ko_meta_account *account,
                     ko_scope *scope, ko_err *err)
{
    ko_actions have = 0;

    switch (scope->type) {
    case KO_SCOPE_CATALOG:
        have = ko_auth_may_catalog(job->id) ? KO_ACTION_ALL : 0;
        break;
    case KO_SCOPE_UNKNOWN:
        break;
    case KO_SCOPE_REPOSITORY:
        if (ko_ref_check_repo(scope->name, NULL) < 0)
            break;
        if (ko_auth_judge(tx, account, scope->name, &have, err) < 0)
            return -1;
        have = ko_auth_limit(job->id, scope->name, have);
        break;
    }
    scope->actions &= have;
    return 0;
}

static int judge_scopes(ko_meta_tx *tx, void *arg, ko_err *err)
{
    issue_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    bool anonymous = job->id->kind == KO_ID_ANONYMOUS;
    ko_meta_account account;

    if (!anonymous) {
        if (ko_meta_account_load(tx, job->id->account_id, arena, &account, err) < 0)
            return -1;
        if (account.is_disabled)
            return ko_err_set(err, KO_E_DENIED, "the account is disabled");
        if (job->id->via == KO_VIA_PASSWORD &&
            job->id->password_version != account.password_version)
            return ko_err_set(err, KO_E_DENIED, "the password has been changed");
        ko_auth_describe(&account, &job->holder);
        job->password_version = account.password_version;
    }
    job->granted.count = job->asked->count;
    for (size_t i = 0; i < job->asked->count; i++) {
        job->granted.items[i] = job->asked->items[i];
        if (grant_one(tx, job, anonymous ? NULL : &account, &job->granted.items[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- Access tokens ---- */

static int sign_token(ko_auth *auth, const issue_job *job, int64_t now_s, int64_t expires_at_s,
                      ko_buf *out, ko_err *err)
{
    char uuid[KO_IDS_UUID_MAX];
    ko_autobuf json;
    ko_claims claims = {
        .issuer = ko_str_of(auth->service),
        .subject = ko_str_of(job->holder.name),
        .audience = ko_str_of(auth->service),
        .issued_at_s = now_s,
        .not_before_s = now_s,
        .expires_at_s = expires_at_s,
        .account_id = job->holder.account_id,
        .whole = job->holder.whole,
        .access = job->granted,
    };

    ko_ids_uuid(uuid);
    claims.id = ko_str_of(uuid);
    ko_buf_init(&json, KO_MAX_TOKEN);
    if (ko_claims_print(&claims, &json) < 0)
        return ko_err_set(err, KO_E_TOO_LARGE, "so many scopes do not fit in a token");
    return ko_keyring_sign(auth->keys, ko_buf_str(&json), out, err);
}

static int issue_access(ko_auth *auth, issue_job *job, uint64_t generation, ko_arena *arena,
                        ko_issued *out, ko_err *err)
{
    int64_t now_s = ko_clock_wall_s();
    ko_autobuf token;

    ko_buf_init(&token, KO_MAX_TOKEN);
    job->holder.via = KO_VIA_TOKEN;
    job->holder.limited = true;
    job->holder.whole = !job->id->limited;
    job->holder.expires_at_s = now_s + (int64_t)auth->opts.token_life_s;
    if (job->holder.expires_at_s > job->id->expires_at_s)
        job->holder.expires_at_s =
            job->id->expires_at_s; /* not longer than what it was given for */
    job->holder.access = job->granted;
    if (sign_token(auth, job, now_s, job->holder.expires_at_s, &token, err) < 0)
        return -1;

    ko_autoid id = ko_auth_make_identity(&job->holder);
    ko_auth_remember(auth->tokens, (ko_str){"", 0}, ko_buf_str(&token), generation, UINT64_MAX, id);
    out->token = ko_arena_strndup(arena, token.data, token.len);
    out->issued_at_s = now_s;
    out->expires_in_s = (uint64_t)(job->holder.expires_at_s - now_s);
    out->granted = job->granted;
    return 0;
}

/* ---- Refresh tokens ---- */

typedef struct {
    ko_meta_secret_spec spec;
    ko_meta_by by;
    int64_t id;
} refresh_job;

static int add_refresh(ko_meta_tx *tx, void *arg, ko_err *err)
{
    refresh_job *job = arg;

    return ko_meta_secret_add(tx, &job->spec, job->by, &job->id, err);
}

/* The client's name is for lists that people read: printable, and not long. */
static ko_str clean_client(ko_str client, ko_arena *arena)
{
    ko_str text = ko_arena_str(arena, ko_str_slice(client, 0, MAX_CLIENT_NAME));
    bool fine = text.len > 0;

    for (size_t i = 0; fine && i < text.len; i++)
        fine = text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f;
    return fine ? text : KO_STR("login");
}

static int issue_refresh(ko_auth *auth, const issue_job *job, ko_str client, ko_arena *arena,
                         ko_issued *out, ko_err *err)
{
    int64_t now_s = ko_clock_wall_s();
    char text[KO_CREDENTIAL_MAX];
    refresh_job add = {
        .spec = {.account_id = job->holder.account_id,
                 .kind = KO_META_SECRET_REFRESH,
                 .name = clean_client(client, arena),
                 .scope = KO_STR(""),
                 .password_version = job->password_version,
                 .expires_at_s = now_s + (int64_t)auth->opts.refresh_life_s},
        .by = {.account_id = job->holder.account_id, .at_s = now_s},
    };

    ko_credential_new(KO_CREDENTIAL_REFRESH, text, add.spec.hash);
    if (ko_meta_write(auth->opts.meta, KO_META_DURABLE, add_refresh, &add, err) < 0)
        return ko_err_ctx(err, "store a refresh token");
    out->refresh_token = ko_arena_strdup(arena, text);
    return 0;
}

int ko_auth_issue(ko_auth *auth, const ko_identity *id, const ko_scopes *asked, bool offline,
                  ko_str client, ko_arena *arena, ko_issued *out, ko_err *err)
{
    issue_job job = {.id = id, .asked = asked, .holder = {.kind = KO_ID_ANONYMOUS}};
    ko_issued issued = {0};
    ko_err why = KO_ERR_INIT;

    if (id->via == KO_VIA_TOKEN)
        return ko_err_set(err, KO_E_DENIED, "an access token does not earn another one");
    job.granted.items = ko_arena_alloc_array(arena, asked->count + 1, sizeof(ko_scope));

    bool wants_refresh =
        offline && id->via == KO_VIA_PASSWORD && !id->limited && auth->opts.refresh_life_s > 0;
    uint64_t generation = ko_meta_generation_rights(auth->opts.meta);
    if (ko_meta_read(auth->opts.meta, judge_scopes, &job, &why) < 0) {
        if (why.code == KO_E_NOT_FOUND)
            why.code = KO_E_DENIED; /* removed since it logged in */
        if (err)
            *err = why;
        return ko_err_ctx(err, "issue a token");
    }
    ko_scope_sort(&job.granted);
    if (issue_access(auth, &job, generation, arena, &issued, err) < 0 ||
        (wants_refresh && issue_refresh(auth, &job, client, arena, &issued, err) < 0))
        return -1;
    *out = issued;
    return 0;
}

/* auth/account.c: see the header. Hashing happens before the write transaction begins: a
 * transaction is short, and Argon2 is not. */
#include "auth/account.h"

#include "auth/scope.h"
#include "common/base/clock.h"
#include "common/oci/ref.h"

#define MAX_SECRET_NAME 64

int ko_account_check_name(ko_str name, ko_err *err)
{
    /* Words that mean something else in a path, in a user field or to a reader of logs. */
    static const char *const reserved[] = {"v1", "v2", "anonymous", "api", "kontor", "token"};

    if (name.len == 0 || name.len > KO_MAX_ACCOUNT_NAME)
        return ko_err_set(err, KO_E_INVALID, "a name has 1 to %d characters", KO_MAX_ACCOUNT_NAME);
    if (ko_str_find_char(name, '/') != SIZE_MAX || ko_ref_check_repo(name, NULL) < 0)
        return ko_err_set(err, KO_E_INVALID,
                          "a name is of a-z and 0-9 with single '.', '_' or '-' between");
    for (size_t i = 0; i < KO_ARRAY_LEN(reserved); i++)
        if (ko_str_eq(name, ko_str_of(reserved[i])))
            return ko_err_set(err, KO_E_INVALID, "the name '%s' is reserved", reserved[i]);
    return 0;
}

/* ---- Accounts ---- */

typedef struct {
    ko_meta_account_spec spec;
    const ko_account_quota *quota;
    int64_t id;
} create_job;

static int run_create(ko_meta_tx *tx, void *arg, ko_err *err)
{
    create_job *job = arg;

    if (ko_meta_account_add(tx, &job->spec, &job->id, err) < 0)
        return -1;
    if (!job->quota)
        return 0;
    return ko_meta_owner_set_quota(tx, job->id, job->quota->private_repos, job->quota->bytes, err);
}

int ko_account_create(ko_meta *meta, ko_password_cost cost, const ko_account_new *spec,
                      int64_t *out_id, ko_err *err)
{
    char hash[KO_PASSWORD_HASH_MAX] = "";
    bool is_robot = spec->kind == KO_META_ROBOT;

    if (ko_account_check_name(spec->name, err) < 0)
        return -1;
    if (is_robot && (spec->password.len || spec->is_admin))
        return ko_err_set(err, KO_E_INVALID,
                          "a robot has no password and is no administrator; give it a secret");
    if (!is_robot && (ko_password_check_new(spec->password, err) < 0 ||
                      ko_password_hash(cost, spec->password, hash, err) < 0))
        return -1;

    create_job job = {.spec = {.kind = spec->kind,
                               .name = spec->name,
                               .display = spec->display,
                               .email = spec->email,
                               .password_hash = ko_str_of(hash),
                               .is_admin = spec->is_admin,
                               .default_visibility = spec->default_visibility,
                               .at_s = ko_clock_wall_s()},
                      .quota = spec->quota};
    if (ko_meta_write(meta, KO_META_DURABLE, run_create, &job, err) < 0)
        return -1;
    *out_id = job.id;
    return 0;
}

typedef struct {
    int64_t id;
    ko_str hash;
} password_job;

int ko_account_set_hash(ko_meta_tx *tx, const ko_meta_account *account, ko_str hash, ko_err *err)
{
    int64_t id = account->owner.id;

    if (account->kind == KO_META_ROBOT)
        return ko_err_set(err, KO_E_INVALID, "a robot has no password; give it a secret");
    if (ko_meta_account_set_password(tx, id, hash, err) < 0)
        return -1;
    return ko_meta_secret_revoke_all(tx, id, KO_META_SECRET_REFRESH, err);
}

static int run_set_password(ko_meta_tx *tx, void *arg, ko_err *err)
{
    password_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (ko_meta_account_load(tx, job->id, arena, &account, err) < 0)
        return -1;
    return ko_account_set_hash(tx, &account, job->hash, err);
}

int ko_account_set_password(ko_meta *meta, ko_password_cost cost, int64_t id, ko_str password,
                            ko_err *err)
{
    char hash[KO_PASSWORD_HASH_MAX];

    if (ko_password_check_new(password, err) < 0 || ko_password_hash(cost, password, hash, err) < 0)
        return -1;
    password_job job = {.id = id, .hash = ko_str_of(hash)};
    return ko_meta_write(meta, KO_META_DURABLE, run_set_password, &job, err);
}

/* Somebody must be able to undo every change of rights. */
static int keep_an_administrator(ko_meta_tx *tx, const ko_meta_account *leaving, ko_err *err)
{
    uint64_t accounts, admins;

    if (!leaving->is_admin || leaving->is_disabled)
        return 0;
    if (ko_meta_account_count(tx, &accounts, &admins, err) < 0)
        return -1;
    if (admins <= 1)
        return ko_err_set(err, KO_E_CONFLICT, "%s is the last administrator: make another first",
                          leaving->owner.name);
    return 0;
}

int ko_account_set_flags(ko_meta_tx *tx, const ko_meta_account *account, bool is_admin,
                         bool is_disabled, ko_err *err)
{
    if (is_admin && account->kind == KO_META_ROBOT)
        return ko_err_set(err, KO_E_INVALID, "a robot is no administrator");
    if ((!is_admin || is_disabled) && keep_an_administrator(tx, account, err) < 0)
        return -1;
    return ko_meta_account_set_flags(tx, account->owner.id, is_admin, is_disabled, err);
}

int ko_account_remove(ko_meta_tx *tx, const ko_meta_account *account, bool force, ko_err *err)
{
    if (keep_an_administrator(tx, account, err) < 0)
        return -1;
    return ko_meta_account_remove(tx, account->owner.id, force, ko_clock_wall_s(), err);
}

/* ---- Secrets ---- */

static int check_secret_name(ko_str name, ko_err *err)
{
    bool fine = name.len > 0 && name.len <= MAX_SECRET_NAME && ko_str_is_utf8(name);

    for (size_t i = 0; fine && i < name.len; i++)
        fine = (unsigned char)name.ptr[i] >= 0x20 && name.ptr[i] != 0x7f;
    if (!fine)
        return ko_err_set(err, KO_E_INVALID, "a token's name is 1 to %d bytes of printable text",
                          MAX_SECRET_NAME);
    return 0;
}

/* A star belongs at the end of a name and nowhere else. */
static int check_secret_scope(ko_str scope, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_scopes scopes = {0};

    if (ko_scope_parse(scope, arena, &scopes, err) < 0)
        return -1;
    for (size_t i = 0; i < scopes.count; i++) {
        const ko_scope *s = &scopes.items[i];
        size_t star = ko_str_find_char(s->name, '*');

        if (s->type == KO_SCOPE_UNKNOWN || s->actions == 0)
            return ko_err_set(err, KO_E_INVALID,
                              "a token's scope is repository:NAME:ACTIONS or registry:catalog:*");
        if (star != SIZE_MAX && star + 1 != s->name.len)
            return ko_err_set(err, KO_E_INVALID, "a pattern has one '*', at its end");
    }
    return 0;
}

typedef struct {
    ko_meta_secret_spec spec;
    ko_meta_by by;
    int64_t id;
} secret_job;

static int run_add_secret(ko_meta_tx *tx, void *arg, ko_err *err)
{
    secret_job *job = arg;

    return ko_meta_secret_add(tx, &job->spec, job->by, &job->id, err);
}

typedef struct {
    int64_t id;
    ko_meta_account_kind kind;
    int64_t password_version;
} load_job;

static int run_load(ko_meta_tx *tx, void *arg, ko_err *err)
{
    load_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (ko_meta_account_load(tx, job->id, arena, &account, err) < 0)
        return -1;
    job->kind = account.kind;
    job->password_version = account.password_version;
    return 0;
}

int ko_account_create_secret(ko_meta *meta, const ko_account_secret_new *spec,
                             char text[static KO_CREDENTIAL_MAX], int64_t *out_id, ko_err *err)
{
    int64_t now_s = ko_clock_wall_s();
    load_job account = {.id = spec->account_id};

    if (check_secret_name(spec->name, err) < 0 || check_secret_scope(spec->scope, err) < 0)
        return -1;
    if (spec->expires_at_s != 0 && spec->expires_at_s <= now_s)
        return ko_err_set(err, KO_E_INVALID, "a token expires in the future or never");
    if (ko_meta_read(meta, run_load, &account, err) < 0)
        return -1;

    bool is_robot = account.kind == KO_META_ROBOT;
    char made[KO_CREDENTIAL_MAX];
    secret_job job = {
        .spec = {.account_id = spec->account_id,
                 .kind = is_robot ? KO_META_SECRET_ROBOT : KO_META_SECRET_PERSONAL,
                 .name = spec->name,
                 .scope = spec->scope,
                 .password_version = account.password_version,
                 .expires_at_s = spec->expires_at_s},
        .by = {.account_id = spec->by, .at_s = now_s},
    };
    ko_credential_new(is_robot ? KO_CREDENTIAL_ROBOT : KO_CREDENTIAL_PERSONAL, made, job.spec.hash);
    if (ko_meta_write(meta, KO_META_DURABLE, run_add_secret, &job, err) < 0)
        return -1;
    memcpy(text, made, sizeof(made));
    *out_id = job.id;
    return 0;
}

/* auth/auth_rights.c: from an identity and a repository name to actions.
 *
 * What an account may do is cached per account and name; what the identity's own scopes leave of it
 * is worked out each time, because one account has many tokens. */
#include "auth/auth_priv.h"
#include "auth/policy.h"
#include "common/base/clock.h"
#include "storage/meta_grant.h"

typedef struct {
    ko_cache_entry entry;
    ko_actions actions;
} cached_actions;

typedef struct {
    char bytes[sizeof(int64_t) + KO_MAX_REPO_NAME];
} rights_key;

/* The empty string when the name is longer than any repository's: nothing is cached for it. */
static ko_str make_key(int64_t account_id, ko_str repo, rights_key *key)
{
    if (repo.len > KO_MAX_REPO_NAME)
        return (ko_str){key->bytes, 0};
    memcpy(key->bytes, &account_id, sizeof(account_id));
    memcpy(key->bytes + sizeof(account_id), repo.ptr, repo.len);
    return (ko_str){key->bytes, sizeof(account_id) + repo.len};
}

static void drop_actions(ko_cache_entry *entry)
{
    free(KO_CONTAINER(entry, cached_actions, entry));
}

static void remember_actions(ko_auth *auth, int64_t account_id, ko_str repo, uint64_t generation,
                             ko_actions actions)
{
    rights_key key;
    ko_str text = make_key(account_id, repo, &key);

    if (text.len == 0)
        return;
    cached_actions *value = ko_new(cached_actions);
    ko_cache_entry_init(&value->entry, drop_actions);
    value->actions = actions;
    ko_cache_put(auth->rights, text, generation, UINT64_MAX, 1, &value->entry);
    ko_cache_entry_unref(&value->entry);
}

static ko_policy_role role_of(const ko_meta_access *access)
{
    if (access->is_owner_account)
        return KO_ROLE_SELF;
    switch (access->role) {
    case KO_META_ROLE_NONE:
        return KO_ROLE_NONE;
    case KO_META_ROLE_MEMBER:
        return KO_ROLE_MEMBER;
    case KO_META_ROLE_OWNER:
        return KO_ROLE_OWNER;
    }
    return KO_ROLE_NONE;
}

_Static_assert((int)KO_ACTION_ALL == KO_META_MAY_ALL && (int)KO_ACTION_PULL == KO_META_MAY_PULL &&
                   (int)KO_ACTION_PUSH == KO_META_MAY_PUSH &&
                   (int)KO_ACTION_DELETE == KO_META_MAY_DELETE,
               "grants are stored with the bits of actions");

int ko_auth_judge(ko_meta_tx *tx, const ko_meta_account *account, ko_str repo, ko_actions *out,
                  ko_err *err)
{
    ko_meta_access access;
    ko_policy_facts facts = {.anonymous = account == NULL};

    if (ko_meta_access_load(tx, account ? account->owner.id : 0, repo, &access, err) < 0)
        return -1;
    if (account) {
        facts.disabled = account->is_disabled;
        facts.admin = account->is_admin;
        facts.robot = account->kind == KO_META_ROBOT;
    }
    facts.role = role_of(&access);
    facts.granted = access.granted;
    facts.is_public = access.repo_exists && access.repo.visibility == KO_META_PUBLIC;
    *out = ko_policy_actions(&facts);
    return 0;
}

ko_actions ko_auth_limit(const ko_identity *id, ko_str repo, ko_actions actions)
{
    return id->limited ? actions & ko_scope_actions_on(&id->access, repo, id->globs) : actions;
}

bool ko_auth_actions_cached(ko_auth *auth, const ko_identity *id, ko_str repo, ko_actions *out)
{
    uint64_t generation = ko_meta_generation_rights(auth->opts.meta);
    rights_key key;
    ko_str text = make_key(id->account_id, repo, &key);
    ko_cache_entry *entry =
        text.len ? ko_cache_get(auth->rights, text, generation, ko_clock_mono_ms()) : NULL;

    if (!entry)
        return false;
    *out = ko_auth_limit(id, repo, KO_CONTAINER(entry, cached_actions, entry)->actions);
    ko_cache_entry_unref(entry);
    return true;
}

typedef struct {
    int64_t account_id;
    ko_str repo;
    ko_actions actions;
} actions_job;

static int load_actions(ko_meta_tx *tx, void *arg, ko_err *err)
{
    actions_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (job->account_id == 0)
        return ko_auth_judge(tx, NULL, job->repo, &job->actions, err);
    if (ko_meta_account_load(tx, job->account_id, arena, &account, err) < 0) {
        job->actions = 0; /* removed meanwhile */
        return err->code == KO_E_NOT_FOUND ? 0 : -1;
    }
    return ko_auth_judge(tx, &account, job->repo, &job->actions, err);
}

/* What the account may do, before the identity's own limits. */
static int account_actions(ko_auth *auth, const ko_identity *id, ko_str repo, ko_actions *out,
                           ko_err *err)
{
    uint64_t generation = ko_meta_generation_rights(auth->opts.meta);
    actions_job job = {.account_id = id->account_id, .repo = repo};
    ko_err local = KO_ERR_INIT;

    if (ko_meta_read(auth->opts.meta, load_actions, &job, &local) < 0) {
        if (err)
            *err = local;
        return ko_err_ctx(err, "rights on " KO_STR_FMT, KO_STR_ARG(repo));
    }
    remember_actions(auth, id->account_id, repo, generation, job.actions);
    *out = job.actions;
    return 0;
}

int ko_auth_actions(ko_auth *auth, const ko_identity *id, ko_str repo, ko_actions *out, ko_err *err)
{
    ko_actions actions;

    if (account_actions(auth, id, repo, &actions, err) < 0)
        return -1;
    *out = ko_auth_limit(id, repo, actions);
    return 0;
}

int ko_auth_may_copy_from(ko_auth *auth, const ko_identity *id, ko_str repo, bool *out, ko_err *err)
{
    ko_actions actions;

    if (account_actions(auth, id, repo, &actions, err) < 0)
        return -1;
    if (!id->whole)
        actions = ko_auth_limit(id, repo, actions);
    *out = (actions & KO_ACTION_PULL) != 0;
    return 0;
}

/* auth/auth.c: the object behind the door, and identities.
 *
 * Three caches, all stamped with the rights generation of the database: passwords and secrets that
 * were verified, access tokens that were verified, and actions of an account on a repository. A
 * change of any account, group, grant, visibility or secret raises the generation and so empties
 * all three at once. That is blunt, but such changes are rare beside requests, and it is what lets
 * a hit be answered on the loop without asking anybody.
 *
 * An identity is one block of memory: struct, scopes and their text, so that a cache of thousands
 * stays small. */
#include "auth/auth.h"

#include "auth/auth_priv.h"
#include "common/base/clock.h"
#include "storage/meta_secret.h"

#define PRUNE_AFTER_S (7 * 24 * 3600) /* an expired secret is still listed so long */
#define PRUNE_BATCH   1000
#define KEY_SLACK_S   (2 * 3600) /* for nodes that have not noticed a rotation yet */

/* ---- Identities ---- */

static void drop_identity(ko_cache_entry *entry)
{
    free(KO_CONTAINER(entry, ko_identity, entry));
}

static size_t text_size(const ko_scopes *scopes)
{
    size_t size = 0;

    for (size_t i = 0; i < scopes->count; i++)
        size += scopes->items[i].name.len + scopes->items[i].class_name.len;
    return size;
}

static ko_str move_text(char **room, ko_str text)
{
    char *start = *room;

    if (text.len)
        memcpy(start, text.ptr, text.len);
    *room += text.len;
    return (ko_str){start, text.len};
}

const ko_identity *ko_auth_make_identity(const ko_identity *from)
{
    size_t items_size = from->access.count * sizeof(ko_scope);
    char *block = ko_xmalloc(sizeof(ko_identity) + items_size + text_size(&from->access));
    ko_identity *id = (ko_identity *)(void *)block;
    char *room = block + sizeof(ko_identity) + items_size;

    *id = *from;
    ko_cache_entry_init(&id->entry, drop_identity);
    id->access.items =
        from->access.count ? (ko_scope *)(void *)(block + sizeof(ko_identity)) : NULL;
    for (size_t i = 0; i < from->access.count; i++) {
        ko_scope *scope = &id->access.items[i];

        *scope = from->access.items[i];
        scope->name = move_text(&room, scope->name);
        scope->class_name = move_text(&room, scope->class_name);
    }
    return id;
}

void ko_auth_describe(const ko_meta_account *account, ko_identity *out)
{
    bool is_robot = account->kind == KO_META_ROBOT;

    out->kind = is_robot ? KO_ID_ROBOT : KO_ID_ACCOUNT;
    out->account_id = account->owner.id;
    out->admin = account->is_admin && !is_robot;
    out->password_version = account->password_version;
    memcpy(out->name, account->owner.name, sizeof(out->name));
}

/* The count is the only part of an identity that changes. */
static ko_cache_entry *entry_of(const ko_identity *id)
{
    return (ko_cache_entry *)(uintptr_t)&id->entry;
}

void ko_identity_ref(const ko_identity *id)
{
    ko_cache_entry_ref(entry_of(id));
}

const ko_identity *ko_identity_unref(const ko_identity *id)
{
    if (id)
        ko_cache_entry_unref(entry_of(id));
    return NULL;
}

bool ko_identity_is_whole(const ko_identity *id)
{
    return id->kind != KO_ID_ANONYMOUS && id->via != KO_VIA_TOKEN && !id->limited;
}

bool ko_auth_may_catalog(const ko_identity *id)
{
    return !id->limited || ko_scope_has_catalog(&id->access);
}

const ko_identity *ko_auth_anonymous(ko_auth *auth)
{
    ko_identity_ref(auth->anonymous);
    return auth->anonymous;
}

void ko_auth_remember(ko_verified *where, ko_str user, ko_str secret, uint64_t generation,
                      uint64_t ttl_ms, const ko_identity *id)
{
    int64_t now_s = ko_clock_wall_s();

    if (id->expired || id->expires_at_s <= now_s)
        return;
    uint64_t left_s = (uint64_t)(id->expires_at_s - now_s);
    if (left_s < ttl_ms / 1000)
        ttl_ms = left_s * 1000;
    ko_verified_add(where, user, secret, generation, ko_clock_mono_ms() + ttl_ms, entry_of(id));
}

/* ---- The object ---- */

int ko_auth_new(const ko_auth_opts *opts, ko_auth **out, ko_err *err)
{
    ko_autoptr(ko_auth) auth = ko_new(ko_auth);
    ko_identity nobody = {.kind = KO_ID_ANONYMOUS, .expires_at_s = INT64_MAX};

    auth->opts = *opts;
    auth->service = ko_xstrdup(opts->service);
    auth->opts.service = auth->service;
    auth->backoff = ko_backoff_new(&opts->backoff);
    auth->logins = ko_verified_new(opts->cache_entries);
    auth->tokens = ko_verified_new(opts->cache_entries);
    auth->rights = ko_cache_new(opts->cache_entries);
    auth->anonymous = ko_auth_make_identity(&nobody);
    if (ko_keyring_open(opts->meta, opts->key_rotate_s,
                        opts->token_life_s + opts->upload_grace_s + KEY_SLACK_S, &auth->keys,
                        err) < 0)
        return -1;
    *out = ko_steal(&auth);
    return 0;
}

ko_auth *ko_auth_free(ko_auth *auth)
{
    if (!auth)
        return NULL;
    ko_identity_unref(auth->anonymous);
    ko_cache_free(auth->rights);
    ko_verified_free(auth->tokens);
    ko_verified_free(auth->logins);
    ko_backoff_free(auth->backoff);
    ko_keyring_free(auth->keys);
    free(auth->service);
    free(auth);
    return NULL;
}

static int prune_secrets(ko_meta_tx *tx, void *arg, ko_err *err)
{
    size_t removed = 0;

    (void)arg;
    return ko_meta_secret_prune(tx, ko_clock_wall_s() - PRUNE_AFTER_S, PRUNE_BATCH, &removed, err);
}

int ko_auth_maintain(ko_auth *auth, ko_err *err)
{
    if (ko_keyring_refresh(auth->keys, err) < 0)
        return -1;
    if (ko_meta_write(auth->opts.meta, KO_META_LAZY, prune_secrets, NULL, err) < 0)
        return ko_err_ctx(err, "remove expired secrets");
    return 0;
}

unsigned ko_auth_retry_after_s(ko_auth *auth, ko_str user, ko_str address)
{
    uint64_t wait_ms = ko_backoff_wait_ms(auth->backoff, user, address, ko_clock_mono_ms());

    return (unsigned)((wait_ms + 999) / 1000);
}

int ko_auth_print_jwks(ko_auth *auth, ko_buf *out)
{
    return ko_keyring_print_jwks(auth->keys, out);
}

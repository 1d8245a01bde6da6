/* server/content.c: see content.h. */
#include "server/content.h"

#include "common/base/clock.h"
#include "storage/meta_blob.h"
#include "storage/meta_manifest.h"

#define SMALL_BLOB (64 * KO_KIB) /* at most this is kept in memory */

static void content_drop(ko_cache_entry *entry)
{
    free(KO_CONTAINER(entry, ko_content, entry));
}

static ko_content *content_new(int64_t repo_id, const ko_digest *digest, uint64_t size_bytes,
                               size_t bytes_len)
{
    ko_content *content = ko_xcalloc(1, sizeof(*content) + bytes_len);

    ko_cache_entry_init(&content->entry, content_drop);
    content->repo_id = repo_id;
    content->digest = *digest;
    content->size_bytes = size_bytes;
    return content;
}

/* Cache keys: kind, repository and reference. Both parts are bounded by their rules. */
typedef struct {
    char text[KO_MAX_REPO_NAME + KO_MAX_DIGEST + 8];
    size_t len;
} content_key;

static bool make_key(content_key *key, char kind, ko_str repo, ko_str ref)
{
    if (repo.len + ref.len + 2 > sizeof(key->text))
        return false;
    key->text[0] = kind;
    memcpy(key->text + 1, repo.ptr, repo.len);
    key->text[1 + repo.len] = '\0';
    memcpy(key->text + 2 + repo.len, ref.ptr, ref.len);
    key->len = repo.len + ref.len + 2;
    return true;
}

static ko_content *find(ko_app *app, char kind, ko_str repo, ko_str ref)
{
    ko_cache_entry *entry;
    content_key key;

    if (!make_key(&key, kind, repo, ref))
        return NULL;
    entry = ko_cache_get(app->content, (ko_str){key.text, key.len},
                         ko_meta_generation_repo(app->meta, repo), ko_clock_mono_ms());
    return entry ? KO_CONTAINER(entry, ko_content, entry) : NULL;
}

static void keep(ko_app *app, char kind, ko_str repo, ko_str ref, uint64_t generation,
                 ko_content *content)
{
    content_key key;
    size_t cost = sizeof(*content) + (content->has_bytes ? content->size_bytes : 0);

    if (make_key(&key, kind, repo, ref))
        ko_cache_put(app->content, (ko_str){key.text, key.len}, generation, UINT64_MAX, cost,
                     &content->entry);
}

/* ---- Manifests ---- */

ko_content *ko_content_manifest_cached(ko_app *app, ko_str repo, ko_str ref)
{
    return find(app, 'm', repo, ref);
}

typedef struct {
    ko_str repo;
    const ko_ref *ref;
    ko_arena *arena;
    int64_t repo_id;
    ko_meta_manifest manifest;
} manifest_query;

static int load_manifest(ko_meta_tx *tx, void *arg, ko_err *err)
{
    manifest_query *q = arg;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, q->repo, &repo, err) < 0)
        return ko_err_ctx(err, "repository " KO_STR_FMT, KO_STR_ARG(q->repo));
    q->repo_id = repo.id;
    if (q->ref->is_digest)
        return ko_meta_manifest_find(tx, repo.id, &q->ref->digest, q->arena, &q->manifest, err);
    return ko_meta_manifest_find_tag(tx, repo.id, ko_str_of(q->ref->tag), q->arena, &q->manifest,
                                     err);
}

int ko_content_manifest(ko_app *app, ko_str repo, const ko_ref *ref, ko_content **out, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    uint64_t generation = ko_meta_generation_repo(app->meta, repo);
    manifest_query q = {.repo = repo, .ref = ref, .arena = arena};
    ko_content *content;

    if (ko_meta_read(app->meta, load_manifest, &q, err) < 0)
        return -1;
    content =
        content_new(q.repo_id, &q.manifest.digest, q.manifest.size_bytes, q.manifest.bytes.len);
    memcpy(content->media_type, q.manifest.media_type, sizeof(content->media_type));
    memcpy(content->bytes, q.manifest.bytes.ptr, q.manifest.bytes.len);
    content->has_bytes = true;
    keep(app, 'm', repo, ko_str_of(ref->is_digest ? ref->digest.text : ref->tag), generation,
         content);
    *out = content;
    return 0;
}

/* ---- Blobs ---- */

ko_content *ko_content_blob_cached(ko_app *app, ko_str repo, ko_str digest)
{
    return find(app, 'b', repo, digest);
}

typedef struct {
    ko_str repo;
    const ko_digest *digest;
    int64_t lease_until_s; /* for renew_lease */
    ko_meta_repo row;
    ko_meta_link link;
} blob_query;

static int load_link(ko_meta_tx *tx, void *arg, ko_err *err)
{
    blob_query *q = arg;

    if (ko_meta_repo_find(tx, q->repo, &q->row, err) < 0)
        return ko_err_ctx(err, "repository " KO_STR_FMT, KO_STR_ARG(q->repo));
    if (ko_meta_blob_find(tx, q->row.id, q->digest, &q->link, err) < 0)
        return ko_err_ctx(err, "blob %s", q->digest->text);
    return 0;
}

static int renew_lease(ko_meta_tx *tx, void *arg, ko_err *err)
{
    blob_query *q = arg;

    return ko_meta_blob_renew(tx, &q->row, q->digest, q->lease_until_s, err);
}

/* Damage reads "not found" too: the client pushes it again, and that heals it. */
static int check_size(const ko_content *content, uint64_t stored, ko_err *err)
{
    if (stored == content->size_bytes)
        return 0;
    return ko_err_set(err, KO_E_NOT_FOUND, "blob %s is damaged: it has not the size on record",
                      content->digest.text);
}

static int look_at_large(ko_app *app, const ko_content *content, ko_err *err)
{
    uint64_t stored;

    if (ko_blob_stat(app->blobs, &content->digest, &stored, err) < 0)
        return -1;
    return check_size(content, stored, err);
}

static int read_small(ko_app *app, ko_content *content, ko_err *err)
{
    ko_autoptr(ko_blob_reader) reader = NULL;

    if (ko_blob_open(app->blobs, &content->digest, &reader, err) < 0 ||
        check_size(content, ko_blob_reader_size(reader), err) < 0)
        return -1;
    return ko_blob_read(reader, content->bytes, content->size_bytes, 0, err);
}

/* The row as it is now, with a fresh lease if that is promised. *generation is older than what was
 * read: renewing is a write of ours, so the row is read again behind it, or a deletion in between
 * would be remembered as a blob that is there. */
static int find_link(ko_app *app, blob_query *q, bool promise, uint64_t *generation, ko_err *err)
{
    int64_t lease_s = ko_app_settings(app)->lease_s;
    int64_t now_s = ko_clock_wall_s();

    *generation = ko_meta_generation_repo(app->meta, q->repo);
    if (ko_meta_read(app->meta, load_link, q, err) < 0)
        return -1;
    if (!promise || ko_meta_lease_is_fresh(q->link.lease_until_s, now_s, lease_s))
        return 0;
    q->lease_until_s = now_s + lease_s;
    if (ko_meta_write(app->meta, KO_META_LAZY, renew_lease, q, err) < 0)
        return ko_err_ctx(err, "renew the lease of %s", q->digest->text);
    *generation = ko_meta_generation_repo(app->meta, q->repo);
    return ko_meta_read(app->meta, load_link, q, err);
}

int ko_content_blob(ko_app *app, ko_str repo, const ko_digest *digest, bool promise,
                    ko_content **out, ko_err *err)
{
    blob_query q = {.repo = repo, .digest = digest};
    ko_content *content;
    uint64_t generation;
    bool small;

    if (find_link(app, &q, promise, &generation, err) < 0)
        return -1;
    small = q.link.blob.size_bytes <= SMALL_BLOB;
    content = content_new(q.row.id, digest, q.link.blob.size_bytes,
                          small ? (size_t)q.link.blob.size_bytes : 0);
    content->lease_until_s = q.link.lease_until_s;
    /* A row whose file is lost must read "not found": the next push then brings it back. */
    if ((small ? read_small(app, content, err) : look_at_large(app, content, err)) < 0) {
        ko_content_unref(content);
        return -1;
    }
    content->has_bytes = small;
    keep(app, 'b', repo, ko_str_of(digest->text), generation, content);
    *out = content;
    return 0;
}

/* storage/blob_mem.c: the blob store in memory, for tests: the same promises as blob_fs.c but for
 * durability, and a bound that makes NO_SPACE easy to reach. One lock around everything. */
#include "storage/blob.h"

#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "storage/blob_priv.h"

/* Bytes shared by a staging area, the blob published from it, and readers. */
typedef struct {
    unsigned refs;
    uint8_t *bytes;
    size_t len;
    size_t cap;
    bool published; /* no longer only a staging area's: must not grow */
    int64_t changed_at_s;
} content;

typedef struct {
    ko_blob_store base;
    pthread_mutex_t lock;
    ko_map *live;   /* digest text -> content */
    ko_map *held;   /* quarantined: digest text -> content */
    ko_map *staged; /* id -> content */
    uint64_t used;
    uint64_t max;
} mem_store;

typedef struct {
    ko_blob_reader base;
    mem_store *store;
    content *content;
} mem_reader;

typedef struct {
    ko_blob_stage base;
    content *content;
} mem_stage;

static mem_store *store_of(ko_blob_store *base)
{
    return KO_CONTAINER(base, mem_store, base);
}

static mem_stage *stage_of(ko_blob_stage *base)
{
    return KO_CONTAINER(base, mem_stage, base);
}

static content *content_ref(content *c)
{
    c->refs++;
    return c;
}

static void content_unref(mem_store *store, content *c)
{
    if (!c || --c->refs > 0)
        return;
    store->used -= c->len;
    free(c->bytes);
    free(c);
}

static int missing(ko_err *err, const char *name)
{
    return ko_err_set(err, KO_E_NOT_FOUND, "%s is not stored", name);
}

/* ---- Reading ---- */

static int mem_stat(ko_blob_store *base, const ko_digest *digest, uint64_t *out_bytes, ko_err *err)
{
    mem_store *store = store_of(base);

    pthread_mutex_lock(&store->lock);
    const content *c = ko_map_get(store->live, ko_str_of(digest->text));
    if (c)
        *out_bytes = c->len;
    pthread_mutex_unlock(&store->lock);
    return c ? 0 : missing(err, digest->text);
}

static int open_in(mem_store *store, const ko_map *map, const ko_digest *digest,
                   ko_blob_reader **out, ko_err *err)
{
    pthread_mutex_lock(&store->lock);
    content *c = ko_map_get(map, ko_str_of(digest->text));
    if (c) {
        mem_reader *reader = ko_new(mem_reader);
        reader->base = (ko_blob_reader){.ops = store->base.ops, .size_bytes = c->len, .fd = -1};
        reader->store = store;
        reader->content = content_ref(c);
        *out = &reader->base;
    }
    pthread_mutex_unlock(&store->lock);
    return c ? 0 : missing(err, digest->text);
}

static int mem_open(ko_blob_store *base, const ko_digest *digest, ko_blob_reader **out, ko_err *err)
{
    return open_in(store_of(base), store_of(base)->live, digest, out, err);
}

static int mem_open_quarantined(ko_blob_store *base, const ko_digest *digest, ko_blob_reader **out,
                                ko_err *err)
{
    return open_in(store_of(base), store_of(base)->held, digest, out, err);
}

/* Published bytes never change, so they are read without the lock. */
static int mem_read(ko_blob_reader *base, void *into, size_t len, uint64_t offset, ko_err *err)
{
    const mem_reader *reader = KO_CONTAINER(base, mem_reader, base);

    (void)err; /* the range was checked */
    if (len > 0)
        memcpy(into, reader->content->bytes + offset, len);
    return 0;
}

static void mem_reader_free(ko_blob_reader *base)
{
    mem_reader *reader = KO_CONTAINER(base, mem_reader, base);
    mem_store *store = reader->store;

    pthread_mutex_lock(&store->lock);
    content_unref(store, reader->content);
    pthread_mutex_unlock(&store->lock);
    free(reader);
}

/* ---- Staging ---- */

static ko_blob_stage *stage_handle(mem_store *store, const char *id, content *c)
{
    mem_stage *stage = ko_new(mem_stage);

    stage->base.store = &store->base;
    stage->base.size_bytes = c->len;
    stage->base.sealed = c->published;
    (void)snprintf(stage->base.id, sizeof(stage->base.id), "%s", id);
    stage->content = content_ref(c);
    return &stage->base;
}

static int mem_stage_new(ko_blob_store *base, const char *id, ko_blob_stage **out, ko_err *err)
{
    mem_store *store = store_of(base);

    pthread_mutex_lock(&store->lock);
    bool taken = ko_map_get(store->staged, ko_str_of(id)) != NULL;
    if (!taken) {
        content *c = ko_new(content);
        c->refs = 1;
        c->changed_at_s = ko_clock_wall_s();
        ko_map_set(store->staged, ko_str_of(id), c);
        *out = stage_handle(store, id, c);
    }
    pthread_mutex_unlock(&store->lock);
    return taken ? ko_err_set(err, KO_E_EXISTS, "staging area %s exists", id) : 0;
}

static int mem_stage_open(ko_blob_store *base, const char *id, ko_blob_stage **out, ko_err *err)
{
    mem_store *store = store_of(base);

    pthread_mutex_lock(&store->lock);
    content *c = ko_map_get(store->staged, ko_str_of(id));
    if (c)
        *out = stage_handle(store, id, c);
    pthread_mutex_unlock(&store->lock);
    return c ? 0 : missing(err, id);
}

static void mem_stage_close(ko_blob_stage *base)
{
    mem_store *store = store_of(base->store);

    pthread_mutex_lock(&store->lock);
    content_unref(store, stage_of(base)->content);
    pthread_mutex_unlock(&store->lock);
    free(stage_of(base));
}

/* Room for `len` more bytes; the capacity doubles. */
static void content_grow(content *c, size_t len)
{
    size_t need = c->len + len;

    if (need <= c->cap)
        return;
    c->cap = need < 2 * c->cap ? 2 * c->cap : need;
    c->bytes = ko_xrealloc_array(c->bytes, c->cap, 1);
}

static int mem_stage_append(ko_blob_stage *base, const void *bytes, size_t len, ko_err *err)
{
    mem_store *store = store_of(base->store);
    content *c = stage_of(base)->content;

    pthread_mutex_lock(&store->lock);
    bool fits = len <= store->max - store->used;
    if (fits && len > 0) {
        content_grow(c, len);
        memcpy(c->bytes + c->len, bytes, len);
        c->len += len;
        c->changed_at_s = ko_clock_wall_s();
        store->used += len;
    }
    pthread_mutex_unlock(&store->lock);
    return fits ? 0 : ko_err_set(err, KO_E_NO_SPACE, "memory store is full");
}

static int mem_stage_read(ko_blob_stage *base, void *into, size_t len, uint64_t offset, ko_err *err)
{
    (void)err; /* the range was checked */
    if (len > 0)
        memcpy(into, stage_of(base)->content->bytes + offset, len);
    return 0;
}

/* Stores `c` under `key`, with a reference of the map's own, in place of what was there. */
static void put(mem_store *store, ko_map *map, ko_str key, content *c)
{
    content_ref(c);
    content_unref(store, ko_map_take(map, key));
    c->changed_at_s = ko_clock_wall_s();
    ko_map_set(map, key, c);
}

static int mem_stage_publish(ko_blob_stage *base, const ko_digest *digest, ko_err *err)
{
    mem_store *store = store_of(base->store);
    content *c = stage_of(base)->content;
    ko_str key = ko_str_of(digest->text);

    (void)err; /* nothing can fail in memory */
    pthread_mutex_lock(&store->lock);
    const content *there = ko_map_get(store->live, key);
    if (!there || there->len != c->len)
        put(store, store->live, key, c);
    c->published = true;
    base->sealed = true;
    pthread_mutex_unlock(&store->lock);
    return 0;
}

static int mem_stage_discard(ko_blob_store *base, const char *id, ko_err *err)
{
    mem_store *store = store_of(base);

    (void)err;
    pthread_mutex_lock(&store->lock);
    content_unref(store, ko_map_take(store->staged, ko_str_of(id)));
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* ---- Removing ---- */

static int mem_quarantine(ko_blob_store *base, const ko_digest *digest, ko_err *err)
{
    mem_store *store = store_of(base);
    ko_str key = ko_str_of(digest->text);

    (void)err;
    pthread_mutex_lock(&store->lock);
    content *c = ko_map_take(store->live, key);
    if (c) {
        put(store, store->held, key, c);
        content_unref(store, c);
    }
    pthread_mutex_unlock(&store->lock);
    return 0;
}

static int mem_restore(ko_blob_store *base, const ko_digest *digest, ko_err *err)
{
    mem_store *store = store_of(base);
    ko_str key = ko_str_of(digest->text);

    pthread_mutex_lock(&store->lock);
    bool live = ko_map_get(store->live, key) != NULL;
    content *c = live ? NULL : ko_map_take(store->held, key);
    if (c) {
        put(store, store->live, key, c);
        content_unref(store, c);
    }
    pthread_mutex_unlock(&store->lock);
    return live || c ? 0 : missing(err, digest->text);
}

static int mem_purge(ko_blob_store *base, const ko_digest *digest, ko_err *err)
{
    mem_store *store = store_of(base);

    (void)err;
    pthread_mutex_lock(&store->lock);
    content_unref(store, ko_map_take(store->held, ko_str_of(digest->text)));
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* ---- Upkeep ---- */

typedef struct {
    char name[KO_MAX_DIGEST];
    uint64_t size_bytes;
    int64_t changed_at_s;
} seen;

/* Copies what there is, so that the visitor may change the store. */
static seen *snapshot(mem_store *store, const ko_map *map, size_t *out_count)
{
    size_t iter = 0;
    size_t n = 0;
    ko_str key;
    void *value;

    pthread_mutex_lock(&store->lock);
    seen *list = ko_xcalloc(ko_map_count(map) + 1, sizeof(*list));
    while (ko_map_next(map, &iter, &key, &value)) {
        const content *c = value;
        (void)snprintf(list[n].name, sizeof(list[n].name), KO_STR_FMT, KO_STR_ARG(key));
        list[n].size_bytes = c->len;
        list[n++].changed_at_s = c->changed_at_s;
    }
    pthread_mutex_unlock(&store->lock);
    *out_count = n;
    return list;
}

static int mem_walk(ko_blob_store *base, ko_blob_where where, ko_blob_walk_fn *fn, void *arg,
                    ko_err *err)
{
    mem_store *store = store_of(base);
    const ko_map *map = where == KO_BLOB_LIVE     ? store->live
                        : where == KO_BLOB_STAGED ? store->staged
                                                  : store->held;
    size_t count;
    ko_digest digest;
    int rc = 0;

    ko_autofree seen *list = snapshot(store, map, &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool staged = where == KO_BLOB_STAGED;
        if (!staged)
            rc = ko_digest_parse(ko_str_of(list[i].name), &digest, err);
        if (rc == 0)
            rc = fn(arg, staged ? NULL : &digest, staged ? list[i].name : NULL, list[i].size_bytes,
                    list[i].changed_at_s, err);
    }
    return rc;
}

static int mem_space(ko_blob_store *base, uint64_t *free_bytes, uint64_t *total_bytes, ko_err *err)
{
    mem_store *store = store_of(base);

    (void)err;
    pthread_mutex_lock(&store->lock);
    *free_bytes = store->max - store->used;
    *total_bytes = store->max;
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* ---- Life ---- */

static void drop_all(mem_store *store, ko_map *map)
{
    size_t iter = 0;
    ko_str key;
    void *value;

    while (ko_map_next(map, &iter, &key, &value))
        content_unref(store, value);
    ko_map_free(map);
}

static void mem_store_free(ko_blob_store *base)
{
    mem_store *store = store_of(base);

    drop_all(store, store->live);
    drop_all(store, store->held);
    drop_all(store, store->staged);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static const ko_blob_ops mem_ops = {
    .store_free = mem_store_free,
    .stat = mem_stat,
    .open = mem_open,
    .read = mem_read,
    .reader_free = mem_reader_free,
    .stage_new = mem_stage_new,
    .stage_open = mem_stage_open,
    .stage_close = mem_stage_close,
    .stage_append = mem_stage_append,
    .stage_read = mem_stage_read,
    .stage_publish = mem_stage_publish,
    .stage_discard = mem_stage_discard,
    .quarantine = mem_quarantine,
    .restore = mem_restore,
    .open_quarantined = mem_open_quarantined,
    .purge = mem_purge,
    .walk = mem_walk,
    .space = mem_space,
};

ko_blob_store *ko_blob_mem_new(uint64_t max_bytes)
{
    mem_store *store = ko_new(mem_store);

    store->base.ops = &mem_ops;
    pthread_mutex_init(&store->lock, NULL);
    store->live = ko_map_new(NULL);
    store->held = ko_map_new(NULL);
    store->staged = ko_map_new(NULL);
    store->max = max_bytes;
    return &store->base;
}

/* storage/upload_table.c: the sessions that are in memory.
 *
 * A session is in the table while a request holds it and for some time after, with its file open
 * and its hash running, because the next PATCH mostly follows soon. Those at rest form a list, the
 * one resting longest first; too many, or too long, and the oldest are closed. Nothing is lost by
 * that: row and bytes are in the database and the store.
 *
 * Whoever finds a session held leaves. A session that is not in memory is put in blank and held
 * before its row is read, so that two requests never load one session twice. */
#include "common/base/clock.h"
#include "storage/meta_blob.h"
#include "storage/upload_priv.h"

#define DEFAULT_IDLE_MS  (5 * 60 * 1000)
#define DEFAULT_IDLE_MAX 256

static ko_uploads_options with_defaults(const ko_uploads_options *given)
{
    ko_uploads_options o = given ? *given : (ko_uploads_options){0};

    if (o.lease_s == 0)
        o.lease_s = KO_META_LEASE_S;
    if (o.idle_ms == 0)
        o.idle_ms = DEFAULT_IDLE_MS;
    if (o.idle_max == 0)
        o.idle_max = DEFAULT_IDLE_MAX;
    if (!o.now_s)
        o.now_s = ko_clock_wall_s;
    return o;
}

ko_uploads *ko_uploads_new(ko_blob_store *store, ko_meta *meta, const ko_uploads_options *options)
{
    ko_uploads *uploads = ko_new(ko_uploads);

    uploads->store = store;
    uploads->meta = meta;
    uploads->options = with_defaults(options);
    pthread_mutex_init(&uploads->lock, NULL);
    uploads->table = ko_map_new(NULL);
    return uploads;
}

ko_upload *ko_upload_blank(ko_uploads *owner, const char *id)
{
    ko_upload *upload = ko_new(ko_upload);

    upload->owner = owner;
    upload->max_bytes = UINT64_MAX;
    (void)snprintf(upload->row.id, sizeof(upload->row.id), "%s", id);
    return upload;
}

ko_upload *ko_upload_drop(ko_upload *upload)
{
    if (!upload)
        return NULL;
    ko_blob_stage_close(upload->stage);
    ko_hash_free(upload->hash);
    free(upload);
    return NULL;
}

/* ---- The list of those at rest; the lock is held ---- */

static void idle_push(ko_uploads *uploads, ko_upload *upload)
{
    upload->idle_prev = uploads->idle_last;
    upload->idle_next = NULL;
    if (uploads->idle_last)
        uploads->idle_last->idle_next = upload;
    else
        uploads->idle_first = upload;
    uploads->idle_last = upload;
    uploads->idle_count++;
}

static void idle_unlink(ko_uploads *uploads, ko_upload *upload)
{
    if (upload->idle_prev)
        upload->idle_prev->idle_next = upload->idle_next;
    else
        uploads->idle_first = upload->idle_next;
    if (upload->idle_next)
        upload->idle_next->idle_prev = upload->idle_prev;
    else
        uploads->idle_last = upload->idle_prev;
    uploads->idle_count--;
}

/* Takes those out that have rested too long or are too many, as a chain by idle_next. */
static ko_upload *idle_take_old(ko_uploads *uploads, uint64_t now_ms)
{
    ko_upload *chain = NULL;
    ko_upload *oldest;

    while ((oldest = uploads->idle_first) != NULL &&
           (uploads->idle_count > uploads->options.idle_max ||
            now_ms - oldest->idle_since_ms >= uploads->options.idle_ms)) {
        idle_unlink(uploads, oldest);
        (void)ko_map_take(uploads->table, ko_str_of(oldest->row.id)); /* is `oldest` itself */
        oldest->idle_next = chain;
        chain = oldest;
    }
    return chain;
}

static void drop_chain(ko_upload *chain)
{
    while (chain) {
        ko_upload *next = chain->idle_next;
        ko_upload_drop(chain);
        chain = next;
    }
}

/* ---- The table ---- */

ko_upload *ko_upload_table_grab(ko_uploads *uploads, const char *id)
{
    pthread_mutex_lock(&uploads->lock);
    ko_upload *upload = ko_map_get(uploads->table, ko_str_of(id));
    if (upload && upload->held) {
        upload = NULL;
    } else {
        if (upload) {
            idle_unlink(uploads, upload);
        } else {
            upload = ko_upload_blank(uploads, id);
            ko_map_set(uploads->table, ko_str_of(id), upload);
        }
        upload->held = true;
    }
    pthread_mutex_unlock(&uploads->lock);
    return upload;
}

void ko_upload_table_add(ko_uploads *uploads, ko_upload *upload)
{
    upload->held = true;
    pthread_mutex_lock(&uploads->lock);
    ko_map_set(uploads->table, ko_str_of(upload->row.id), upload);
    pthread_mutex_unlock(&uploads->lock);
}

void ko_upload_table_remove(ko_upload *upload)
{
    ko_uploads *uploads = upload->owner;

    pthread_mutex_lock(&uploads->lock);
    (void)ko_map_take(uploads->table, ko_str_of(upload->row.id)); /* is `upload` itself */
    pthread_mutex_unlock(&uploads->lock);
}

void ko_upload_table_rest(ko_upload *upload)
{
    ko_uploads *uploads = upload->owner;
    uint64_t now_ms = ko_clock_mono_ms();

    pthread_mutex_lock(&uploads->lock);
    upload->held = false;
    upload->idle_since_ms = now_ms;
    idle_push(uploads, upload);
    ko_upload *old = idle_take_old(uploads, now_ms);
    pthread_mutex_unlock(&uploads->lock);
    drop_chain(old);
}

bool ko_upload_table_info(ko_uploads *uploads, ko_str id, ko_upload_info *out)
{
    pthread_mutex_lock(&uploads->lock);
    ko_upload *upload = ko_map_get(uploads->table, id);
    bool found = upload && atomic_load(&upload->loaded) && upload->kind == KO_UPLOAD_RESUMABLE;
    if (found) {
        out->account_id = upload->row.account_id;
        out->alg = upload->row.alg;
        out->offset = atomic_load(&upload->offset);
        out->started_at_s = upload->row.created_at_s;
        memcpy(out->id, upload->row.id, sizeof(out->id));
        memcpy(out->repo, upload->row.repo, sizeof(out->repo));
    }
    pthread_mutex_unlock(&uploads->lock);
    return found;
}

bool ko_upload_table_has(ko_uploads *uploads, ko_str id)
{
    pthread_mutex_lock(&uploads->lock);
    bool has = ko_map_get(uploads->table, id) != NULL;
    pthread_mutex_unlock(&uploads->lock);
    return has;
}

void ko_uploads_sweep(ko_uploads *uploads)
{
    pthread_mutex_lock(&uploads->lock);
    ko_upload *old = idle_take_old(uploads, ko_clock_mono_ms());
    pthread_mutex_unlock(&uploads->lock);
    drop_chain(old);
}

void ko_uploads_stats(ko_uploads *uploads, size_t *held, size_t *idle)
{
    pthread_mutex_lock(&uploads->lock);
    *idle = uploads->idle_count;
    *held = ko_map_count(uploads->table) - uploads->idle_count;
    pthread_mutex_unlock(&uploads->lock);
}

ko_uploads *ko_uploads_free(ko_uploads *uploads)
{
    if (!uploads)
        return NULL;
    KO_ASSERT(ko_map_count(uploads->table) == uploads->idle_count); /* none is held */
    drop_chain(uploads->idle_first);
    ko_map_free(uploads->table);
    pthread_mutex_destroy(&uploads->lock);
    free(uploads);
    return NULL;
}

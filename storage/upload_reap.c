/* storage/upload_reap.c: takes away what clients have left lying: sessions nobody came back to, and
 * staging areas without a session (left by a crash, or by a deleted repository).
 *
 * A session is held while it is removed, like by a request; one that a request holds stays. */
#include "common/base/clock.h"
#include "storage/upload_priv.h"

#define PAGE 100 /* rows per look into the database */

typedef struct {
    ko_arena *arena;
    int64_t before_s;
    ko_meta_upload *rows;
    size_t count;
} idle_args;

static int list_idle(ko_meta_tx *tx, void *arg, ko_err *err)
{
    idle_args *a = arg;

    return ko_meta_upload_list_idle(tx, a->before_s, PAGE, a->arena, &a->rows, &a->count, err);
}

/* Removes one session and its bytes, unless a request holds it or has used it meanwhile. */
static int reap_session(ko_uploads *uploads, const char *id, int64_t before_s, bool *removed,
                        ko_err *err)
{
    ko_upload *upload = ko_upload_table_grab(uploads, id);

    *removed = false;
    if (!upload)
        return 0;
    if (atomic_load(&upload->loaded) && upload->row.touched_at_s >= before_s) {
        ko_upload_table_rest(upload);
        return 0;
    }
    int rc = ko_upload_remove(upload, err);
    *removed = rc == 0;
    ko_upload_table_remove(upload);
    ko_upload_drop(upload);
    return rc;
}

static int reap_sessions(ko_uploads *uploads, int64_t before_s, size_t *total, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    size_t removed_here;

    do { /* until a page brings nothing: what is held comes up again and again */
        idle_args args = {.arena = arena, .before_s = before_s};
        removed_here = 0;
        ko_arena_reset(arena);
        if (ko_meta_read(uploads->meta, list_idle, &args, err) < 0)
            return -1;
        for (size_t i = 0; i < args.count; i++) {
            bool removed;
            if (reap_session(uploads, args.rows[i].id, before_s, &removed, err) < 0)
                return -1;
            removed_here += removed;
        }
        *total += removed_here;
    } while (removed_here > 0);
    return 0;
}

typedef struct {
    ko_uploads *uploads;
    int64_t before_s;
    size_t total;
} orphan_walk;

typedef struct {
    ko_str id;
    bool exists;
} exists_args;

static int row_exists(ko_meta_tx *tx, void *arg, ko_err *err)
{
    exists_args *a = arg;

    return ko_meta_upload_exists(tx, a->id, &a->exists, err);
}

static int reap_orphan(void *arg, const ko_digest *digest, const char *stage_id, uint64_t size,
                       int64_t changed_at_s, ko_err *err)
{
    orphan_walk *w = arg;
    exists_args args = {.id = ko_str_of(stage_id)};

    (void)digest;
    (void)size;
    if (changed_at_s >= w->before_s || ko_upload_table_has(w->uploads, args.id))
        return 0;
    if (ko_meta_read(w->uploads->meta, row_exists, &args, err) < 0)
        return -1;
    if (args.exists)
        return 0;
    if (ko_blob_stage_discard(w->uploads->store, stage_id, err) < 0)
        return -1;
    w->total++;
    return 0;
}

int ko_uploads_reap(ko_uploads *uploads, uint64_t idle_s, uint64_t orphan_s, size_t *sessions,
                    size_t *orphans, ko_err *err)
{
    int64_t now = uploads->options.now_s();
    orphan_walk walk = {.uploads = uploads, .before_s = now - (int64_t)orphan_s};
    size_t removed = 0;

    int rc = reap_sessions(uploads, now - (int64_t)idle_s, &removed, err);
    if (sessions)
        *sessions += removed;
    if (rc < 0)
        return ko_err_ctx(err, "reap upload sessions");
    rc = ko_blob_walk(uploads->store, KO_BLOB_STAGED, reap_orphan, &walk, err);
    if (orphans)
        *orphans += walk.total;
    return rc < 0 ? ko_err_ctx(err, "reap staging areas") : 0;
}

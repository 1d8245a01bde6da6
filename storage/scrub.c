/* storage/scrub.c: the scrubber.
 *
 * It goes through the rows by id and remembers in the database how far it came, so that a pass over
 * a large store may take weeks and many restarts. Blobs pushed behind its position wait for the
 * next pass.
 *
 * A blob that was removed while it was read is no damage: the row is looked at again, inside the
 * write transaction in which the file is hidden. A file that reads wrong is read a second time
 * before anything is concluded, and once more when it is hidden: a push may have put a sound one in
 * its place meanwhile, which is then brought back. */
#include "storage/scrub.h"

#include "common/base/clock.h"
#include "storage/meta_blob.h"
#include "storage/meta_key.h"

#define PAGE     64
#define CHUNK    (256 * KO_KIB)
#define POSITION "scrub.after_id" /* 0: between two passes */
#define ENDED_AT "scrub.ended_at_s"

typedef struct {
    ko_meta *meta;
    ko_blob_store *store;
    const ko_scrub_options *options;
    ko_scrub_stats *stats;
    ko_arena *arena;
    int64_t after_id;
    ko_meta_blob *blobs;
    size_t count;
    bool stop;
} pass;

/* ---- One blob ---- */

static void paced(pass *p, uint64_t bytes)
{
    if (!p)
        return;
    p->stats->bytes += bytes;
    if (!p->stop && p->options->pause)
        p->stop = p->options->pause(p->options->pause_arg, bytes);
}

/* Hashes the whole blob; with a pass, at its pace, and given up when it is to stop. */
static int hash_blob(pass *p, ko_blob_reader *reader, ko_hash *hash, ko_err *err)
{
    uint64_t size = ko_blob_reader_size(reader);
    ko_autofree uint8_t *chunk = ko_xmalloc(CHUNK);

    for (uint64_t at = 0; at < size && !(p && p->stop);) {
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        if (ko_blob_read(reader, chunk, n, at, err) < 0)
            return -1;
        ko_hash_update(hash, chunk, n);
        at += n;
        paced(p, n);
    }
    return 0;
}

static int verify_reader(pass *p, ko_blob_reader *reader, const ko_digest *digest, ko_err *err)
{
    ko_autoptr(ko_hash) hash = ko_hash_new(digest->alg);
    ko_digest got;

    if (hash_blob(p, reader, hash, err) < 0)
        return -1;
    ko_digest_of_hash(hash, &got);
    if (!ko_digest_eq(&got, digest) && !(p && p->stop))
        return ko_err_set(err, KO_E_CORRUPT, "%s has the bytes of %s", digest->text, got.text);
    return 0;
}

static int verify(pass *p, ko_blob_store *store, const ko_digest *digest, ko_err *err)
{
    ko_autoptr(ko_blob_reader) reader = NULL;

    if (ko_blob_open(store, digest, &reader, err) < 0)
        return -1;
    return verify_reader(p, reader, digest, err);
}

int ko_scrub_blob(ko_blob_store *store, const ko_digest *digest, ko_err *err)
{
    return verify(NULL, store, digest, err);
}

int ko_scrub_quarantined(ko_blob_store *store, const ko_digest *digest, ko_err *err)
{
    ko_autoptr(ko_blob_reader) reader = NULL;

    if (ko_blob_open_quarantined(store, digest, &reader, err) < 0)
        return -1;
    return verify_reader(NULL, reader, digest, err);
}

/* ---- What was found ---- */

typedef struct {
    pass *p;
    const ko_digest *digest;
    bool hide;
    bool live; /* out: the row says that the blob should be there */
} finding;

/* In a write transaction: neither a collector nor an upload is in the middle of it. Hiding is a
 * change of every repository that has the blob: what they remember of it must not promise it. */
static int conclude(ko_meta_tx *tx, void *arg, ko_err *err)
{
    finding *f = arg;
    ko_meta_blob blob;
    ko_err local = KO_ERR_INIT;

    f->live = false;
    if (ko_meta_blob_find_any(tx, f->digest, &blob, &local) < 0)
        return local.code == KO_E_NOT_FOUND ? 0 : ko_err_set(err, local.code, "%s", local.text);
    f->live = blob.state == KO_META_BLOB_LIVE;
    if (!f->live || !f->hide)
        return 0;
    if (ko_meta_blob_touch(tx, f->digest, err) < 0)
        return -1;
    return ko_blob_quarantine(f->p->store, f->digest, err);
}

static int put_back(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const finding *f = arg;

    (void)tx; /* held so that no upload or collector is in the middle of it */
    return ko_blob_restore(f->p->store, f->digest, err);
}

static int note(pass *p, const ko_digest *digest, const ko_err *why, ko_err *err)
{
    bool damaged = why->code == KO_E_CORRUPT;
    finding f = {.p = p, .digest = digest, .hide = damaged && !p->options->keep_file};
    uint64_t size;

    if (ko_meta_write(p->meta, KO_META_LAZY, conclude, &f, err) < 0)
        return -1;
    if (!f.live)
        return 0;
    if (f.hide && ko_scrub_quarantined(p->store, digest, NULL) == 0)
        return ko_meta_write(p->meta, KO_META_LAZY, put_back, &f, err);
    if (why->code == KO_E_NOT_FOUND && ko_blob_stat(p->store, digest, &size, NULL) == 0)
        return 0; /* pushed anew since */
    if (damaged)
        p->stats->damaged++;
    else if (why->code == KO_E_NOT_FOUND)
        p->stats->missing++;
    else
        p->stats->unreadable++;
    if (p->options->report)
        p->options->report(p->options->report_arg, digest, why);
    return 0;
}

static int scrub_row(pass *p, const ko_meta_blob *blob, ko_err *err)
{
    ko_err why = KO_ERR_INIT;

    if (blob->state != KO_META_BLOB_LIVE)
        return 0;
    p->stats->blobs++;
    if (verify(p, p->store, &blob->digest, &why) == 0)
        return 0;
    if (why.code == KO_E_CORRUPT && verify(p, p->store, &blob->digest, &why) == 0)
        return 0;
    return note(p, &blob->digest, &why, err);
}

/* ---- The pass ---- */

static int list_page(ko_meta_tx *tx, void *arg, ko_err *err)
{
    pass *p = arg;

    return ko_meta_blob_list(tx, p->after_id, PAGE, p->arena, &p->blobs, &p->count, err);
}

/* A setting of ours: a number, 0 when it was never set. */
static int load_number(ko_meta_tx *tx, ko_str name, ko_arena *arena, int64_t *out, ko_err *err)
{
    ko_err local = KO_ERR_INIT;
    uint64_t value = 0;
    ko_str text;

    if (ko_meta_setting_get(tx, name, arena, &text, &local) < 0) {
        if (local.code != KO_E_NOT_FOUND)
            return ko_err_set(err, local.code, "%s", local.text);
    } else if (ko_parse_u64(text, INT64_MAX, &value, err) < 0) {
        return ko_err_ctx(err, "setting " KO_STR_FMT, KO_STR_ARG(name));
    }
    *out = (int64_t)value;
    return 0;
}

static int save_number(ko_meta_tx *tx, ko_str name, int64_t value, ko_err *err)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value); /* fits: 20 digits at most */
    return ko_meta_setting_set(tx, name, ko_str_of(text), err);
}

static int load_position(ko_meta_tx *tx, void *arg, ko_err *err)
{
    pass *p = arg;

    return load_number(tx, KO_STR(POSITION), p->arena, &p->after_id, err);
}

static int save_position(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const pass *p = arg;

    if (p->after_id == 0 && !p->stop &&
        save_number(tx, KO_STR(ENDED_AT), ko_clock_wall_s(), err) < 0)
        return -1;
    return save_number(tx, KO_STR(POSITION), p->after_id, err);
}

typedef struct {
    int64_t ended_at_s;
    int64_t after_id;
} last_pass;

static int load_last(ko_meta_tx *tx, void *arg, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    last_pass *last = arg;

    if (load_number(tx, KO_STR(ENDED_AT), arena, &last->ended_at_s, err) < 0)
        return -1;
    return load_number(tx, KO_STR(POSITION), arena, &last->after_id, err);
}

int ko_scrub_last(ko_meta *meta, int64_t *ended_at_s, bool *under_way, ko_err *err)
{
    last_pass last = {0};

    if (ko_meta_read(meta, load_last, &last, err) < 0)
        return -1;
    *ended_at_s = last.ended_at_s;
    *under_way = last.after_id > 0;
    return 0;
}

static int scrub_page(pass *p, ko_err *err)
{
    for (size_t i = 0; i < p->count; i++) {
        if (scrub_row(p, &p->blobs[i], err) < 0)
            return -1;
        if (p->stop) /* in the middle of this blob, perhaps: it is read again next time */
            return 0;
        p->after_id = p->blobs[i].id;
    }
    return 0;
}

int ko_scrub_run(ko_meta *meta, ko_blob_store *store, const ko_scrub_options *options,
                 ko_scrub_stats *stats, bool *done, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    pass p = {.meta = meta, .store = store, .options = options, .stats = stats, .arena = arena};

    if (options->resume && ko_meta_read(meta, load_position, &p, err) < 0)
        return -1;
    do {
        ko_arena_reset(arena);
        if (ko_meta_read(meta, list_page, &p, err) < 0 || scrub_page(&p, err) < 0)
            return ko_err_ctx(err, "scrub");
        if (!p.stop && p.count < PAGE)
            p.after_id = 0; /* the end: the next pass begins anew */
        if (options->resume && ko_meta_write(meta, KO_META_LAZY, save_position, &p, err) < 0)
            return ko_err_ctx(err, "scrub");
    } while (!p.stop && p.count == PAGE);
    if (done)
        *done = !p.stop;
    return 0;
}

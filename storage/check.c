/* storage/check.c: three passes: the database by itself, its blobs against the files, the files
 * against its blobs.
 *
 * The server may be at work meanwhile, so nothing is believed at first sight: before a missing file
 * is reported, row and file are looked at again in one write transaction, which no collector and no
 * commit of an upload can be in the middle of; and files and staged bytes count as left behind only
 * at an age that no push in progress has. */
#include "storage/check.h"

#include "storage/meta_blob.h"
#include "storage/meta_check.h"
#include "storage/meta_upload.h"
#include "storage/scrub.h"

#define PAGE  256
#define AGE_S (24 * 3600)

typedef struct {
    ko_meta *meta;
    ko_blob_store *store;
    const ko_check_options *options;
    ko_check_stats *stats;
    int64_t before_s; /* only what is older counts as left behind */
    ko_arena *arena;
    int64_t after_id;
    ko_meta_blob *blobs;
    size_t count;
} check;

static void found(const check *c, ko_check_kind kind, const char *subject, const char *text,
                  bool repaired)
{
    const ko_check_finding finding = {kind, subject, text, repaired};

    c->stats->found[kind]++;
    if (c->options->report)
        c->options->report(c->options->report_arg, &finding);
}

/* ---- The database by itself ---- */

static void found_problem(void *arg, const char *problem)
{
    found(arg, KO_CHECK_DATABASE, "", problem, false);
}

static int check_database(ko_meta_tx *tx, void *arg, ko_err *err)
{
    uint64_t problems = 0;

    return ko_meta_check(tx, found_problem, arg, &problems, err);
}

/* ---- Blobs against files ---- */

typedef struct {
    const check *c;
    const ko_meta_blob *blob;
    bool live;
    bool there;
    uint64_t size_bytes;
} second_look;

static int look_again(ko_meta_tx *tx, void *arg, ko_err *err)
{
    second_look *look = arg;
    ko_meta_blob now;
    ko_err local = KO_ERR_INIT;

    look->live = false;
    if (ko_meta_blob_find_any(tx, &look->blob->digest, &now, &local) < 0)
        return local.code == KO_E_NOT_FOUND ? 0 : ko_err_set(err, local.code, "%s", local.text);
    look->live = now.state == KO_META_BLOB_LIVE;
    look->there = ko_blob_stat(look->c->store, &look->blob->digest, &look->size_bytes, &local) == 0;
    if (!look->there && local.code != KO_E_NOT_FOUND)
        return ko_err_set(err, local.code, "%s", local.text);
    return 0;
}

static int suspect(const check *c, const ko_meta_blob *blob, ko_err *err)
{
    second_look look = {.c = c, .blob = blob};
    char text[96];

    if (ko_meta_write(c->meta, KO_META_LAZY, look_again, &look, err) < 0)
        return -1;
    if (!look.live || (look.there && look.size_bytes == blob->size_bytes))
        return 0;
    if (!look.there) {
        found(c, KO_CHECK_MISSING, blob->digest.text, "no file", false);
        return 0;
    }
    (void)snprintf(text, sizeof(text), "the file has %llu bytes, the database says %llu",
                   (unsigned long long)look.size_bytes, (unsigned long long)blob->size_bytes);
    found(c, KO_CHECK_SIZE, blob->digest.text, text, false);
    return 0;
}

static int check_blob(const check *c, const ko_meta_blob *blob, ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    uint64_t size = 0;

    if (blob->state != KO_META_BLOB_LIVE)
        return 0;
    c->stats->blobs++;
    c->stats->bytes += blob->size_bytes;
    if (ko_blob_stat(c->store, &blob->digest, &size, NULL) < 0 || size != blob->size_bytes)
        return suspect(c, blob, err);
    if (!c->options->deep || ko_scrub_blob(c->store, &blob->digest, &why) == 0)
        return 0;
    if (why.code == KO_E_NOT_FOUND)
        return suspect(c, blob, err);
    if (why.code != KO_E_CORRUPT)
        return ko_err_set(err, why.code, "%s", why.text);
    found(c, KO_CHECK_DAMAGED, blob->digest.text, why.text, false);
    return 0;
}

static int list_page(ko_meta_tx *tx, void *arg, ko_err *err)
{
    check *c = arg;

    return ko_meta_blob_list(tx, c->after_id, PAGE, c->arena, &c->blobs, &c->count, err);
}

static int check_blobs(check *c, ko_err *err)
{
    do {
        ko_arena_reset(c->arena);
        if (ko_meta_read(c->meta, list_page, c, err) < 0)
            return -1;
        for (size_t i = 0; i < c->count; i++) {
            if (check_blob(c, &c->blobs[i], err) < 0)
                return -1;
            c->after_id = c->blobs[i].id;
        }
    } while (c->count == PAGE);
    return 0;
}

/* ---- Files against blobs ---- */

typedef struct {
    const check *c;
    const ko_digest *digest;
    bool known;
} file_args;

/* In a write transaction when it repairs: no upload can be about to commit this file. */
static int judge_file(ko_meta_tx *tx, void *arg, ko_err *err)
{
    file_args *a = arg;
    ko_meta_blob blob;
    ko_err local = KO_ERR_INIT;

    a->known = ko_meta_blob_find_any(tx, a->digest, &blob, &local) == 0;
    if (a->known)
        return 0;
    if (local.code != KO_E_NOT_FOUND)
        return ko_err_set(err, local.code, "%s", local.text);
    return a->c->options->repair ? ko_blob_quarantine(a->c->store, a->digest, err) : 0;
}

static int check_file(void *arg, const ko_digest *digest, const char *stage_id, uint64_t size,
                      int64_t changed_at_s, ko_err *err)
{
    const check *c = arg;
    file_args args = {.c = c, .digest = digest};
    bool repair = c->options->repair;
    char text[48];

    (void)stage_id;
    c->stats->files++;
    if (changed_at_s >= c->before_s)
        return 0;
    int rc = repair ? ko_meta_write(c->meta, KO_META_LAZY, judge_file, &args, err)
                    : ko_meta_read(c->meta, judge_file, &args, err);
    if (rc < 0)
        return -1;
    if (args.known)
        return 0;
    if (repair && ko_blob_purge(c->store, digest, err) < 0)
        return -1;
    (void)snprintf(text, sizeof(text), "no row; %llu bytes", (unsigned long long)size);
    found(c, KO_CHECK_UNKNOWN, digest->text, text, repair);
    return 0;
}

typedef struct {
    ko_str id;
    bool exists;
} stage_args;

static int judge_stage(ko_meta_tx *tx, void *arg, ko_err *err)
{
    stage_args *a = arg;

    return ko_meta_upload_exists(tx, a->id, &a->exists, err);
}

static int check_stage(void *arg, const ko_digest *digest, const char *stage_id, uint64_t size,
                       int64_t changed_at_s, ko_err *err)
{
    const check *c = arg;
    stage_args args = {.id = ko_str_of(stage_id)};
    char text[48];

    (void)digest;
    if (changed_at_s >= c->before_s)
        return 0;
    if (ko_meta_read(c->meta, judge_stage, &args, err) < 0)
        return -1;
    if (args.exists)
        return 0;
    if (c->options->repair && ko_blob_stage_discard(c->store, stage_id, err) < 0)
        return -1;
    (void)snprintf(text, sizeof(text), "no upload session; %llu bytes", (unsigned long long)size);
    found(c, KO_CHECK_ABANDONED, stage_id, text, c->options->repair);
    return 0;
}

int ko_check_run(ko_meta *meta, ko_blob_store *store, const ko_check_options *options,
                 ko_check_stats *stats, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    uint64_t age_s = options->age_s ? options->age_s : AGE_S;
    check c = {.meta = meta,
               .store = store,
               .options = options,
               .stats = stats,
               .before_s = options->now_s - (int64_t)age_s,
               .arena = arena};

    if (ko_meta_read(meta, check_database, &c, err) < 0 || check_blobs(&c, err) < 0 ||
        ko_blob_walk(store, KO_BLOB_LIVE, check_file, &c, err) < 0 ||
        ko_blob_walk(store, KO_BLOB_STAGED, check_stage, &c, err) < 0)
        return ko_err_ctx(err, "check");
    return 0;
}

/* ---- Reports ---- */

const char *ko_check_kind_name(ko_check_kind kind)
{
    static const char *const names[] = {
#define X(name, word, fault) word,
        KO_CHECK_KINDS(X)
#undef X
    };
    return names[kind];
}

uint64_t ko_check_faults(const ko_check_stats *stats)
{
    uint64_t sum = 0;

#define X(name, word, fault) sum += (fault) ? stats->found[KO_CHECK_##name] : 0;
    KO_CHECK_KINDS(X)
#undef X
    return sum;
}

void ko_check_print(const ko_check_finding *finding, bool json, ko_buf *out)
{
    const char *kind = ko_check_kind_name(finding->kind);

    if (!json) {
        ko_buf_printf(out, "%s: %s%s%s%s\n", kind, finding->subject, *finding->subject ? ": " : "",
                      finding->text, finding->repaired ? " (removed)" : "");
        return;
    }
    ko_buf_printf(out, "{\"kind\":\"%s\",\"subject\":", kind);
    ko_buf_put_json(out, ko_str_of(finding->subject));
    ko_buf_put_text(out, ",\"text\":");
    ko_buf_put_json(out, ko_str_of(finding->text));
    ko_buf_printf(out, ",\"repaired\":%s}\n", finding->repaired ? "true" : "false");
}

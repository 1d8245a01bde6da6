/* Garbage collection: what it takes, what it keeps, and that nobody who was promised a blob loses
 * it while pushes, mounts, deletes and collections go on at once. */
#include "storage/gc.h"

#include <pthread.h>

#include "storage/meta_manifest.h"
#include "storage/meta_tag.h"
#include "storage/scrub.h"
#include "tests/unit/storage/bed.h"

#define GRACE_S 50

static ko_gc_stats collect_at(bed *b, int64_t now_s)
{
    const ko_gc_options options = {.grace_s = GRACE_S};
    ko_gc_stats stats = {0};

    assert_int_equal(ko_gc_run_once(b->meta, b->store, &options, now_s, &stats, NULL), 0);
    return stats;
}

/* ---- One thing at a time ---- */

static void a_blob_without_manifest_stays_until_its_lease_ends(void **state)
{
    bed *b = *state;
    ko_digest d = bed_push(b, "lab/a", "lonely");

    collect_at(b, bed_now() + BED_LEASE_S - 1);
    assert_true(bed_linked(b, "lab/a", &d, NULL));
    ko_gc_stats s = collect_at(b, bed_now() + BED_LEASE_S + 1);
    assert_int_equal(s.unlinked, 1);
    assert_false(bed_linked(b, "lab/a", &d, NULL));
}

static void a_file_is_hidden_first_and_removed_after_the_grace_time(void **state)
{
    bed *b = *state;
    int64_t end = bed_now() + BED_LEASE_S + 1;
    ko_digest d = bed_push(b, "lab/a", "twelve bytes");

    ko_gc_stats s = collect_at(b, end);
    assert_int_equal(s.condemned, 1);
    assert_int_equal(s.quarantined, 1);
    assert_int_equal(s.purged, 0);
    assert_false(bed_stored(b, &d));
    assert_int_equal(bed_count(b, KO_BLOB_QUARANTINED), 1);
    s = collect_at(b, end + GRACE_S - 1);
    assert_int_equal(s.purged, 0);
    s = collect_at(b, end + GRACE_S + 1);
    assert_int_equal(s.purged, 1);
    assert_int_equal(s.purged_bytes, 12);
    assert_int_equal(bed_count(b, KO_BLOB_QUARANTINED), 0);
    assert_int_equal(bed_count(b, KO_BLOB_LIVE), 0);
}

static void a_blob_pushed_again_while_hidden_is_served_and_kept(void **state)
{
    bed *b = *state;
    int64_t end = bed_now() + BED_LEASE_S + 1;
    ko_digest d = bed_push(b, "lab/a", "back soon");

    collect_at(b, end);
    assert_false(bed_stored(b, &d));
    bed_now_s = end;
    bed_push(b, "lab/b", "back soon");
    assert_true(bed_stored(b, &d));
    collect_at(b, end + GRACE_S + 1);
    assert_true(bed_stored(b, &d));
    assert_true(bed_linked(b, "lab/b", &d, NULL));
    assert_int_equal(ko_gc_recover(b->meta, b->store, &(ko_gc_stats){0}, NULL), 0);
    assert_int_equal(bed_count(b, KO_BLOB_QUARANTINED), 0); /* the needless copy */
    assert_true(bed_stored(b, &d));
}

static void a_blob_of_two_repositories_stays_for_the_second(void **state)
{
    bed *b = *state;
    ko_digest d = bed_push(b, "lab/a", "shared");

    bed_now_s += BED_LEASE_S / 2;
    bed_push(b, "lab/b", "shared");
    collect_at(b, bed_now() + BED_LEASE_S / 2 + 1);
    assert_false(bed_linked(b, "lab/a", &d, NULL));
    assert_true(bed_linked(b, "lab/b", &d, NULL));
    assert_true(bed_stored(b, &d));
}

typedef struct {
    const ko_digest *blob;
    ko_digest manifest;
    bool tagged;
} image;

static int put_image(ko_meta_tx *tx, void *arg, ko_err *err)
{
    image *im = arg;
    ko_meta_repo repo;
    const ko_meta_by by = {7, bed_now_s};
    ko_str bytes = ko_str_of(im->blob->text); /* any bytes: the row is what counts here */

    ko_digest_of(KO_HASH_SHA256, bytes.ptr, bytes.len, &im->manifest);
    const ko_meta_manifest_spec spec = {.digest = &im->manifest,
                                        .media_type =
                                            KO_STR("application/vnd.oci.image.manifest.v1+json"),
                                        .artifact_type = KO_STR(""),
                                        .annotations = KO_STR(""),
                                        .bytes = bytes,
                                        .blobs = im->blob,
                                        .blob_count = 1};
    if (ko_meta_repo_find(tx, KO_STR("lab/a"), &repo, err) < 0 ||
        ko_meta_manifest_put(tx, &repo, &spec, by, NULL, err) < 0)
        return -1;
    return im->tagged ? ko_meta_tag_set(tx, &repo, KO_STR("latest"), &im->manifest, NULL, by, err)
                      : 0;
}

static int delete_image(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const image *im = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_repo repo;
    ko_str *tags;
    size_t count;

    if (ko_meta_repo_find(tx, KO_STR("lab/a"), &repo, err) < 0)
        return -1;
    return ko_meta_manifest_delete(tx, &repo, &im->manifest, (ko_meta_by){7, bed_now_s}, arena,
                                   &tags, &count, err);
}

static void a_blob_of_a_manifest_stays_until_the_manifest_is_deleted(void **state)
{
    bed *b = *state;
    int64_t late = bed_now() + 100 * BED_LEASE_S;
    ko_digest d = bed_push(b, "lab/a", "layer");
    image im = {.blob = &d, .tagged = true};

    assert_int_equal(ko_meta_write(b->meta, KO_META_LAZY, put_image, &im, NULL), 0);
    collect_at(b, late);
    assert_true(bed_linked(b, "lab/a", &d, NULL));
    bed_now_s = late;
    assert_int_equal(ko_meta_write(b->meta, KO_META_LAZY, delete_image, &im, NULL), 0);
    collect_at(b, late + BED_LEASE_S + 1);
    assert_false(bed_linked(b, "lab/a", &d, NULL));
    collect_at(b, late + 2 * BED_LEASE_S + GRACE_S);
    assert_int_equal(bed_count(b, KO_BLOB_LIVE), 0);
}

static void untagged_manifests_go_only_by_policy(void **state)
{
    bed *b = *state;
    int64_t late = bed_now() + 100 * BED_LEASE_S;
    ko_digest d = bed_push(b, "lab/a", "layer");
    image im = {.blob = &d};
    const ko_gc_options policy = {.grace_s = GRACE_S, .untagged_keep_s = 10};
    ko_gc_stats stats = {0};

    assert_int_equal(ko_meta_write(b->meta, KO_META_LAZY, put_image, &im, NULL), 0);
    assert_int_equal(collect_at(b, late).deleted, 0);
    assert_int_equal(ko_gc_run_once(b->meta, b->store, &policy, late, &stats, NULL), 0);
    assert_int_equal(stats.deleted, 0); /* the time counts from when the policy came */
    assert_int_equal(ko_gc_run_once(b->meta, b->store, &policy, late + 11, &stats, NULL), 0);
    assert_int_equal(stats.deleted, 1);
}

static void a_dry_run_says_what_could_go_and_changes_nothing(void **state)
{
    bed *b = *state;
    ko_gc_preview p = {0};
    ko_digest d = bed_push(b, "lab/a", "would go");

    assert_int_equal(ko_gc_dry_run(b->meta, bed_now(), &p, NULL), 0);
    assert_int_equal(p.estimate.blobs, 0);
    assert_int_equal(ko_gc_dry_run(b->meta, bed_now() + BED_LEASE_S, &p, NULL), 0);
    assert_int_equal(p.estimate.blobs, 1);
    assert_int_equal(p.estimate.bytes, 8);
    assert_true(bed_linked(b, "lab/a", &d, NULL));
    assert_true(bed_stored(b, &d));
}

static bool stop_after(void *arg)
{
    return --*(int *)arg < 0;
}

static void a_run_can_be_stopped_between_two_units_and_taken_up_again(void **state)
{
    bed *b = *state;
    int budget = 3;
    const ko_gc_options options = {.grace_s = 0, .pause = stop_after, .pause_arg = &budget};
    ko_gc_stats stats = {0};
    char text[24];
    int64_t late = bed_now() + BED_LEASE_S + 1;

    for (int i = 0; i < 10; i++) {
        (void)snprintf(text, sizeof(text), "blob %d", i);
        bed_push(b, "lab/a", text);
    }
    assert_int_equal(ko_gc_run_once(b->meta, b->store, &options, late, &stats, NULL), 0);
    assert_int_equal(stats.reviewed, 3);
    for (int i = 0; i < 20 && bed_count(b, KO_BLOB_LIVE) > 0; i++) {
        budget = 5;
        assert_int_equal(ko_gc_run_once(b->meta, b->store, &options, late, &stats, NULL), 0);
    }
    assert_int_equal(bed_count(b, KO_BLOB_LIVE), 0);
}

static int refuse(ko_meta_tx *tx, void *arg, ko_err *err)
{
    (void)tx;
    (void)arg;
    return ko_err_set(err, KO_E_DENIED, "over quota");
}

/* Whoever has no room left would fill the disk with files that nobody accounts for. */
static void a_file_whose_commit_was_refused_is_collected(void **state)
{
    bed *b = *state;
    const ko_gc_options options = {.grace_s = 0};
    ko_digest d = bed_digest("too much");

    assert_int_equal(
        ko_upload_once(b->uploads, KO_STR("lab/a"), &d, "too much", 8, refuse, NULL, NULL), -1);
    assert_int_equal(
        ko_gc_run_once(b->meta, b->store, &options, bed_now(), &(ko_gc_stats){0}, NULL), 0);
    assert_int_equal(bed_count(b, KO_BLOB_LIVE) + bed_count(b, KO_BLOB_QUARANTINED), 0);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
}

static void a_refused_commit_takes_nothing_from_those_who_have_the_blob(void **state)
{
    bed *b = *state;
    const ko_gc_options options = {.grace_s = 0};
    ko_digest d = bed_push(b, "lab/b", "shared");

    assert_int_equal(
        ko_upload_once(b->uploads, KO_STR("lab/a"), &d, "shared", 6, refuse, NULL, NULL), -1);
    assert_int_equal(
        ko_gc_run_once(b->meta, b->store, &options, bed_now(), &(ko_gc_stats){0}, NULL), 0);
    assert_true(bed_stored(b, &d));
    assert_true(bed_linked(b, "lab/b", &d, NULL));
}

/* ---- Recovery ---- */

static void recovery_brings_back_sound_files_of_live_rows(void **state)
{
    bed *b = *state;
    ko_gc_stats stats = {0};
    ko_digest d = bed_push(b, "lab/a", "sound");

    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    assert_int_equal(ko_gc_recover(b->meta, b->store, &stats, NULL), 0);
    assert_int_equal(stats.restored, 1);
    assert_true(bed_stored(b, &d));
}

static void recovery_leaves_damaged_files_hidden(void **state)
{
    bed *b = *state;
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_gc_stats stats = {0};
    ko_digest d = bed_push(b, "lab/a", "damaged");

    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    assert_int_equal(ko_blob_purge(b->store, &d, NULL), 0);
    assert_int_equal(ko_blob_stage_new(b->store, "bad", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "d_maged", 7, NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    assert_int_equal(ko_gc_recover(b->meta, b->store, &stats, NULL), 0);
    assert_int_equal(stats.restored, 0);
    assert_false(bed_stored(b, &d));
}

typedef struct {
    bed *bed;
    const ko_digest *digest;
    atomic_bool stop;
    bool seen;
} watch;

static void *watch_for(void *arg)
{
    watch *w = arg;

    while (!w->stop)
        w->seen = bed_stored(w->bed, w->digest) || w->seen;
    return NULL;
}

/* Shown for a moment, it would be served, and a push of the sound bytes would rely on it. */
static void recovery_never_shows_a_damaged_file(void **state)
{
    bed *b = *state;
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_digest d = bed_push(b, "lab/a", "to be replaced");
    ko_autofree char *zeros = ko_xcalloc(1, KO_MIB);
    watch w = {.bed = b, .digest = &d};
    pthread_t watcher;

    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    assert_int_equal(ko_blob_purge(b->store, &d, NULL), 0);
    assert_int_equal(ko_blob_stage_new(b->store, "bad", &stage, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ko_blob_stage_append(stage, zeros, KO_MIB, NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    assert_int_equal(pthread_create(&watcher, NULL, watch_for, &w), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(ko_gc_recover(b->meta, b->store, &(ko_gc_stats){0}, NULL), 0);
    w.stop = true;
    assert_int_equal(pthread_join(watcher, NULL), 0);
    assert_false(w.seen);
    assert_int_equal(bed_count(b, KO_BLOB_QUARANTINED), 1);
}

static void recovery_removes_hidden_files_without_a_row(void **state)
{
    bed *b = *state;
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_gc_stats stats = {0};
    ko_digest d = bed_digest("nobody's");

    assert_int_equal(ko_blob_stage_new(b->store, "left", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, "nobody's", 8, NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, &d, NULL), 0);
    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    assert_int_equal(ko_gc_recover(b->meta, b->store, &stats, NULL), 0);
    assert_int_equal(stats.purged, 1);
    assert_int_equal(bed_count(b, KO_BLOB_QUARANTINED), 0);
}

/* ---- All at once ---- */

#define CONTENTS 6
#define REPOS    2
#define OPS      250

/* What was promised to the client that uses one blob in one repository. The lock makes that client
 * one: it does not delete what it is about to check. Other repositories share the blob freely. */
typedef struct {
    pthread_mutex_t lock;
    int64_t leased_until_s;
} promise;

typedef struct {
    bed *bed;
    promise promises[REPOS][CONTENTS];
    atomic_bool stop;
    atomic_uint seed;
    atomic_uint broken;
    atomic_uint absent; /* deletes that found nothing */
} storm;

static const char *const repo_names[REPOS] = {"lab/a", "lab/b"};

static void content(unsigned i, char out[static 32])
{
    (void)snprintf(out, 32, "contested content %u", i);
}

typedef struct {
    const char *repo;
    const ko_digest *digest;
} mount_args;

/* A mount, and a HEAD that is answered 200, do the same: link and lease. */
static int mount(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const mount_args *a = arg;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, ko_str_of(a->repo), &repo, err) < 0)
        return -1;
    return ko_meta_blob_link(tx, &repo, a->digest, bed_now_s + BED_LEASE_S, NULL, err);
}

static bool act(storm *s, const char *repo, const ko_digest *d, const char *text, unsigned what)
{
    mount_args args = {repo, d};

    if (what < 5)
        return ko_upload_once(s->bed->uploads, ko_str_of(repo), d, text, strlen(text), NULL, NULL,
                              NULL) == 0;
    return ko_meta_write(s->bed->meta, KO_META_DURABLE, mount, &args, NULL) == 0;
}

static void *client(void *arg)
{
    storm *s = arg;
    unsigned seed = atomic_fetch_add(&s->seed, 1);
    char text[32];

    for (int op = 0; op < OPS; op++) {
        unsigned r = (unsigned)rand_r(&seed) % REPOS;
        unsigned c = (unsigned)rand_r(&seed) % CONTENTS;
        unsigned what = (unsigned)rand_r(&seed) % 10;
        promise *p = &s->promises[r][c];
        content(c, text);
        ko_digest d = bed_digest(text);
        pthread_mutex_lock(&p->lock);
        if (what < 7) {
            int64_t now = bed_now_s;
            if (act(s, repo_names[r], &d, text, what) && p->leased_until_s < now + BED_LEASE_S)
                p->leased_until_s = now + BED_LEASE_S;
        } else if (what == 7) {
            p->leased_until_s = 0;
            if (bed_unlink(s->bed, repo_names[r], &d, NULL) < 0)
                atomic_fetch_add(&s->absent, 1);
        } else if (!bed_linked(s->bed, repo_names[r], &d, NULL) || !bed_stored(s->bed, &d)) {
            /* Missing: then the lease must be over by now. */
            if (p->leased_until_s > bed_now_s)
                atomic_fetch_add(&s->broken, 1);
        }
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

static void *collector(void *arg)
{
    storm *s = arg;
    const ko_gc_options options = {.grace_s = 0};
    ko_gc_stats stats = {0};

    while (!s->stop) {
        bed_now_s += BED_LEASE_S / 4;
        if (ko_gc_run_once(s->bed->meta, s->bed->store, &options, bed_now_s, &stats, NULL) < 0)
            atomic_fetch_add(&s->broken, 1);
    }
    return NULL;
}

/* What a starting server and the scrubber do, over and over. */
static void *keeper(void *arg)
{
    storm *s = arg;
    const ko_scrub_options options = {0};

    while (!s->stop) {
        ko_scrub_stats scrubbed = {0};
        if (ko_gc_recover(s->bed->meta, s->bed->store, &(ko_gc_stats){0}, NULL) < 0 ||
            ko_scrub_run(s->bed->meta, s->bed->store, &options, &scrubbed, NULL, NULL) < 0 ||
            scrubbed.damaged > 0)
            atomic_fetch_add(&s->broken, 1);
    }
    return NULL;
}

static void nobody_loses_a_promised_blob_while_everything_happens_at_once(void **state)
{
    storm s = {.bed = *state};
    pthread_t clients[3];
    pthread_t gc;
    pthread_t keep;

    for (unsigned r = 0; r < REPOS; r++)
        for (unsigned c = 0; c < CONTENTS; c++)
            pthread_mutex_init(&s.promises[r][c].lock, NULL);
    assert_int_equal(pthread_create(&gc, NULL, collector, &s), 0);
    assert_int_equal(pthread_create(&keep, NULL, keeper, &s), 0);
    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
        assert_int_equal(pthread_create(&clients[i], NULL, client, &s), 0);
    for (size_t i = 0; i < KO_ARRAY_LEN(clients); i++)
        pthread_join(clients[i], NULL);
    s.stop = true;
    pthread_join(gc, NULL);
    pthread_join(keep, NULL);
    assert_int_equal(s.broken, 0);
    for (unsigned r = 0; r < REPOS; r++)
        for (unsigned c = 0; c < CONTENTS; c++)
            pthread_mutex_destroy(&s.promises[r][c].lock);
    assert_int_equal(bed_count(s.bed, KO_BLOB_STAGED), 0);
}

#define BOTH(T)                                                                                    \
    T(a_blob_without_manifest_stays_until_its_lease_ends),                                         \
        T(a_file_is_hidden_first_and_removed_after_the_grace_time),                                \
        T(a_blob_pushed_again_while_hidden_is_served_and_kept),                                    \
        T(a_blob_of_two_repositories_stays_for_the_second),                                        \
        T(a_blob_of_a_manifest_stays_until_the_manifest_is_deleted),                               \
        T(untagged_manifests_go_only_by_policy), T(a_file_whose_commit_was_refused_is_collected),  \
        T(a_refused_commit_takes_nothing_from_those_who_have_the_blob),                            \
        T(a_dry_run_says_what_could_go_and_changes_nothing),                                       \
        T(a_run_can_be_stopped_between_two_units_and_taken_up_again),                              \
        T(recovery_brings_back_sound_files_of_live_rows), T(recovery_leaves_damaged_files_hidden), \
        T(recovery_never_shows_a_damaged_file), T(recovery_removes_hidden_files_without_a_row),    \
        T(nobody_loses_a_promised_blob_while_everything_happens_at_once)

#define DISK(test)   cmocka_unit_test_setup_teardown(test, bed_setup_disk, bed_teardown)
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, bed_setup_memory, bed_teardown)

int main(void)
{
    const struct CMUnitTest disk[] = {BOTH(DISK)};
    const struct CMUnitTest memory[] = {BOTH(MEMORY)};
    int failed = cmocka_run_group_tests_name("disk", disk, NULL, NULL);

    return failed + cmocka_run_group_tests_name("memory", memory, NULL, NULL);
}

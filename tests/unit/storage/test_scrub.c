/* Scrubbing: damage is found, hidden and healed by the next push; nothing sound is touched. */
#include "storage/scrub.h"

#include <fcntl.h>

#include "common/base/fd.h"
#include "tests/unit/storage/bed.h"

typedef struct {
    size_t count;
    ko_err_code last;
} reports;

static void note(void *arg, const ko_digest *digest, const ko_err *why)
{
    reports *r = arg;

    assert_non_null(digest);
    r->count++;
    r->last = why->code;
}

/* Turns one byte of the stored file around. */
static void damage(const bed *b, const ko_digest *d)
{
    char path[512];
    char byte = 0;

    (void)snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", b->dir, ko_digest_hex(d),
                   ko_digest_hex(d));
    ko_autofd fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 1), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 1), 1);
}

static ko_scrub_stats scrub(bed *b, const ko_scrub_options *options, bool *done)
{
    ko_scrub_stats stats = {0};

    assert_int_equal(ko_scrub_run(b->meta, b->store, options, &stats, done, NULL), 0);
    return stats;
}

static void a_sound_store_passes_with_every_byte_read(void **state)
{
    bed *b = *state;
    reports r = {0};
    bool done = false;
    const ko_scrub_options options = {.report = note, .report_arg = &r};

    bed_push(b, "lab/a", "12345");
    bed_push(b, "lab/b", "1234567");
    ko_scrub_stats s = scrub(b, &options, &done);
    assert_true(done);
    assert_int_equal(s.blobs, 2);
    assert_int_equal(s.bytes, 12);
    assert_int_equal(s.damaged + s.missing + s.unreadable + r.count, 0);
}

static void a_damaged_blob_is_hidden_and_the_next_push_heals_it(void **state)
{
    bed *b = *state;
    reports r = {0};
    const ko_scrub_options options = {.report = note, .report_arg = &r};
    ko_digest good = bed_push(b, "lab/a", "untouched");
    ko_digest bad = bed_push(b, "lab/a", "to be damaged");

    damage(b, &bad);
    ko_scrub_stats s = scrub(b, &options, NULL);
    assert_int_equal(s.damaged, 1);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.last, KO_E_CORRUPT);
    assert_false(bed_stored(b, &bad));
    assert_true(bed_stored(b, &good));
    bed_push(b, "lab/a", "to be damaged");
    assert_int_equal(ko_scrub_blob(b->store, &bad, NULL), 0);
}

static void damage_may_be_reported_only(void **state)
{
    bed *b = *state;
    const ko_scrub_options options = {.keep_file = true};
    ko_digest bad = bed_push(b, "lab/a", "to be damaged");
    ko_err err = KO_ERR_INIT;

    damage(b, &bad);
    assert_int_equal(scrub(b, &options, NULL).damaged, 1);
    assert_true(bed_stored(b, &bad));
    assert_int_equal(ko_scrub_blob(b->store, &bad, &err), -1);
    assert_int_equal(err.code, KO_E_CORRUPT);
}

static void a_missing_file_is_told_apart_from_damage(void **state)
{
    bed *b = *state;
    reports r = {0};
    const ko_scrub_options options = {.report = note, .report_arg = &r};
    ko_digest d = bed_push(b, "lab/a", "to be lost");

    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    ko_scrub_stats s = scrub(b, &options, NULL);
    assert_int_equal(s.missing, 1);
    assert_int_equal(s.damaged, 0);
    assert_int_equal(r.last, KO_E_NOT_FOUND);
}

static bool stop_after(void *arg, uint64_t bytes)
{
    assert_true(bytes > 0);
    return --*(int *)arg <= 0;
}

static void a_pass_goes_on_where_it_stopped(void **state)
{
    bed *b = *state;
    int budget = 0;
    const ko_scrub_options options = {.resume = true, .pause = stop_after, .pause_arg = &budget};
    bool done = false;
    char text[24];
    uint64_t blobs = 0;
    int passes = 0;
    int64_t ended_at_s = -1;
    bool under_way = true;

    assert_int_equal(ko_scrub_last(b->meta, &ended_at_s, &under_way, NULL), 0);
    assert_int_equal(ended_at_s, 0);
    assert_false(under_way);
    for (int i = 0; i < 9; i++) {
        (void)snprintf(text, sizeof(text), "blob %d", i);
        bed_push(b, "lab/a", text);
    }
    while (!done) {
        budget = 4; /* the blob at which it stops is read again */
        blobs += scrub(b, &options, &done).blobs;
        assert_true(++passes < 10);
        assert_int_equal(ko_scrub_last(b->meta, &ended_at_s, &under_way, NULL), 0);
        assert_int_equal(under_way, !done);
    }
    assert_int_equal(passes, 3);
    assert_int_equal(ko_scrub_last(b->meta, &ended_at_s, &under_way, NULL), 0);
    assert_true(ended_at_s > 0 && !under_way);
    assert_int_equal(blobs, 9 + 2);
    budget = 100;
    assert_int_equal(scrub(b, &options, &done).blobs, 9); /* and from the beginning */
}

typedef struct {
    bed *bed;
    int reads;
} rival;

/* After the second reading, before anything is concluded, a client pushes the blob again. */
static bool push_after_two_reads(void *arg, uint64_t bytes)
{
    rival *r = arg;

    (void)bytes;
    if (++r->reads == 2)
        bed_push(r->bed, "lab/b", "cut short");
    return false;
}

static void a_sound_copy_pushed_while_a_damaged_one_was_read_stays(void **state)
{
    bed *b = *state;
    rival r = {.bed = b};
    const ko_scrub_options options = {.pause = push_after_two_reads, .pause_arg = &r};
    ko_digest d = bed_push(b, "lab/a", "cut short");
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/blobs/sha256/%.2s/%s", b->dir, ko_digest_hex(&d),
                   ko_digest_hex(&d));
    assert_int_equal(truncate(path, 4), 0);
    ko_scrub_stats s = scrub(b, &options, NULL);
    assert_int_equal(s.damaged, 0);
    assert_true(bed_stored(b, &d));
    assert_int_equal(ko_scrub_blob(b->store, &d, NULL), 0);
}

/* Caches answer "exists" as long as the generation is the same. */
static void hiding_a_blob_is_a_change_of_its_repositories(void **state)
{
    bed *b = *state;
    const ko_scrub_options options = {0};
    ko_digest d = bed_push(b, "lab/a", "in two places");

    bed_push(b, "lab/b", "in two places");
    uint64_t first = ko_meta_generation_repo(b->meta, KO_STR("lab/a"));
    uint64_t second = ko_meta_generation_repo(b->meta, KO_STR("lab/b"));
    damage(b, &d);
    assert_int_equal(scrub(b, &options, NULL).damaged, 1);
    assert_int_not_equal(ko_meta_generation_repo(b->meta, KO_STR("lab/a")), first);
    assert_int_not_equal(ko_meta_generation_repo(b->meta, KO_STR("lab/b")), second);
}

#define DISK(test) cmocka_unit_test_setup_teardown(test, bed_setup_disk, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISK(a_sound_store_passes_with_every_byte_read),
        DISK(a_damaged_blob_is_hidden_and_the_next_push_heals_it),
        DISK(damage_may_be_reported_only),
        DISK(a_missing_file_is_told_apart_from_damage),
        DISK(a_pass_goes_on_where_it_stopped),
        DISK(a_sound_copy_pushed_while_a_damaged_one_was_read_stays),
        DISK(hiding_a_blob_is_a_change_of_its_repositories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

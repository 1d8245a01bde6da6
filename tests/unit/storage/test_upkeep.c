/* The upkeep thread: it does its chores by itself, when kicked, and stops at once. */
#include "storage/upkeep.h"

#include <poll.h>

#include "tests/unit/storage/bed.h"

#define HOUR_MS (3600 * 1000)

static ko_upkeep *start(bed *b, ko_upkeep_options options)
{
    ko_upkeep *upkeep = NULL;

    options.meta = b->meta;
    options.store = b->store;
    options.uploads = b->uploads;
    assert_int_equal(ko_upkeep_start(&options, &upkeep, NULL), 0);
    return upkeep;
}

typedef bool condition(const ko_upkeep_stats *totals);

static bool has_collected(const ko_upkeep_stats *totals)
{
    return totals->gc_runs > 0;
}

static bool has_scrubbed(const ko_upkeep_stats *totals)
{
    return totals->scrub_passes > 0;
}

static bool has_reaped(const ko_upkeep_stats *totals)
{
    return totals->sessions_reaped > 0;
}

static bool has_restored(const ko_upkeep_stats *totals)
{
    return totals->gc.restored > 0;
}

/* Looks every millisecond, for up to ten seconds. */
static bool comes_true(ko_upkeep *upkeep, condition *met)
{
    ko_upkeep_stats totals;

    for (int i = 0; i < 10000; i++) {
        ko_upkeep_totals(upkeep, &totals);
        if (met(&totals))
            return true;
        (void)poll(NULL, 0, 1);
    }
    return false;
}

static void it_stops_at_once_with_long_intervals(void **state)
{
    uint64_t before = ko_clock_mono_ms();

    ko_upkeep_free(start(*state, (ko_upkeep_options){.gc_interval_ms = HOUR_MS,
                                                     .reap_interval_ms = HOUR_MS,
                                                     .scrub_interval_ms = HOUR_MS}));
    ko_upkeep_free(start(*state, (ko_upkeep_options){0}));
    assert_true(ko_clock_mono_ms() - before < 5000);
}

static void a_kick_collects_without_waiting(void **state)
{
    ko_autoptr(ko_upkeep) upkeep = start(*state, (ko_upkeep_options){.gc_interval_ms = HOUR_MS});

    ko_upkeep_kick(upkeep);
    assert_true(comes_true(upkeep, has_collected));
}

static void a_kick_works_also_when_collection_has_no_interval(void **state)
{
    ko_autoptr(ko_upkeep) upkeep = start(*state, (ko_upkeep_options){0});

    ko_upkeep_kick(upkeep);
    assert_true(comes_true(upkeep, has_collected));
}

static void chores_run_at_their_intervals(void **state)
{
    bed *b = *state;
    ko_upload *up = NULL;

    bed_now_s += 1000; /* of the uploads: the session looks idle to them at once */
    assert_int_equal(ko_upload_begin(b->uploads, KO_STR("lab/a"), 0, KO_HASH_SHA256,
                                     KO_UPLOAD_RESUMABLE, &up, NULL),
                     0);
    ko_upload_release(up);
    bed_now_s += 1000;
    ko_autoptr(ko_upkeep) upkeep = start(b, (ko_upkeep_options){.gc_interval_ms = 1,
                                                                .reap_interval_ms = 1,
                                                                .upload_idle_s = 10,
                                                                .scrub_interval_ms = 1});
    bed_push(b, "lab/a", "read me");
    assert_true(comes_true(upkeep, has_collected));
    assert_true(comes_true(upkeep, has_scrubbed));
    assert_true(comes_true(upkeep, has_reaped));
}

static void collection_goes_on_while_a_slow_scrub_is_under_way(void **state)
{
    bed *b = *state;
    char text[24];

    for (int i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof(text), "blob %d", i);
        bed_push(b, "lab/a", text);
    }
    ko_autoptr(ko_upkeep) upkeep =
        start(b, (ko_upkeep_options){.gc_interval_ms = 50,
                                     .scrub_interval_ms = 1,
                                     .scrub_bytes_per_s = 60}); /* two seconds in all */
    assert_true(comes_true(upkeep, has_collected));
    ko_upkeep_stats totals;
    ko_upkeep_totals(upkeep, &totals);
    assert_int_equal(totals.scrub_passes, 0);
}

static void a_change_of_intervals_takes_effect_at_once(void **state)
{
    bed *b = *state;
    ko_upkeep_options options = {.gc_interval_ms = HOUR_MS, .scrub_interval_ms = HOUR_MS};
    ko_autoptr(ko_upkeep) upkeep = start(b, options);

    options = (ko_upkeep_options){
        .meta = b->meta, .store = b->store, .uploads = b->uploads, .gc_interval_ms = 1};
    ko_upkeep_change(upkeep, &options);
    assert_true(comes_true(upkeep, has_collected));
}

static void changes_in_quick_succession_put_nothing_off(void **state)
{
    bed *b = *state;
    const ko_upkeep_options options = {
        .meta = b->meta, .store = b->store, .uploads = b->uploads, .gc_interval_ms = 300};
    ko_autoptr(ko_upkeep) upkeep = start(b, options);
    ko_upkeep_stats totals = {0};

    for (int i = 0; i < 10000 && totals.gc_runs == 0; i++) {
        ko_upkeep_change(upkeep, &options);
        (void)poll(NULL, 0, 1);
        ko_upkeep_totals(upkeep, &totals);
    }
    assert_true(totals.gc_runs > 0);
}

static void a_change_ends_a_scrub_that_is_not_wanted_any_more(void **state)
{
    bed *b = *state;
    ko_upkeep_options options = {.scrub_interval_ms = 1, .scrub_bytes_per_s = 60};
    ko_upkeep_stats totals;
    char text[24];

    for (int i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof(text), "blob %d", i);
        bed_push(b, "lab/a", text);
    }
    ko_autoptr(ko_upkeep) upkeep = start(b, options);
    options = (ko_upkeep_options){
        .meta = b->meta, .store = b->store, .uploads = b->uploads, .gc_interval_ms = 1};
    ko_upkeep_change(upkeep, &options);
    assert_true(comes_true(upkeep, has_collected));
    ko_upkeep_totals(upkeep, &totals);
    assert_int_equal(totals.scrub_passes, 0);
}

static bool nothing_scrubbed(const ko_upkeep_stats *totals)
{
    return totals->scrub_passes == 0;
}

static void the_time_of_the_last_scrub_outlives_the_thread(void **state)
{
    bed *b = *state;
    const ko_upkeep_options daily = {.scrub_interval_ms = 24ULL * HOUR_MS};

    bed_push(b, "lab/a", "read me");
    ko_autoptr(ko_upkeep) first = start(b, daily); /* never done before: due at once */
    assert_true(comes_true(first, has_scrubbed));
    first = ko_upkeep_free(first);
    ko_autoptr(ko_upkeep) second = start(b, daily);
    ko_upkeep_kick(second); /* what is due goes first, so after a collection it had its chance */
    assert_true(comes_true(second, has_collected));
    assert_true(comes_true(second, nothing_scrubbed));
}

static void it_begins_by_putting_the_quarantine_in_order(void **state)
{
    bed *b = *state;
    ko_digest d = bed_push(b, "lab/a", "wanted");

    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    ko_autoptr(ko_upkeep) upkeep = start(b, (ko_upkeep_options){0});
    assert_true(comes_true(upkeep, has_restored));
    assert_true(bed_stored(b, &d));
}

#define MEMORY(test) cmocka_unit_test_setup_teardown(test, bed_setup_memory, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMORY(it_stops_at_once_with_long_intervals),
        MEMORY(a_kick_collects_without_waiting),
        MEMORY(a_kick_works_also_when_collection_has_no_interval),
        MEMORY(chores_run_at_their_intervals),
        MEMORY(collection_goes_on_while_a_slow_scrub_is_under_way),
        MEMORY(a_change_of_intervals_takes_effect_at_once),
        MEMORY(changes_in_quick_succession_put_nothing_off),
        MEMORY(a_change_ends_a_scrub_that_is_not_wanted_any_more),
        MEMORY(the_time_of_the_last_scrub_outlives_the_thread),
        MEMORY(it_begins_by_putting_the_quarantine_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

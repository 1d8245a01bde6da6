/* The check of database against store, both ways. */
#include "storage/check.h"

#include "tests/unit/storage/bed.h"

#define OLD_S 100 /* what the tests call old enough to be left behind */

static ko_check_stats check(bed *b, bool deep, bool repair, int64_t later_s)
{
    const ko_check_options options = {
        .deep = deep, .repair = repair, .age_s = OLD_S, .now_s = ko_clock_wall_s() + later_s};
    ko_check_stats stats = {0};

    assert_int_equal(ko_check_run(b->meta, b->store, &options, &stats, NULL), 0);
    return stats;
}

static uint64_t findings(const ko_check_stats *stats)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < KO_CHECK_KIND_COUNT; i++)
        sum += stats->found[i];
    return sum;
}

/* Stages and publishes bytes behind the database's back, under any digest. */
static void plant(bed *b, const ko_digest *d, const char *text)
{
    ko_autoptr(ko_blob_stage) stage = NULL;

    assert_int_equal(ko_blob_stage_new(b->store, "plant", &stage, NULL), 0);
    assert_int_equal(ko_blob_stage_append(stage, text, strlen(text), NULL), 0);
    assert_int_equal(ko_blob_stage_publish(stage, d, NULL), 0);
    assert_int_equal(ko_blob_stage_discard(b->store, "plant", NULL), 0);
}

static void a_store_in_order_has_no_findings(void **state)
{
    bed *b = *state;

    bed_push(b, "lab/a", "one");
    bed_push(b, "lab/b", "two!");
    ko_check_stats s = check(b, true, false, 0);
    assert_int_equal(findings(&s), 0);
    assert_int_equal(s.blobs, 2);
    assert_int_equal(s.bytes, 7);
    assert_int_equal(s.files, 2);
}

static void a_row_without_file_is_a_fault(void **state)
{
    bed *b = *state;
    ko_digest d = bed_push(b, "lab/a", "lost");

    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    ko_check_stats s = check(b, false, false, 0);
    assert_int_equal(s.found[KO_CHECK_MISSING], 1);
    assert_int_equal(ko_check_faults(&s), 1);
}

static void a_file_of_another_size_is_a_fault(void **state)
{
    bed *b = *state;
    ko_digest d = bed_push(b, "lab/a", "whole");

    plant(b, &d, "part");
    ko_check_stats s = check(b, false, false, 0);
    assert_int_equal(s.found[KO_CHECK_SIZE], 1);
    assert_int_equal(ko_check_faults(&s), 1);
}

static void damage_is_found_when_looking_deep(void **state)
{
    bed *b = *state;
    ko_digest d = bed_push(b, "lab/a", "sound");

    assert_int_equal(ko_blob_quarantine(b->store, &d, NULL), 0);
    plant(b, &d, "s_und");
    ko_check_stats s = check(b, false, false, 0);
    assert_int_equal(findings(&s), 0);
    s = check(b, true, false, 0);
    assert_int_equal(s.found[KO_CHECK_DAMAGED], 1);
}

static void an_old_file_without_row_is_found_and_removed(void **state)
{
    bed *b = *state;
    ko_digest d = bed_digest("stray");
    ko_digest kept = bed_push(b, "lab/a", "kept");

    plant(b, &d, "stray");
    ko_check_stats s = check(b, false, true, 0);
    assert_int_equal(findings(&s), 0); /* it may be a push in progress */
    s = check(b, false, false, 2 * OLD_S);
    assert_int_equal(s.found[KO_CHECK_UNKNOWN], 1);
    assert_int_equal(ko_check_faults(&s), 0);
    assert_true(bed_stored(b, &d));
    s = check(b, false, true, 2 * OLD_S);
    assert_int_equal(s.found[KO_CHECK_UNKNOWN], 1);
    assert_false(bed_stored(b, &d));
    assert_true(bed_stored(b, &kept));
    s = check(b, false, true, 2 * OLD_S);
    assert_int_equal(findings(&s), 0);
}

static void staged_bytes_count_as_abandoned_only_without_a_session(void **state)
{
    bed *b = *state;
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_upload *up = NULL;

    assert_int_equal(ko_upload_begin(b->uploads, KO_STR("lab/a"), 0, KO_HASH_SHA256,
                                     KO_UPLOAD_RESUMABLE, &up, NULL),
                     0);
    assert_int_equal(ko_upload_append(up, "mine", 4, NULL), 0);
    ko_upload_release(up);
    assert_int_equal(ko_blob_stage_new(b->store, "nobodys", &stage, NULL), 0);
    ko_check_stats s = check(b, false, true, 2 * OLD_S);
    assert_int_equal(s.found[KO_CHECK_ABANDONED], 1);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 1);
}

static void findings_print_as_text_and_as_json(void **state)
{
    static const struct {
        ko_check_finding finding;
        const char *text;
        const char *json;
    } rows[] = {
        {{KO_CHECK_MISSING, "sha256:ab", "no file", false},
         "missing: sha256:ab: no file\n",
         "{\"kind\":\"missing\",\"subject\":\"sha256:ab\",\"text\":\"no file\","
         "\"repaired\":false}\n"},
        {{KO_CHECK_DATABASE, "", "tag \"x\"", false},
         "database: tag \"x\"\n",
         "{\"kind\":\"database\",\"subject\":\"\",\"text\":\"tag \\\"x\\\"\","
         "\"repaired\":false}\n"},
        {{KO_CHECK_ABANDONED, "id", "4 bytes", true},
         "abandoned: id: 4 bytes (removed)\n",
         "{\"kind\":\"abandoned\",\"subject\":\"id\",\"text\":\"4 bytes\",\"repaired\":true}\n"},
    };

    (void)state;
    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autobuf out;
        ko_buf_init(&out, 1024);
        ko_check_print(&rows[i].finding, false, &out);
        assert_string_equal(out.data, rows[i].text);
        ko_buf_reset(&out);
        ko_check_print(&rows[i].finding, true, &out);
        assert_string_equal(out.data, rows[i].json);
    }
}

#define DISK(test)   cmocka_unit_test_setup_teardown(test, bed_setup_disk, bed_teardown)
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, bed_setup_memory, bed_teardown)
#define BOTH(test)   DISK(test), MEMORY(test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_store_in_order_has_no_findings),
        BOTH(a_row_without_file_is_a_fault),
        BOTH(a_file_of_another_size_is_a_fault),
        BOTH(damage_is_found_when_looking_deep),
        BOTH(an_old_file_without_row_is_found_and_removed),
        BOTH(staged_bytes_count_as_abandoned_only_without_a_session),
        cmocka_unit_test(findings_print_as_text_and_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

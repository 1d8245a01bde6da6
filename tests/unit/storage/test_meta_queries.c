/* Every statement of queries.def compiles against the schema, and none but the few that count or
 * check everything reads a whole table. */
#include <sqlite3.h>

#include "tests/unit/storage/meta_fixture.h"

static const struct {
    const char *name, *sql;
} queries[] = {
#define KO_QUERY(name, sql, ...) {#name, sql},
#include "storage/queries.def"
#undef KO_QUERY
};

/* These read everything, and say so where they are declared; page lists of "all" walk an index in
 * the order of their key from where the page begins, which is a SEARCH too. */
static const char *const may_scan[] = {
    "account_count",    "repo_count",      "manifest_count",     "tag_count",
    "blob_count",       "upload_count",    "gc_count_queue",     "gc_dry_run_links",
    "gc_dry_run_blobs", "check_integrity", "check_foreign_keys", "check_tags",
    "check_edge_blobs", "check_links",     "check_bytes",        "check_manifests",
    "key_list",         "key_prune",       "search_everything",  "search_words",
    "schema_version",   "gc_count_blobs",
};

static bool is_allowed(const char *name)
{
    for (size_t i = 0; i < KO_ARRAY_LEN(may_scan); i++) {
        if (strcmp(may_scan[i], name) == 0)
            return true;
    }
    return false;
}

/* Lines of the plan that read a table from end to end. Constant rows and results of subqueries of
 * bounded size are scanned too; they are no tables. */
static int count_scans(sqlite3 *handle, const char *name, const char *sql)
{
    char explain[4096];
    sqlite3_stmt *stmt = NULL;
    int scans = 0;

    (void)snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
    if (sqlite3_prepare_v2(handle, explain, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", name, sqlite3_errmsg(handle));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(stmt, 3);

        if (strncmp(detail, "SCAN ", 5) != 0 || strstr(detail, "CONSTANT ROW") ||
            strstr(detail, "SCAN (") || strcmp(detail, "SCAN d") == 0 ||
            strstr(detail, "VIRTUAL TABLE INDEX 0:=") || strstr(detail, "SCAN public_ones") ||
            strstr(detail, "SCAN own") || strstr(detail, "SCAN of_groups") ||
            strstr(detail, "SCAN granted"))
            continue;
        print_message("%s: %s\n", name, detail);
        scans++;
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return scans;
}

static void no_hot_statement_reads_a_whole_table(void **state)
{
    fixture *f = *state;
    char path[PATH_MAX];
    sqlite3 *handle = NULL;
    int bad = 0;

    assert_ok(f->db->ops->commit(f->db, ERR));
    (void)snprintf(path, sizeof(path), "%s/kontor.db", f->dir);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    for (size_t i = 0; i < KO_ARRAY_LEN(queries); i++) {
        int scans = count_scans(handle, queries[i].name, queries[i].sql);

        bad += scans > 0 && !is_allowed(queries[i].name);
    }
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
    assert_int_equal(bad, 0);
}

/* Where "no scan" is not enough: these must go by this index. */
static const struct {
    const char *name, *plan;
} must_use[] = {
    {"manifest_find_tag_bytes", "SEARCH t USING PRIMARY KEY (repo_id=? AND name=?)"},
    {"tag_list_names", "SEARCH tag USING PRIMARY KEY (repo_id=? AND name>?)"},
    {"tag_list_history", "USING INDEX tag_history_tag (repo_id=? AND name=? AND id<?)"},
    {"manifest_list_referrers", "USING INDEX manifest_subject (repo_id=? AND subject=? AND id>?)"},
    {"repo_list_public", "USING INDEX repository_public (name>? AND name<?)"},
    {"repo_list_visible", "SEARCH g USING INDEX repo_grant_subject (subject_id=?)"},
    {"repo_list_visible",
     "SEARCH p USING COVERING INDEX sqlite_autoindex_repository_1 (name>? AND"},
    {"gc_list_due", "USING INDEX gc_queue_due"},
    {"gc_list_condemned", "USING INDEX blob_state (state=? AND id>?)"},
    {"gc_list_quarantined", "USING INDEX blob_state (state=? AND id>?)"},
    {"upload_list_idle", "USING INDEX upload_touched"},
};

static bool plan_has(sqlite3 *handle, const char *sql, const char *text)
{
    char explain[4096];
    sqlite3_stmt *stmt = NULL;
    bool found = false;

    (void)snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(handle, explain, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        found |= strstr((const char *)sqlite3_column_text(stmt, 3), text) != NULL;
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return found;
}

static void lists_go_by_their_index(void **state)
{
    fixture *f = *state;
    char path[PATH_MAX];
    sqlite3 *handle = NULL;

    assert_ok(f->db->ops->commit(f->db, ERR));
    (void)snprintf(path, sizeof(path), "%s/kontor.db", f->dir);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    for (size_t i = 0; i < KO_ARRAY_LEN(must_use); i++) {
        size_t q = 0;

        while (strcmp(queries[q].name, must_use[i].name) != 0)
            q++;
        if (!plan_has(handle, queries[q].sql, must_use[i].plan))
            fail_msg("%s does not %s", must_use[i].name, must_use[i].plan);
    }
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"lists_go_by_their_index", lists_go_by_their_index, fixture_file, fixture_done, NULL},
        {"no_hot_statement_reads_a_whole_table", no_hot_statement_reads_a_whole_table, fixture_file,
         fixture_done, NULL},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* server/cli_store.c: `gc`, `scrub` and `check`: the store's upkeep by hand. */
#include "common/base/clock.h"
#include "server/cli.h"
#include "server/conf.h"
#include "storage/check.h"
#include "storage/gc.h"
#include "storage/scrub.h"

static int open_store(ko_cli *cli, ko_err *err)
{
    return ko_cli_open(cli, false, err) < 0 ? -1 : ko_cli_open_blobs(cli, err);
}

/* Columns of one row of counters. */
static void add_counter(ko_table *table, const char *name, uint64_t n)
{
    ko_table_text(table, ko_str_of(name));
    ko_table_u64(table, n);
}

/* ---- gc ---- */

static int preview(ko_cli *cli, ko_err *err)
{
    ko_table *table = ko_table_new(cli, "what,count");
    ko_gc_preview p = {0};

    if (ko_gc_dry_run(cli->meta, ko_clock_wall_s(), &p, err) < 0)
        return -1;
    add_counter(table, "rows due for review", p.queue.due);
    add_counter(table, "rows in the review queue", p.queue.queued);
    add_counter(table, "blobs condemned", p.queue.condemned);
    add_counter(table, "blobs in quarantine", p.queue.quarantined);
    add_counter(table, "bytes in quarantine", p.queue.quarantined_bytes);
    add_counter(table, "blobs nothing needs", p.estimate.blobs);
    add_counter(table, "bytes nothing needs", p.estimate.bytes);
    ko_table_print(table);
    return 0;
}

static int parse_grace(ko_cli *cli, uint64_t *out_s, ko_err *err)
{
    const char *text = ko_cli_flag_value(cli, "grace");
    uint64_t ms = ko_options_u64(cli->opts, KO_CONF_gc_delay);

    if (text && ko_parse_duration(ko_str_of(text), &ms, NULL) < 0)
        return ko_cli_usage(cli, err, "--grace wants a duration such as 0 or 1h");
    *out_s = ms / 1000;
    return 0;
}

int ko_cli_gc(ko_cli *cli, ko_err *err)
{
    ko_gc_options options = {.untagged_keep_s =
                                 ko_options_u64(cli->opts, KO_CONF_gc_untagged) / 1000};
    ko_table *table = ko_table_new(cli, "what,count");
    ko_gc_stats stats = {0};

    if (parse_grace(cli, &options.grace_s, err) < 0 || open_store(cli, err) < 0)
        return -1;
    if (ko_cli_flag_value(cli, "dry-run"))
        return preview(cli, err);
    int rc = ko_gc_run_once(cli->meta, cli->blobs, &options, ko_clock_wall_s(), &stats, err);
#define X(name, text) add_counter(table, text, stats.name);
    KO_GC_COUNTERS(X)
#undef X
    ko_table_print(table);
    return rc;
}

/* ---- scrub ---- */

static void report_damage(void *arg, const ko_digest *digest, const ko_err *why)
{
    (void)arg;
    (void)fprintf(stderr, "%s: %s\n", digest->text, why->text);
}

int ko_cli_scrub(ko_cli *cli, ko_err *err)
{
    ko_scrub_options options = {.keep_file = ko_cli_flag_value(cli, "report-only") != NULL,
                                .report = report_damage};
    ko_table *table = ko_table_new(cli, "blobs,bytes,damaged,missing,unreadable");
    ko_scrub_stats stats = {0};

    if (open_store(cli, err) < 0 ||
        ko_scrub_run(cli->meta, cli->blobs, &options, &stats, NULL, err) < 0)
        return -1;
    ko_table_u64(table, stats.blobs);
    ko_table_size(table, stats.bytes);
    ko_table_u64(table, stats.damaged);
    ko_table_u64(table, stats.missing);
    ko_table_u64(table, stats.unreadable);
    ko_table_print(table);
    if (stats.damaged + stats.missing + stats.unreadable > 0)
        return ko_err_set(err, KO_E_CORRUPT, "not every blob is sound");
    return 0;
}

/* ---- check ---- */

static void report_finding(void *arg, const ko_check_finding *finding)
{
    const ko_cli *cli = arg;
    ko_autobuf line;

    ko_buf_init(&line, 16384);
    ko_check_print(finding, cli->json, &line);
    (void)printf("%s", line.data);
}

int ko_cli_check(ko_cli *cli, ko_err *err)
{
    ko_check_options options = {.deep = ko_cli_flag_value(cli, "deep") != NULL,
                                .repair = ko_cli_flag_value(cli, "repair") != NULL,
                                .now_s = ko_clock_wall_s(),
                                .report = report_finding,
                                .report_arg = cli};
    ko_check_stats stats = {0};

    if (open_store(cli, err) < 0 || ko_check_run(cli->meta, cli->blobs, &options, &stats, err) < 0)
        return -1;
    uint64_t faults = ko_check_faults(&stats);
    if (faults > 0)
        return ko_err_set(err, KO_E_CORRUPT, "%llu faults in %llu blobs",
                          (unsigned long long)faults, (unsigned long long)stats.blobs);
    if (!cli->json)
        (void)printf("%llu blobs, %llu files: nothing is lost\n", (unsigned long long)stats.blobs,
                     (unsigned long long)stats.files);
    return 0;
}

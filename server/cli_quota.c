/* server/cli_quota.c: what an account or group uses and may use. */
#include "server/cli.h"
#include "server/conf.h"
#include "storage/meta_owner.h"

typedef struct {
    ko_str name;
    ko_meta_owner owner;
    ko_meta_usage usage;
} quota_job;

/* "default", "unlimited" or a figure. */
static int parse_quota(ko_cli *cli, const char *text, bool is_size, int64_t *out, ko_err *err)
{
    uint64_t n = 0;

    if (strcmp(text, "default") == 0) {
        *out = KO_META_QUOTA_DEFAULT;
        return 0;
    }
    if (strcmp(text, "unlimited") == 0) {
        *out = KO_META_QUOTA_UNLIMITED;
        return 0;
    }
    int rc = is_size ? ko_parse_size(ko_str_of(text), &n, NULL)
                     : ko_parse_u64(ko_str_of(text), INT64_MAX, &n, NULL);
    if (rc < 0 || n >= INT64_MAX)
        return ko_cli_usage(cli, err, "'%s' is no %s, nor 'default' or 'unlimited'", text,
                            is_size ? "size such as 10GiB" : "number");
    *out = (int64_t)n;
    return 0;
}

static int find_owner(ko_meta_tx *tx, quota_job *job, ko_err *err)
{
    if (ko_meta_owner_find(tx, job->name, &job->owner, err) < 0)
        return ko_err_ctx(err, "account or group " KO_STR_FMT, KO_STR_ARG(job->name));
    return 0;
}

static int run_show(ko_meta_tx *tx, void *arg, ko_err *err)
{
    quota_job *job = arg;

    if (find_owner(tx, job, err) < 0)
        return -1;
    return ko_meta_owner_usage(tx, job->owner.id, &job->usage, err);
}

typedef struct {
    quota_job *job;
    const int64_t *bytes; /* NULL: as it is */
    const int64_t *repos;
} set_job;

static int run_set(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const set_job *set = arg;

    if (find_owner(tx, set->job, err) < 0)
        return -1;
    const ko_meta_owner *owner = &set->job->owner;
    return ko_meta_owner_set_quota(tx, owner->id,
                                   set->repos ? *set->repos : owner->quota_private_repos,
                                   set->bytes ? *set->bytes : owner->quota_bytes, err);
}

static void add_quota(ko_table *table, int64_t own, uint64_t configured, bool is_size)
{
    uint64_t n = own == KO_META_QUOTA_DEFAULT ? configured : (uint64_t)own;

    if (own == KO_META_QUOTA_UNLIMITED || (own == KO_META_QUOTA_DEFAULT && configured == 0))
        ko_table_text(table, KO_STR("unlimited"));
    else if (is_size)
        ko_table_size(table, n);
    else
        ko_table_u64(table, n);
}

static void print_usage(ko_cli *cli, const quota_job *job)
{
    ko_table *table =
        ko_table_new(cli, "name,bytes,bytes_quota,repositories,private,private_quota");

    ko_table_text(table, job->name);
    ko_table_size(table, job->usage.bytes);
    add_quota(table, job->owner.quota_bytes, ko_options_u64(cli->opts, KO_CONF_quota_bytes), true);
    ko_table_u64(table, job->usage.repos);
    ko_table_u64(table, job->usage.private_repos);
    add_quota(table, job->owner.quota_private_repos, ko_options_u64(cli->opts, KO_CONF_quota_repos),
              false);
    ko_table_print(table);
}

int ko_cli_quota(ko_cli *cli, ko_err *err)
{
    const char *bytes_text = ko_cli_flag_value(cli, "bytes");
    const char *repos_text = ko_cli_flag_value(cli, "private-repositories");
    quota_job job = {.name = ko_cli_arg(cli, 0)};
    set_job set = {.job = &job};
    int64_t bytes = 0;
    int64_t repos = 0;

    if ((bytes_text && parse_quota(cli, bytes_text, true, &bytes, err) < 0) ||
        (repos_text && parse_quota(cli, repos_text, false, &repos, err) < 0) ||
        ko_cli_open(cli, false, err) < 0)
        return -1;
    set.bytes = bytes_text ? &bytes : NULL;
    set.repos = repos_text ? &repos : NULL;
    if ((bytes_text || repos_text) &&
        ko_cli_write(cli, "quota.set", job.name, run_set, &set, err) < 0)
        return -1;
    if (ko_meta_read(cli->meta, run_show, &job, err) < 0)
        return -1;
    print_usage(cli, &job);
    return 0;
}

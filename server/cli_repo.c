/* server/cli_repo.c: repositories and grants. */
#include "auth/group.h"
#include "common/base/clock.h"
#include "server/cli.h"

#define PAGE 500

typedef struct {
    ko_cli *cli;
    ko_str repo; /* or a pattern */
    ko_str text; /* description, or account or group */
    ko_meta_visibility visibility;
    ko_actions actions;
    ko_table *table;
} repo_job;

static int find_repo(ko_meta_tx *tx, const repo_job *job, ko_meta_repo *out, ko_err *err)
{
    if (ko_meta_repo_find(tx, job->repo, out, err) < 0)
        return ko_err_ctx(err, "repository " KO_STR_FMT, KO_STR_ARG(job->repo));
    return 0;
}

/* ---- Repositories ---- */

static int run_list(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const repo_job *job = arg;
    ko_meta_caller caller = {.is_admin = true};
    ko_str after = KO_STR("");
    size_t count = PAGE;

    while (count == PAGE) {
        ko_meta_repo *repos = NULL;

        if (ko_meta_repo_list(tx, caller, job->repo, after, PAGE, job->cli->arena, &repos, &count,
                              err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++) {
            ko_table_text(job->table, ko_str_of(repos[i].name));
            ko_table_text(job->table, ko_str_of(ko_meta_visibility_name(repos[i].visibility)));
            ko_table_size(job->table, repos[i].bytes);
            ko_table_u64(job->table, repos[i].pull_count);
            ko_table_time(job->table, repos[i].pushed_at_s);
        }
        if (count > 0)
            after = ko_str_of(repos[count - 1].name);
    }
    return 0;
}

int ko_cli_repo_ls(ko_cli *cli, ko_err *err)
{
    repo_job job = {.cli = cli,
                    .repo = ko_cli_arg(cli, 0),
                    .table = ko_table_new(cli, "name,visibility,bytes,pulls,pushed")};

    if (ko_cli_open(cli, false, err) < 0 || ko_meta_read(cli->meta, run_list, &job, err) < 0)
        return -1;
    ko_table_print(job.table);
    return 0;
}

static int run_remove(ko_meta_tx *tx, void *arg, ko_err *err)
{
    ko_meta_repo repo;

    if (find_repo(tx, arg, &repo, err) < 0)
        return -1;
    return ko_meta_repo_remove(tx, &repo, ko_clock_wall_s(), err);
}

int ko_cli_repo_rm(ko_cli *cli, ko_err *err)
{
    repo_job job = {.cli = cli, .repo = ko_cli_arg(cli, 0)};

    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "repository.delete", job.repo, run_remove, &job, err);
}

static int run_set_visibility(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const repo_job *job = arg;
    ko_meta_repo repo;

    if (find_repo(tx, job, &repo, err) < 0)
        return -1;
    return ko_meta_repo_set_visibility(tx, &repo, job->visibility, err);
}

int ko_cli_repo_visibility(ko_cli *cli, ko_err *err)
{
    repo_job job = {.cli = cli, .repo = ko_cli_arg(cli, 0)};

    if (ko_meta_visibility_parse(ko_cli_arg(cli, 1), &job.visibility, NULL) < 0)
        return ko_cli_usage(cli, err, "'%s' is neither private nor public", cli->args[1]);
    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "repository.visibility", job.repo, run_set_visibility, &job, err);
}

static int run_describe(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const repo_job *job = arg;
    ko_meta_repo repo;

    if (find_repo(tx, job, &repo, err) < 0)
        return -1;
    return ko_meta_repo_set_description(tx, &repo, job->text, err);
}

int ko_cli_repo_describe(ko_cli *cli, ko_err *err)
{
    repo_job job = {.cli = cli, .repo = ko_cli_arg(cli, 0), .text = ko_cli_arg(cli, 1)};

    if (!ko_str_is_utf8(job.text))
        return ko_cli_usage(cli, err, "a description is UTF-8 text");
    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "repository.describe", job.repo, run_describe, &job, err);
}

/* ---- Grants ---- */

static int run_grant(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const repo_job *job = arg;

    return ko_group_grant(tx, job->repo, KO_META_OWNER_NONE, job->text, job->actions, err);
}

int ko_cli_repo_grant(ko_cli *cli, ko_err *err)
{
    repo_job job = {.cli = cli, .repo = ko_cli_arg(cli, 0), .text = ko_cli_arg(cli, 1)};

    if (ko_scope_parse_actions(ko_cli_arg(cli, 2), false, &job.actions, err) < 0) {
        cli->exit_code = KO_EXIT_USAGE;
        return -1;
    }
    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "grant.set",
                        ko_str_of(ko_arena_printf(cli->arena, "%s %s %s", cli->args[0],
                                                  cli->args[1], cli->args[2])),
                        run_grant, &job, err);
}

static int run_revoke(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const repo_job *job = arg;

    if (ko_group_revoke(tx, job->repo, KO_META_OWNER_NONE, job->text, err) == 0)
        return 0;
    return ko_err_ctx(err, "grant on " KO_STR_FMT " to " KO_STR_FMT, KO_STR_ARG(job->repo),
                      KO_STR_ARG(job->text));
}

int ko_cli_repo_revoke(ko_cli *cli, ko_err *err)
{
    repo_job job = {.cli = cli, .repo = ko_cli_arg(cli, 0), .text = ko_cli_arg(cli, 1)};

    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "grant.remove",
                        ko_str_of(ko_arena_printf(cli->arena, "%s %s", cli->args[0], cli->args[1])),
                        run_revoke, &job, err);
}

static void add_grant(ko_table *table, const ko_meta_grant *grant)
{
    ko_autobuf actions;

    ko_buf_init(&actions, 64);
    (void)ko_scope_print_actions(grant->actions, &actions); /* four words fit */
    ko_table_text(table, ko_str_of(grant->pattern));
    ko_table_text(table, ko_str_of(grant->subject));
    ko_table_text(table,
                  grant->subject_kind == KO_META_OWNER_GROUP ? KO_STR("group") : KO_STR("account"));
    ko_table_text(table, ko_buf_str(&actions));
}

static int run_list_grants(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const repo_job *job = arg;
    int64_t after = 0;
    size_t count = PAGE;

    while (count == PAGE) {
        ko_meta_grant *grants = NULL;

        if (ko_meta_grant_list(tx, job->repo, after, PAGE, job->cli->arena, &grants, &count, err) <
            0)
            return -1;
        for (size_t i = 0; i < count; i++)
            add_grant(job->table, &grants[i]);
        if (count > 0)
            after = grants[count - 1].id;
    }
    return 0;
}

int ko_cli_repo_grants(ko_cli *cli, ko_err *err)
{
    repo_job job = {.cli = cli,
                    .repo = ko_cli_arg(cli, 0),
                    .table = ko_table_new(cli, "pattern,name,kind,actions")};

    if (ko_cli_open(cli, false, err) < 0 || ko_meta_read(cli->meta, run_list_grants, &job, err) < 0)
        return -1;
    ko_table_print(job.table);
    return 0;
}

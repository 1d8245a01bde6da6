/* server/cli_group.c: groups and their members. */
#include "auth/account.h"
#include "auth/group.h"
#include "common/base/clock.h"
#include "server/cli.h"
#include "server/conf.h"

#define PAGE 500

typedef struct {
    ko_cli *cli;
    ko_str group;
    ko_str account; /* empty: none */
    ko_str display;
    ko_meta_visibility visibility;
    ko_meta_role role;
    bool force;
    ko_table *table;
} group_job;

static int find_group(ko_meta_tx *tx, const group_job *job, ko_meta_group *out, ko_err *err)
{
    if (ko_meta_group_find(tx, job->group, job->cli->arena, out, err) < 0)
        return ko_err_ctx(err, "group " KO_STR_FMT, KO_STR_ARG(job->group));
    return 0;
}

/* ---- Groups ---- */

static int run_add(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const group_job *job = arg;
    int64_t id = 0;

    if (ko_group_create(tx, job->group, job->display, job->visibility, &id, err) < 0)
        return -1;
    if (job->account.len == 0)
        return 0;
    return ko_group_set_member(tx, id, job->account, KO_META_ROLE_OWNER, err);
}

int ko_cli_group_add(ko_cli *cli, ko_err *err)
{
    const char *visibility = ko_cli_flag_value(cli, "visibility");
    group_job job = {.cli = cli,
                     .group = ko_cli_arg(cli, 0),
                     .account = ko_str_of(ko_cli_flag_value(cli, "owner")),
                     .display = ko_str_of(ko_cli_flag_value(cli, "display"))};

    if (!visibility)
        visibility = ko_options_str(cli->opts, KO_CONF_default_visibility);
    if (ko_meta_visibility_parse(ko_str_of(visibility), &job.visibility, NULL) < 0)
        return ko_cli_usage(cli, err, "--visibility is private or public");
    if (ko_account_check_name(job.group, err) < 0 || ko_cli_open(cli, true, err) < 0 ||
        ko_cli_write(cli, "group.add", job.group, run_add, &job, err) < 0)
        return -1;
    (void)printf("added group " KO_STR_FMT "\n", KO_STR_ARG(job.group));
    return 0;
}

static int run_remove(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const group_job *job = arg;
    ko_meta_group group;

    if (find_group(tx, job, &group, err) < 0)
        return -1;
    if (ko_meta_group_remove(tx, group.owner.id, job->force, ko_clock_wall_s(), err) == 0)
        return 0;
    return err->code == KO_E_CONFLICT
               ? ko_err_set(err, KO_E_CONFLICT,
                            "%s still owns repositories: remove them first, or use --force",
                            group.owner.name)
               : -1;
}

int ko_cli_group_rm(ko_cli *cli, ko_err *err)
{
    group_job job = {
        .cli = cli, .group = ko_cli_arg(cli, 0), .force = ko_cli_flag_value(cli, "force") != NULL};

    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "group.remove", job.group, run_remove, &job, err);
}

static int run_list(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const group_job *job = arg;
    ko_str after = KO_STR("");
    size_t count = PAGE;

    while (count == PAGE) {
        ko_meta_group *groups = NULL;

        if (ko_meta_group_list(tx, after, PAGE, job->cli->arena, &groups, &count, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++) {
            ko_table_text(job->table, ko_str_of(groups[i].owner.name));
            ko_table_text(job->table, ko_str_of(groups[i].display));
            ko_table_text(job->table,
                          ko_str_of(ko_meta_visibility_name(groups[i].owner.default_visibility)));
            ko_table_time(job->table, groups[i].owner.created_at_s);
        }
        if (count > 0)
            after = ko_str_of(groups[count - 1].owner.name);
    }
    return 0;
}

int ko_cli_group_ls(ko_cli *cli, ko_err *err)
{
    group_job job = {.cli = cli, .table = ko_table_new(cli, "name,display,visibility,created")};

    if (ko_cli_open(cli, false, err) < 0 || ko_meta_read(cli->meta, run_list, &job, err) < 0)
        return -1;
    ko_table_print(job.table);
    return 0;
}

/* ---- Members ---- */

static int run_set_member(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const group_job *job = arg;
    ko_meta_group group;

    if (find_group(tx, job, &group, err) < 0)
        return -1;
    return ko_group_set_member(tx, group.owner.id, job->account, job->role, err);
}

static const char *member_target(const group_job *job)
{
    return ko_arena_printf(job->cli->arena, KO_STR_FMT " " KO_STR_FMT, KO_STR_ARG(job->group),
                           KO_STR_ARG(job->account));
}

int ko_cli_group_member_add(ko_cli *cli, ko_err *err)
{
    bool owner = ko_cli_flag_value(cli, "owner") != NULL;
    group_job job = {.cli = cli,
                     .group = ko_cli_arg(cli, 0),
                     .account = ko_cli_arg(cli, 1),
                     .role = owner ? KO_META_ROLE_OWNER : KO_META_ROLE_MEMBER};

    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "group.member.add", ko_str_of(member_target(&job)), run_set_member,
                        &job, err);
}

int ko_cli_group_member_rm(ko_cli *cli, ko_err *err)
{
    group_job job = {.cli = cli,
                     .group = ko_cli_arg(cli, 0),
                     .account = ko_cli_arg(cli, 1),
                     .role = KO_META_ROLE_NONE};

    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "group.member.remove", ko_str_of(member_target(&job)), run_set_member,
                        &job, err);
}

static int run_list_members(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const group_job *job = arg;
    ko_meta_group group;
    ko_str after = KO_STR("");
    size_t count = PAGE;

    if (find_group(tx, job, &group, err) < 0)
        return -1;
    while (count == PAGE) {
        ko_meta_member *members = NULL;

        if (ko_meta_group_list_members(tx, group.owner.id, after, PAGE, job->cli->arena, &members,
                                       &count, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++) {
            ko_table_text(job->table, ko_str_of(members[i].name));
            ko_table_text(job->table, ko_str_of(ko_meta_role_name(members[i].role)));
        }
        if (count > 0)
            after = ko_str_of(members[count - 1].name);
    }
    return 0;
}

int ko_cli_group_member_ls(ko_cli *cli, ko_err *err)
{
    group_job job = {
        .cli = cli, .group = ko_cli_arg(cli, 0), .table = ko_table_new(cli, "account,role")};

    if (ko_cli_open(cli, false, err) < 0 ||
        ko_meta_read(cli->meta, run_list_members, &job, err) < 0)
        return -1;
    ko_table_print(job.table);
    return 0;
}

/* server/cli_token.c: personal tokens and robot secrets. */
#include "auth/account.h"
#include "common/base/clock.h"
#include "common/base/secret.h"
#include "server/cli.h"

#define PAGE 500

typedef struct {
    ko_cli *cli;
    ko_str account;
    int64_t account_id;
    int64_t secret_id;
    ko_table *table;
} token_job;

static int run_find_account(ko_meta_tx *tx, void *arg, ko_err *err)
{
    token_job *job = arg;
    ko_meta_account account;

    if (ko_meta_account_find(tx, job->account, job->cli->arena, &account, err) < 0)
        return ko_err_ctx(err, "account " KO_STR_FMT, KO_STR_ARG(job->account));
    job->account_id = account.owner.id;
    return 0;
}

static int parse_expiry(ko_cli *cli, int64_t *out_s, ko_err *err)
{
    const char *text = ko_cli_flag_value(cli, "expires");
    uint64_t ms = 0;

    *out_s = 0;
    if (!text)
        return 0;
    if (ko_parse_duration(ko_str_of(text), &ms, NULL) < 0 || ms < 1000 || ms / 1000 > INT32_MAX)
        return ko_cli_usage(cli, err, "--expires wants a duration such as 12h or 90d");
    *out_s = ko_clock_wall_s() + (int64_t)(ms / 1000);
    return 0;
}

int ko_cli_token_create(ko_cli *cli, ko_err *err)
{
    const char *name = ko_cli_flag_value(cli, "name");
    token_job job = {.cli = cli, .account = ko_cli_arg(cli, 0)};
    ko_account_secret_new spec = {.name = ko_str_of(name ? name : "command line"),
                                  .scope = ko_str_of(ko_cli_flag_value(cli, "scope"))};
    char text[KO_CREDENTIAL_MAX];
    int64_t id = 0;

    if (parse_expiry(cli, &spec.expires_at_s, err) < 0 || ko_cli_open(cli, false, err) < 0 ||
        ko_meta_read(cli->meta, run_find_account, &job, err) < 0)
        return -1;
    spec.account_id = job.account_id;
    spec.by = job.account_id;
    if (ko_account_create_secret(cli->meta, &spec, text, &id, err) < 0 ||
        ko_cli_write(cli, "token.create", job.account, NULL, NULL, err) < 0)
        return -1;
    if (cli->json)
        (void)printf("{\"id\": %lld, \"token\": \"%s\"}\n", (long long)id, text);
    else
        (void)printf("%s\n", text);
    ko_secret_wipe(text, sizeof(text));
    return 0;
}

static int run_list(ko_meta_tx *tx, void *arg, ko_err *err)
{
    token_job *job = arg;
    int64_t after = 0;
    size_t count = PAGE;

    if (run_find_account(tx, job, err) < 0)
        return -1;
    while (count == PAGE) {
        ko_meta_secret *secrets = NULL;

        if (ko_meta_secret_list(tx, job->account_id, after, PAGE, job->cli->arena, &secrets, &count,
                                err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++) {
            ko_table_u64(job->table, (uint64_t)secrets[i].id);
            ko_table_text(job->table, ko_str_of(secrets[i].name));
            ko_table_text(job->table, ko_str_of(secrets[i].scope));
            ko_table_time(job->table, secrets[i].created_at_s);
            ko_table_time(job->table, secrets[i].expires_at_s);
            ko_table_time(job->table, secrets[i].last_used_at_s);
        }
        if (count > 0)
            after = secrets[count - 1].id;
    }
    return 0;
}

int ko_cli_token_ls(ko_cli *cli, ko_err *err)
{
    token_job job = {.cli = cli,
                     .account = ko_cli_arg(cli, 0),
                     .table = ko_table_new(cli, "id,name,scope,created,expires,used")};

    if (ko_cli_open(cli, false, err) < 0 || ko_meta_read(cli->meta, run_list, &job, err) < 0)
        return -1;
    ko_table_print(job.table);
    return 0;
}

static int run_revoke(ko_meta_tx *tx, void *arg, ko_err *err)
{
    token_job *job = arg;

    if (run_find_account(tx, job, err) < 0)
        return -1;
    if (ko_meta_secret_revoke(tx, job->account_id, job->secret_id, err) == 0)
        return 0;
    return ko_err_ctx(err, "token %lld of " KO_STR_FMT, (long long)job->secret_id,
                      KO_STR_ARG(job->account));
}

int ko_cli_token_revoke(ko_cli *cli, ko_err *err)
{
    token_job job = {.cli = cli, .account = ko_cli_arg(cli, 0)};
    uint64_t id = 0;

    if (ko_parse_u64(ko_cli_arg(cli, 1), INT64_MAX, &id, NULL) < 0)
        return ko_cli_usage(cli, err, "'%s' is no token id; `token ls` shows them", cli->args[1]);
    job.secret_id = (int64_t)id;
    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "token.revoke", job.account, run_revoke, &job, err);
}

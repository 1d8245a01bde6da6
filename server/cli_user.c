/* server/cli_user.c: accounts and quotas. Names are looked up inside the transaction that changes
 * them, so that two command lines, or one and the server, cannot act on a row that has gone. */
#include "auth/account.h"
#include "common/base/secret.h"
#include "server/cli.h"
#include "server/conf.h"
#include "storage/meta_owner.h"

#define PAGE 500

static ko_password_cost cost_of(const ko_cli *cli)
{
    return (ko_password_cost){
        .passes = (uint32_t)ko_options_u64(cli->opts, KO_CONF_password_passes),
        .memory_kib = (uint32_t)(ko_options_u64(cli->opts, KO_CONF_password_memory) / 1024)};
}

static int parse_visibility(ko_cli *cli, ko_meta_visibility *out, ko_err *err)
{
    const char *text = ko_cli_flag_value(cli, "visibility");

    if (!text)
        text = ko_options_str(cli->opts, KO_CONF_default_visibility);
    if (ko_meta_visibility_parse(ko_str_of(text), out, NULL) < 0)
        return ko_cli_usage(cli, err, "--visibility is private or public");
    return 0;
}

/* ---- Adding ---- */

int ko_cli_user_add(ko_cli *cli, ko_err *err)
{
    bool is_robot = ko_cli_flag_value(cli, "robot") != NULL;
    ko_account_new spec = {
        .kind = is_robot ? KO_META_ROBOT : KO_META_PERSON,
        .name = ko_cli_arg(cli, 0),
        .display = ko_str_of(ko_cli_flag_value(cli, "display")),
        .email = ko_str_of(ko_cli_flag_value(cli, "email")),
        .is_admin = ko_cli_flag_value(cli, "admin") != NULL,
    };
    int64_t id = 0;

    if (is_robot && spec.is_admin)
        return ko_cli_usage(cli, err, "a robot cannot be an administrator");
    if (parse_visibility(cli, &spec.default_visibility, err) < 0 ||
        ko_account_check_name(spec.name, err) < 0 ||
        (!is_robot && ko_cli_password(cli, &spec.password, err) < 0) ||
        ko_cli_open(cli, true, err) < 0)
        return -1;
    int rc = ko_account_create(cli->meta, cost_of(cli), &spec, &id, err);
    ko_secret_wipe((char *)(uintptr_t)spec.password.ptr, spec.password.len);
    if (rc < 0 || ko_cli_write(cli, "account.add", spec.name, NULL, NULL, err) < 0)
        return -1;
    (void)printf("added %s " KO_STR_FMT "\n", is_robot ? "robot" : "account",
                 KO_STR_ARG(spec.name));
    return 0;
}

/* ---- Changing one ---- */

typedef struct {
    ko_str name;
    bool force;
    bool change; /* on or off */
    int64_t id;
} account_job;

static int load_by_name(ko_meta_tx *tx, const account_job *job, ko_arena *arena,
                        ko_meta_account *out, ko_err *err)
{
    if (ko_meta_account_find(tx, job->name, arena, out, err) < 0)
        return ko_err_ctx(err, "account " KO_STR_FMT, KO_STR_ARG(job->name));
    return 0;
}

static int run_find(ko_meta_tx *tx, void *arg, ko_err *err)
{
    account_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (load_by_name(tx, job, arena, &account, err) < 0)
        return -1;
    job->id = account.owner.id;
    return 0;
}

int ko_cli_user_passwd(ko_cli *cli, ko_err *err)
{
    account_job job = {.name = ko_cli_arg(cli, 0)};
    ko_str password = {0};

    if (ko_cli_open(cli, false, err) < 0 || ko_meta_read(cli->meta, run_find, &job, err) < 0 ||
        ko_cli_password(cli, &password, err) < 0)
        return -1;
    int rc = ko_account_set_password(cli->meta, cost_of(cli), job.id, password, err);
    ko_secret_wipe((char *)(uintptr_t)password.ptr, password.len);
    if (rc < 0)
        return -1;
    return ko_cli_write(cli, "account.password", job.name, NULL, NULL, err);
}

static int run_remove(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const account_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (load_by_name(tx, job, arena, &account, err) < 0)
        return -1;
    return ko_account_remove(tx, &account, job->force, err);
}

int ko_cli_user_rm(ko_cli *cli, ko_err *err)
{
    account_job job = {.name = ko_cli_arg(cli, 0),
                       .force = ko_cli_flag_value(cli, "force") != NULL};

    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, "account.remove", job.name, run_remove, &job, err);
}

static int run_set_disabled(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const account_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (load_by_name(tx, job, arena, &account, err) < 0)
        return -1;
    return ko_account_set_flags(tx, &account, account.is_admin, job->change, err);
}

static int run_set_admin(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const account_job *job = arg;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_meta_account account;

    if (load_by_name(tx, job, arena, &account, err) < 0)
        return -1;
    return ko_account_set_flags(tx, &account, job->change, account.is_disabled, err);
}

static int set_flag(ko_cli *cli, const char *action, ko_meta_fn *fn, bool change, ko_err *err)
{
    account_job job = {.name = ko_cli_arg(cli, 0), .change = change};

    if (ko_cli_open(cli, false, err) < 0)
        return -1;
    return ko_cli_write(cli, action, job.name, fn, &job, err);
}

int ko_cli_user_disable(ko_cli *cli, ko_err *err)
{
    return set_flag(cli, "account.disable", run_set_disabled, true, err);
}

int ko_cli_user_enable(ko_cli *cli, ko_err *err)
{
    return set_flag(cli, "account.enable", run_set_disabled, false, err);
}

int ko_cli_user_promote(ko_cli *cli, ko_err *err)
{
    return set_flag(cli, "account.promote", run_set_admin, true, err);
}

int ko_cli_user_demote(ko_cli *cli, ko_err *err)
{
    return set_flag(cli, "account.demote", run_set_admin, false, err);
}

/* ---- Listing ---- */

typedef struct {
    ko_cli *cli;
    ko_table *table;
} list_job;

static void add_row(ko_table *table, const ko_meta_account *account)
{
    ko_table_text(table, ko_str_of(account->owner.name));
    ko_table_text(table, account->kind == KO_META_ROBOT ? KO_STR("robot") : KO_STR("person"));
    ko_table_bool(table, account->is_admin);
    ko_table_bool(table, account->is_disabled);
    ko_table_text(table, ko_str_of(account->display));
    ko_table_text(table, ko_str_of(account->email));
    ko_table_time(table, account->owner.created_at_s);
}

static int run_list(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const list_job *job = arg;
    ko_str after = KO_STR("");
    size_t count = PAGE;

    while (count == PAGE) {
        ko_meta_account *accounts = NULL;

        if (ko_meta_account_list(tx, after, PAGE, job->cli->arena, &accounts, &count, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            add_row(job->table, &accounts[i]);
        if (count > 0)
            after = ko_str_of(accounts[count - 1].owner.name);
    }
    return 0;
}

int ko_cli_user_ls(ko_cli *cli, ko_err *err)
{
    list_job job = {cli, ko_table_new(cli, "name,kind,admin,disabled,display,email,created")};

    if (ko_cli_open(cli, false, err) < 0 || ko_meta_read(cli->meta, run_list, &job, err) < 0)
        return -1;
    ko_table_print(job.table);
    return 0;
}

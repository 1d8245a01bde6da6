/* server/cli.c: from argv to a command that runs.
 *
 * Settings are flags of every command and are taken out of argv first, by the option engine,
 * together with --config. What is left names the command by one to three words, followed by its own
 * flags and arguments in any order; "--" ends flags. Mistakes of typing end with 64 and a
 * suggestion, mistakes in the configuration with 78, everything else with 1. */
#include "server/cli.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/limits.h"
#include "common/base/secret.h"
#include "server/conf.h"
#include "storage/meta_audit.h"

#define MAX_WORDS 3

/* ---- The table of commands ---- */

#define KO_FLAG(n, v, t) {.name = (n), .value = (v), .text = (t)},
#define KO_COMMAND(id, n, a, lo, hi, f, t)                                                         \
    static const ko_cli_flag id##_flags[] = {f{.name = NULL}};                                     \
    _Static_assert(KO_ARRAY_LEN(id##_flags) <= KO_CLI_MAX_FLAGS + 1, "too many flags");
#include "conf/commands.def"
#undef KO_COMMAND
#undef KO_FLAG

#define KO_COMMAND(id, n, a, lo, hi, f, t)                                                         \
    {.name = (n),                                                                                  \
     .args = (a),                                                                                  \
     .least = (lo),                                                                                \
     .most = (hi),                                                                                 \
     .flags = id##_flags,                                                                          \
     .text = (t),                                                                                  \
     .run = ko_cli_##id},
const ko_cli_command ko_cli_commands[] = {
#include "conf/commands.def"
};
#undef KO_COMMAND

const size_t ko_cli_command_count = KO_ARRAY_LEN(ko_cli_commands);

/* ---- Finding the command ---- */

/* How many of the words the command's name takes, 0 when they do not begin with it. */
static int words_of(const ko_cli_command *command, const char *const *words, int count)
{
    ko_str rest = ko_str_of(command->name);
    ko_str word;
    int used = 0;

    while (ko_str_split(&rest, ' ', &word)) {
        if (used >= count || !ko_str_eq(word, ko_str_of(words[used])))
            return 0;
        used++;
    }
    return used;
}

static const ko_cli_command *find_command(const char *const *words, int count, int *used)
{
    const ko_cli_command *found = NULL;

    *used = 0;
    for (size_t i = 0; i < ko_cli_command_count; i++) {
        int n = words_of(&ko_cli_commands[i], words, count);

        if (n > *used) {
            *used = n;
            found = &ko_cli_commands[i];
        }
    }
    return found;
}

/* "unknown command 'usr', did you mean 'user'?" or the list of what may follow. */
static int complain_about_command(ko_cli *cli, const char *const *words, int count, ko_err *err)
{
    char typed[128] = "";
    const char *names[64];
    size_t known = 0;

    for (int i = 0; i < count && i < MAX_WORDS && words[i][0] != '-'; i++) {
        size_t len = strlen(typed);

        (void)snprintf(typed + len, sizeof(typed) - len, "%s%s", len ? " " : "", words[i]);
    }
    size_t len = strlen(typed);
    for (size_t i = 0; i < ko_cli_command_count && known < KO_ARRAY_LEN(names); i++) {
        const char *name = ko_cli_commands[i].name;

        if (strncmp(name, typed, len) == 0 && name[len] == ' ')
            return ko_cli_usage(cli, err, "'%s' wants one more word, as in '%s'", typed, name);
        names[known++] = name;
    }
    const char *near = ko_option_nearest(typed, names, known);
    if (!near) {
        /* The first word alone: "usr ls --all things". */
        const char *firsts[] = {"serve", "user", "group", "quota", "repo",
                                "token", "gc",   "scrub", "check", "config"};

        near = ko_option_nearest(words[0], firsts, KO_ARRAY_LEN(firsts));
    }
    return ko_cli_usage(cli, err, "unknown command '%s'%s%s%s", typed,
                        near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- Arguments ---- */

int ko_cli_usage(ko_cli *cli, ko_err *err, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cli->exit_code = KO_EXIT_USAGE;
    return ko_err_set(err, KO_E_INVALID, "%s", text);
}

const char *ko_cli_flag_value(const ko_cli *cli, const char *name)
{
    for (size_t i = 0; cli->command->flags[i].name; i++)
        if (strcmp(cli->command->flags[i].name, name) == 0)
            return cli->flags[i];
    return NULL;
}

ko_str ko_cli_arg(const ko_cli *cli, size_t i)
{
    return ko_str_of(i < cli->arg_count ? cli->args[i] : NULL);
}

static int complain_about_flag(ko_cli *cli, const char *typed, ko_err *err)
{
    size_t count = 0;
    const char **names = ko_arena_alloc_array(
        cli->arena, KO_CLI_MAX_FLAGS + ko_conf_table.count + 4, sizeof(char *));

    for (size_t i = 0; cli->command->flags[i].name; i++)
        names[count++] = ko_arena_printf(cli->arena, "--%s", cli->command->flags[i].name);
    for (size_t i = 0; i < ko_conf_table.count; i++) {
        char flag[128];

        ko_option_flag(&ko_conf_table.rows[i], flag, sizeof(flag));
        names[count++] = ko_arena_strdup(cli->arena, flag);
    }
    names[count++] = "--config";
    names[count++] = "--json";
    names[count++] = "--help";

    const char *name = ko_arena_strndup(cli->arena, typed, strcspn(typed, "="));
    const char *near = ko_option_nearest(name, names, count);
    return ko_cli_usage(cli, err, "'%s' has no flag %s%s%s%s", cli->command->name, name,
                        near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Takes the flag words[0]; *used says how many words that took. */
static int take_flag(ko_cli *cli, const char *const *words, int count, int *used, ko_err *err)
{
    const char *name = words[0] + 2;
    size_t len = strcspn(name, "=");

    *used = 1;
    if (len == 4 && strncmp(name, "json", len) == 0) {
        if (name[len])
            return ko_cli_usage(cli, err, "--json takes no value");
        cli->json = true;
        return 0;
    }
    for (size_t i = 0; cli->command->flags[i].name; i++) {
        const ko_cli_flag *flag = &cli->command->flags[i];

        if (strlen(flag->name) != len || strncmp(flag->name, name, len) != 0)
            continue;
        if (!flag->value) {
            if (name[len] == '=')
                return ko_cli_usage(cli, err, "--%s takes no value", flag->name);
            cli->flags[i] = "";
            return 0;
        }
        if (name[len] == '=') {
            cli->flags[i] = name + len + 1;
            return 0;
        }
        if (count < 2)
            return ko_cli_usage(cli, err, "--%s wants a value: %s", flag->name, flag->value);
        cli->flags[i] = words[1];
        *used = 2;
        return 0;
    }
    return complain_about_flag(cli, words[0], err);
}

static int take_arguments(ko_cli *cli, const char *const *words, int count, ko_err *err)
{
    bool flags_ended = false;

    cli->args = ko_arena_alloc_array(cli->arena, (size_t)count + 1, sizeof(char *));
    for (int i = 0, used = 1; i < count; i += used) {
        used = 1;
        if (!flags_ended && strcmp(words[i], "--") == 0)
            flags_ended = true;
        else if (!flags_ended && strncmp(words[i], "--", 2) == 0) {
            if (take_flag(cli, words + i, count - i, &used, err) < 0)
                return -1;
        } else
            cli->args[cli->arg_count++] = words[i];
    }
    if ((int)cli->arg_count < cli->command->least || (int)cli->arg_count > cli->command->most)
        return ko_cli_usage(cli, err, "usage: kontor-registry %s %s", cli->command->name,
                            cli->command->args);
    return 0;
}

/* ---- Running ---- */

static void cli_done(ko_cli *cli)
{
    ko_blob_store_free(cli->blobs);
    ko_meta_free(cli->meta);
    ko_options_free(cli->opts);
    ko_arena_free(cli->arena);
}

static int prepare(ko_cli *cli, int argc, const char *const *argv, const char *const *environment,
                   ko_err *err)
{
    const char **words = NULL;
    int count = 0;
    int used = 0;

    cli->exit_code = KO_EXIT_CONFIG;
    if (ko_options_load_all(&ko_conf_table, argc, argv, environment, cli->arena, &words, &count,
                            &cli->opts, err) < 0) {
        if (err->text[0] == '-') /* errors begin with their source: a flag was typed wrongly */
            cli->exit_code = KO_EXIT_USAGE;
        return -1;
    }
    cli->command = find_command(words, count, &used);
    if (!cli->command && count == 0)
        return ko_cli_usage(cli, err, "no command; try --help");
    if (!cli->command)
        return complain_about_command(cli, words, count, err);
    if (take_arguments(cli, words + used, count - used, err) < 0)
        return -1;
    cli->exit_code = KO_EXIT_FAILURE;
    return 0;
}

static bool has_word(int argc, const char *const *argv, const char *word)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

/* --help and --version answer whatever else is there, and before any file is read. The command may
 * come after a flag and its value, so it is looked for from each word on. */
static bool answer_at_once(int argc, const char *const *argv)
{
    const ko_cli_command *command = NULL;
    int used;

    if (has_word(argc, argv, "--version")) {
        (void)printf("kontor-registry %s\n", KO_VERSION);
        return true;
    }
    if (!has_word(argc, argv, "--help") && !has_word(argc, argv, "-h"))
        return false;
    for (int i = 0; i < argc && !command; i++)
        command = find_command(argv + i, argc - i, &used);
    ko_cli_help(command);
    return true;
}

int ko_cli_run(int argc, const char *const *argv, const char *const *environment)
{
    __attribute__((cleanup(cli_done))) ko_cli cli = {.arena = ko_arena_new()};
    ko_err err = KO_ERR_INIT;

    if (answer_at_once(argc, argv))
        return KO_EXIT_OK;
    if (prepare(&cli, argc, argv, environment, &err) < 0 || cli.command->run(&cli, &err) < 0) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "kontor-registry: %s\n", err.text);
        return cli.exit_code;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "kontor-registry: cannot write the output\n");
        return KO_EXIT_FAILURE;
    }
    return KO_EXIT_OK;
}

/* ---- What commands share ---- */

static int data_dir(ko_cli *cli, const char **out, ko_err *err)
{
    *out = ko_options_str(cli->opts, KO_CONF_data);
    if (*out)
        return 0;
    cli->exit_code = KO_EXIT_CONFIG;
    return ko_err_set(err, KO_E_INVALID,
                      "no data directory: give --data DIR, or --config FILE with `data` in it");
}

int ko_cli_open(ko_cli *cli, bool make, ko_err *err)
{
    const char *dir = NULL;

    if (data_dir(cli, &dir, err) < 0)
        return -1;
    if (make) {
        ko_autofd fd = ko_fd_open_dir(AT_FDCWD, dir, 0700, err);

        if (fd < 0)
            return ko_err_ctx(err, "data directory");
    } else if (faccessat(AT_FDCWD, ko_arena_printf(cli->arena, "%s/kontor.db", dir), F_OK,
                         AT_EACCESS) < 0) {
        return ko_err_sys(err, "%s holds no registry: kontor.db", dir);
    }
    return ko_meta_open_sqlite(dir, &cli->meta, err);
}

int ko_cli_open_blobs(ko_cli *cli, ko_err *err)
{
    const char *dir = NULL;
    bool always = ko_options_u64(cli->opts, KO_CONF_storage_fsync) == 0;

    if (data_dir(cli, &dir, err) < 0)
        return -1;
    return ko_blob_fs_new(dir, always ? KO_SYNC_ALWAYS : KO_SYNC_NEVER, &cli->blobs, err);
}

typedef struct {
    ko_meta_fn *fn;
    void *arg;
    ko_meta_audit row;
} write_job;

static int write_and_note(ko_meta_tx *tx, void *arg, ko_err *err)
{
    write_job *job = arg;

    if (job->fn && job->fn(tx, job->arg, err) < 0)
        return -1;
    return ko_meta_audit_add(tx, &job->row, err);
}

int ko_cli_write(ko_cli *cli, const char *action, ko_str target, ko_meta_fn *fn, void *arg,
                 ko_err *err)
{
    write_job job = {.fn = fn,
                     .arg = arg,
                     .row = {.at_s = ko_clock_wall_s(),
                             .account = KO_STR("(command line)"),
                             .action = ko_str_of(action),
                             .target = target,
                             .address = KO_STR("local"),
                             .outcome = KO_STR("ok")}};

    return ko_meta_write(cli->meta, KO_META_DURABLE, write_and_note, &job, err);
}

/* ---- Passwords ---- */

/* One line of a descriptor, without its end; more than `size` - 1 bytes are too many. */
static int read_line(int fd, char *into, size_t size, size_t *len, ko_err *err)
{
    size_t n = 0;

    for (;;) {
        char c = 0;
        ssize_t got = read(fd, &c, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ko_err_sys(err, "read the password");
        if (got == 0 || c == '\n')
            break;
        if (n + 1 >= size)
            return ko_err_set(err, KO_E_INVALID, "the password is too long");
        into[n++] = c;
    }
    if (n > 0 && into[n - 1] == '\r')
        n--;
    into[n] = '\0';
    *len = n;
    return 0;
}

static int prompt(const char *question, char *into, size_t size, size_t *len, ko_err *err)
{
    struct termios before;
    struct termios silent;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return ko_err_sys(err, "terminal");
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)fprintf(stderr, "%s: ", question);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) < 0)
        return ko_err_sys(err, "terminal");
    int rc = read_line(STDIN_FILENO, into, size, len, err);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before); /* nothing better can be done if it fails */
    (void)fprintf(stderr, "\n");
    return rc;
}

int ko_cli_password(ko_cli *cli, ko_str *out, ko_err *err)
{
    size_t size = KO_MAX_PASSWORD + 3; /* a carriage return and the end */
    char *first = ko_arena_alloc(cli->arena, size);
    char *second = ko_arena_alloc(cli->arena, size);
    size_t len = 0;
    size_t again = 0;

    if (ko_cli_flag_value(cli, "password-stdin")) {
        if (read_line(STDIN_FILENO, first, size, &len, err) < 0)
            return -1;
        *out = (ko_str){first, len};
        return 0;
    }
    if (!isatty(STDIN_FILENO))
        return ko_cli_usage(cli, err, "give the password on standard input with --password-stdin");
    if (prompt("password", first, size, &len, err) < 0 ||
        prompt("once more", second, size, &again, err) < 0)
        return -1;
    bool same = len == again && memcmp(first, second, len) == 0;
    ko_secret_wipe(second, size);
    if (!same)
        return ko_err_set(err, KO_E_INVALID, "the two passwords differ");
    *out = (ko_str){first, len};
    return 0;
}

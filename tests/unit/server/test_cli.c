/* The command line as a whole, in this process: output, exit codes, and what it leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/cli.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"

typedef struct {
    char dir[32];
    char data[64];
    char out[8192]; /* what the last command printed */
    char err[8192];
    int home; /* descriptor of dir */
} fixture;

static int set_up(void **state)
{
    fixture *f = ko_new(fixture);

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/ko-cli-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->data, sizeof(f->data), "%s/data", f->dir);
    f->home = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->home >= 0);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    fixture *f = *state;

    close(f->home);
    assert_int_equal(nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(f);
    return 0;
}

static void slurp(fixture *f, const char *name, char *into, size_t size)
{
    ko_autobuf text;

    ko_buf_init(&text, size - 1);
    assert_int_equal(ko_fd_load(f->home, name, &text, NULL), 0);
    memcpy(into, ko_buf_str(&text).ptr, text.len);
    into[text.len] = '\0';
}

static int redirect(fixture *f, int fd, const char *name, int flags)
{
    int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    int file = openat(f->home, name, flags | O_CLOEXEC, 0600);

    assert_true(saved >= 0 && file >= 0);
    assert_int_equal(dup2(file, fd), fd);
    close(file);
    return saved;
}

static void restore(int fd, int saved)
{
    assert_int_equal(dup2(saved, fd), fd);
    close(saved);
}

/* Runs words separated by spaces ('_' stands for a space within one), with `input` on standard
 * input. */
static int run_with(fixture *f, const char *input, const char *line)
{
    static const char *const environment[] = {"KONTOR_PASSWORD_MEMORY=8KiB",
                                              "KONTOR_PASSWORD_PASSES=1", NULL};
    const char *words[32] = {"--data", f->data};
    char copy[512];
    int count = 2;

    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *p = copy, *end; *p; p = end) {
        size_t len = strcspn(p, " ");

        end = p[len] ? p + len + 1 : p + len;
        p[len] = '\0';
        for (char *c = p; *c; c++)
            *c = (char)(*c == '_' ? ' ' : *c);
        words[count++] = p;
    }
    assert_int_equal(ko_fd_store(f->home, "in", 0600, ko_str_of(input), NULL), 0);
    (void)fflush(stdout);
    (void)fflush(stderr);
    int in = redirect(f, 0, "in", O_RDONLY);
    int out = redirect(f, 1, "out", O_WRONLY | O_CREAT | O_TRUNC);
    int err = redirect(f, 2, "err", O_WRONLY | O_CREAT | O_TRUNC);
    int rc = ko_cli_run(count, words, environment);
    (void)fflush(stdout);
    (void)fflush(stderr);
    restore(0, in);
    restore(1, out);
    restore(2, err);
    slurp(f, "out", f->out, sizeof(f->out));
    slurp(f, "err", f->err, sizeof(f->err));
    return rc;
}

static int run(fixture *f, const char *line)
{
    return run_with(f, "", line);
}

static void must(fixture *f, const char *line)
{
    int rc = run_with(f, "long enough\n", line);

    if (rc != 0)
        fail_msg("%s: %d: %s", line, rc, f->err);
}

static void expect(fixture *f, const char *line, int want_rc, const char *want_err)
{
    int rc = run_with(f, "long enough\n", line);

    if (rc != want_rc || !strstr(f->err, want_err))
        fail_msg("%s: %d: %s", line, rc, f->err);
}

static void mistakes_of_typing_end_with_64_and_a_suggestion(void **state)
{
    fixture *f = *state;

    expect(f, "", 64, "no command");
    expect(f, "usr add x", 64, "did you mean 'user add'?");
    expect(f, "user", 64, "one more word");
    expect(f, "group member", 64, "one more word, as in 'group member add'");
    expect(f, "user add", 64, "usage: kontor-registry user add NAME");
    expect(f, "user add a b", 64, "usage:");
    expect(f, "user ls --jsn", 64, "did you mean --json?");
    expect(f, "user ls --json=x", 64, "--json takes no value");
    expect(f, "user add x --amdin", 64, "did you mean --admin?");
    expect(f, "serve --lisen :0", 64, "did you mean --listen?");
    expect(f, "user add x --admin=yes", 64, "takes no value");
    expect(f, "token create x --expires", 64, "wants a value");
    expect(f, "user ls --log-level loud", 64, "is none of");
    expect(f, "user ls --listen", 64, "wants a value");
    expect(f, "token create x --expires soon", 64, "duration");
    expect(f, "repo visibility a/b open", 64, "neither private nor public");
    expect(f, "repo grant a/b x fly", 64, "an action is one of");
    expect(f, "token revoke x y", 64, "no token id");
    expect(f, "quota x --bytes many", 64, "no size");
}

static void mistakes_in_the_configuration_end_with_78(void **state)
{
    fixture *f = *state;
    char line[128];

    assert_int_equal(ko_fd_store(f->home, "bad.yaml", 0600, KO_STR("listn: x\n"), NULL), 0);
    (void)snprintf(line, sizeof(line), "config check --config %s/bad.yaml", f->dir);
    expect(f, line, 78, "bad.yaml:1: unknown key 'listn', did you mean 'listen'?");
    expect(f, "config check --config /nonexistent", 78, "/nonexistent");
    expect(f, "config check --tls-cert a", 78, "pairs");
    expect(f, "config check --tls-cert /nonexistent --tls-key /nonexistent", 78, "/nonexistent");
    must(f, "config check --plain-http");
}

static void failures_end_with_1_and_say_what_was_missing(void **state)
{
    fixture *f = *state;

    expect(f, "user ls", 1, "holds no registry");
    must(f, "user add alice --admin --password-stdin");
    expect(f, "user add alice --password-stdin", 1, "alice");
    expect(f, "user rm nobody", 1, "account nobody");
    expect(f, "group rm nobody", 1, "group nobody");
    expect(f, "repo rm no/thing", 1, "repository no/thing");
    expect(f, "repo revoke a/b alice", 1, "grant on a/b to alice");
    expect(f, "token revoke alice 99", 1, "token 99 of alice");
    expect(f, "group member add nobody alice", 1, "group nobody");
    expect(f, "user add Alice --password-stdin", 1, "a name is of a-z");
}

static void a_password_comes_from_standard_input_only(void **state)
{
    fixture *f = *state;

    assert_int_equal(run_with(f, "", "user add alice"), 64);
    assert_non_null(strstr(f->err, "--password-stdin"));
    assert_int_equal(run_with(f, "short\n", "user add alice --password-stdin"), 1);
    assert_int_equal(run_with(f, "long enough\r\n", "user add alice --password-stdin"), 0);
    assert_int_equal(run_with(f, "another one\n", "user passwd alice --password-stdin"), 0);
    assert_null(strstr(f->out, "another"));
}

static void accounts_are_added_listed_changed_and_removed(void **state)
{
    fixture *f = *state;

    must(f, "user add root --admin --password-stdin");
    must(f, "user add alice --password-stdin --display Alice_A. --email a@example.org");
    must(f, "user add ci --robot");
    expect(f, "user add cj --robot --admin", 64, "robot cannot");
    must(f, "user ls --json");
    assert_non_null(strstr(f->out, "{\"name\": \"alice\", \"kind\": \"person\", \"admin\": false, "
                                   "\"disabled\": false, \"display\": \"Alice A.\""));
    assert_non_null(strstr(f->out, "{\"name\": \"ci\", \"kind\": \"robot\""));
    must(f, "user disable alice");
    must(f, "user ls");
    assert_non_null(strstr(f->out, "alice  person  -      yes"));
    must(f, "user enable alice");
    expect(f, "user demote root", 1, "last administrator");
    expect(f, "user disable root", 1, "last administrator");
    expect(f, "user rm root", 1, "last administrator");
    must(f, "user promote alice");
    must(f, "user rm root");
    expect(f, "user promote ci", 1, "robot");
    must(f, "user ls");
    assert_null(strstr(f->out, "root"));
}

static void groups_and_grants_are_made_and_taken_back(void **state)
{
    fixture *f = *state;

    must(f, "user add alice --password-stdin");
    must(f, "user add bob --password-stdin");
    must(f, "group add team --owner alice --visibility public");
    must(f, "group member add team bob");
    must(f, "group member ls team");
    assert_string_equal(f->out, "ACCOUNT  ROLE\nalice    owner\nbob      member\n");
    must(f, "group member rm team bob");
    must(f, "group member ls team --json");
    assert_string_equal(f->out, "[\n  {\"account\": \"alice\", \"role\": \"owner\"}\n]\n");
    must(f, "group ls");
    assert_non_null(strstr(f->out, "public"));
    must(f, "repo grant alice/* team pull,push");
    must(f, "repo grants");
    assert_non_null(strstr(f->out, "alice/*  team  group  pull,push"));
    must(f, "repo revoke alice/* team");
    must(f, "repo grants --json");
    assert_string_equal(f->out, "[]\n");
    must(f, "group rm team");
}

static void tokens_are_shown_once_listed_and_revoked(void **state)
{
    fixture *f = *state;
    char token[64];

    must(f, "user add alice --password-stdin");
    must(f, "token create alice --name laptop --scope repository:alice/*:pull --expires 90d");
    assert_int_equal(strncmp(f->out, "ko_p_", 5), 0);
    (void)snprintf(token, sizeof(token), "%.40s", f->out);
    expect(f, "token create alice --scope rubbish", 1, "scope");
    must(f, "token ls alice");
    assert_null(strstr(f->out, token));
    assert_non_null(strstr(f->out, "1   laptop  repository:alice/*:pull"));
    must(f, "token revoke alice 1");
    must(f, "token ls alice --json");
    assert_string_equal(f->out, "[]\n");
}

static void quotas_are_shown_and_set(void **state)
{
    fixture *f = *state;

    must(f, "user add alice --password-stdin");
    must(f, "quota alice --json");
    assert_non_null(strstr(f->out, "\"bytes_quota\": \"unlimited\""));
    must(f, "quota alice --bytes 10GiB --private-repositories 3");
    assert_non_null(strstr(f->out, "10.0 GiB"));
    must(f, "quota alice --bytes default --json");
    assert_non_null(strstr(f->out, "\"private_quota\": 3"));
    assert_non_null(strstr(f->out, "\"bytes_quota\": \"unlimited\""));
}

static void upkeep_runs_on_an_empty_registry(void **state)
{
    fixture *f = *state;

    must(f, "user add alice --password-stdin");
    must(f, "gc --dry-run --json");
    assert_non_null(strstr(f->out, "\"what\": \"bytes in quarantine\", \"count\": 0"));
    must(f, "gc --grace 0");
    must(f, "scrub");
    must(f, "check --deep");
    assert_non_null(strstr(f->out, "nothing is lost"));
}

static void help_and_version_need_no_configuration(void **state)
{
    fixture *f = *state;

    assert_int_equal(run(f, "--version --config /nonexistent"), 0);
    assert_non_null(strstr(f->out, "kontor-registry " KO_VERSION));
    assert_int_equal(run(f, "user add --help"), 0);
    assert_non_null(strstr(f->out, "--password-stdin"));
    assert_int_equal(run(f, "serve --help"), 0);
    assert_non_null(strstr(f->out, "--http-idle-timeout duration (120s)"));
    assert_int_equal(run(f, "--help"), 0);
    for (size_t i = 0; i < ko_cli_command_count; i++)
        assert_non_null(strstr(f->out, ko_cli_commands[i].name));
}

static void every_command_has_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ko_cli_command_count; i++) {
        const ko_cli_command *c = &ko_cli_commands[i];

        if (!c->text || strlen(c->text) < 10 || c->text[strlen(c->text) - 1] != '.')
            fail_msg("%s: the text is missing or no sentence", c->name);
        for (const ko_cli_flag *flag = c->flags; flag->name; flag++)
            if (!flag->text || flag->text[strlen(flag->text) - 1] != '.')
                fail_msg("%s --%s: the text is missing or no sentence", c->name, flag->name);
        assert_true(c->least <= c->most);
    }
}

static void settings_are_shown_with_their_source(void **state)
{
    fixture *f = *state;

    must(f, "config show --log-level debug");
    assert_non_null(strstr(f->out, "debug"));
    assert_non_null(strstr(f->out, "--log-level"));
    assert_non_null(strstr(f->out, "KONTOR_PASSWORD_MEMORY"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(mistakes_of_typing_end_with_64_and_a_suggestion),
        T(mistakes_in_the_configuration_end_with_78),
        T(failures_end_with_1_and_say_what_was_missing),
        T(a_password_comes_from_standard_input_only),
        T(accounts_are_added_listed_changed_and_removed),
        T(groups_and_grants_are_made_and_taken_back),
        T(tokens_are_shown_once_listed_and_revoked),
        T(quotas_are_shown_and_set),
        T(upkeep_runs_on_an_empty_registry),
        T(help_and_version_need_no_configuration),
        T(every_command_has_text),
        T(settings_are_shown_with_their_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Settings from every source, and each way in which a source can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/options.h"

#include <unistd.h>

enum { LISTEN, NAME, IDLE, SIZE, THREADS, LEVEL, ACCESS, TOKEN, ROWS };

static const ko_option TABLE_ROWS[] = {
    [LISTEN] = {.key = "listen",
                .type = KO_OPT_LIST,
                .def = ":5000",
                .min = 1,
                .max = 3,
                .unit = "-",
                .text = "t"},
    [NAME] = {.key = "server.name",
              .type = KO_OPT_STRING,
              .min = 1,
              .max = 8,
              .unit = "-",
              .text = "t",
              .reloadable = true},
    [IDLE] = {.key = "http.idle_timeout",
              .type = KO_OPT_DURATION,
              .def = "120s",
              .min = 1000,
              .max = 600000,
              .unit = "milliseconds",
              .text = "t",
              .reloadable = true},
    [SIZE] = {.key = "http.max_size",
              .flag = "max",
              .type = KO_OPT_SIZE,
              .def = "1MiB",
              .min = 0,
              .max = 1 << 30,
              .unit = "bytes",
              .text = "t"},
    [THREADS] = {.key = "threads",
                 .type = KO_OPT_UINT,
                 .def = "4",
                 .min = 1,
                 .max = 64,
                 .unit = "threads",
                 .text = "t"},
    [LEVEL] = {.key = "log.level",
               .type = KO_OPT_ENUM,
               .def = "info",
               .max = 2,
               .unit = "-",
               .choices = "debug|info|warn",
               .text = "t",
               .reloadable = true},
    [ACCESS] = {.key = "log.access",
                .type = KO_OPT_BOOL,
                .def = "true",
                .max = 1,
                .unit = "-",
                .text = "t",
                .reloadable = true},
    [TOKEN] = {.key = "metrics.token",
               .type = KO_OPT_SECRET,
               .min = 4,
               .max = 64,
               .unit = "-",
               .text = "t",
               .reloadable = true},
};
static const ko_option_table TABLE = {"kontor-test", TABLE_ROWS, ROWS};

static void rewrite(int fd, const char *text)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
}

static int load(ko_options *opts, const char *yaml, ko_err *err)
{
    return ko_options_load_text(opts, ko_str_of(yaml), "f.yaml", err);
}

static void defaults_are_there_without_any_source(void **state)
{
    ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
    size_t count = 0;
    (void)state;

    assert_string_equal(ko_options_list(opts, LISTEN, &count)[0], ":5000");
    assert_int_equal(count, 1);
    assert_false(ko_options_is_set(opts, NAME));
    assert_null(ko_options_str(opts, NAME));
    assert_int_equal(ko_options_u64(opts, IDLE), 120000);
    assert_int_equal(ko_options_u64(opts, SIZE), 1 << 20);
    assert_int_equal(ko_options_u64(opts, LEVEL), 1);
    assert_string_equal(ko_options_str(opts, LEVEL), "info");
    assert_true(ko_options_bool(opts, ACCESS));
    assert_string_equal(ko_options_source(opts, IDLE), "default");
}

static void a_file_sets_values_nested_dotted_or_in_flow_style(void **state)
{
    static const char *const rows[] = {
        "http:\n  idle_timeout: 30s\n  max_size: 2MiB\nlog:\n  level: warn\n",
        "http.idle_timeout: 30s\nhttp.max_size: 2MiB\nlog.level: warn\n",
        "{http: {idle_timeout: 30s, max_size: 2MiB}, log: {level: warn}}",
        "---\nhttp:\n  idle_timeout: '30s'\n  max_size: \"2MiB\"\nlog: {level: warn}\n...\n",
        ("# comment\nhttp:\n  # more\n  idle_timeout: 30s # and more\n  max_size: 2097152\n"
         "log.level: warn\nmetrics:\n  # token: x\n"),
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
        ko_err err = KO_ERR_INIT;

        if (load(opts, rows[i], &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(ko_options_u64(opts, IDLE), 30000);
        assert_int_equal(ko_options_u64(opts, SIZE), 2 << 20);
        assert_int_equal(ko_options_u64(opts, LEVEL), 2);
        assert_non_null(strstr(ko_options_source(opts, IDLE), "f.yaml:"));
    }
}

static void an_empty_file_changes_nothing(void **state)
{
    static const char *const rows[] = {"", "\n", "# only a comment\n", "---\n", "---\n...\n", "~"};
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_options) opts = ko_options_new(&TABLE);

        assert_int_equal(load(opts, rows[i], NULL), 0);
        assert_int_equal(ko_options_u64(opts, IDLE), 120000);
    }
}

static void a_list_is_a_sequence_or_one_value(void **state)
{
    ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
    size_t count = 0;
    (void)state;

    assert_int_equal(load(opts, "listen: [a, 'b']", NULL), 0);
    assert_string_equal(ko_options_list(opts, LISTEN, &count)[1], "b");
    assert_int_equal(count, 2);
    assert_int_equal(load(opts, "listen: c,d", NULL), 0);
    assert_string_equal(ko_options_list(opts, LISTEN, &count)[0], "c,d");
    assert_int_equal(count, 1);
}

static void each_mistake_in_a_file_is_named_with_its_line(void **state)
{
    static const struct {
        const char *yaml;
        const char *want;
    } rows[] = {
        {"htp: 1", "f.yaml:1: unknown key 'htp'"},
        {"http:\n  idle_timeot: 30s", "f.yaml:2: unknown key 'http.idle_timeot', did you mean "
                                      "'http.idle_timeout'?"},
        {"threds: 4", "did you mean 'threads'?"},
        {"completely_different: 4", "f.yaml:1: unknown key 'completely_different'"},
        {"unknown:\n  deep: 1", "f.yaml:2: unknown key 'unknown'"},
        {"threads: 4\n\nthreads: 5", "f.yaml:3: 'threads' is in line 1 already"},
        {"http:\n  max_size: 1\nhttp:\n  idle_timeout: 2s", "f.yaml:3: 'http' is in line 1"},
        {"http:\n  max_size: 1\nhttp.max_size: 2", "f.yaml:3: 'http.max_size' is in line 2"},
        {"threads: 0", "f.yaml:1: threads: 0 is not within 1 and 64 threads"},
        {"threads: 65", "not within"},
        {"threads: 010", "without leading zeros"},
        {"threads: 0x10", "f.yaml:1: threads"},
        {"threads: -1", "f.yaml:1: threads"},
        {"threads: 1.5", "f.yaml:1: threads"},
        {"threads: 99999999999999999999", "f.yaml:1: threads"},
        {"threads: 4 5", "f.yaml:1: threads"},
        {"threads: [4, 5]", "wants one value"},
        {"threads: {a: 1}", "unknown key 'threads'"},
        {"threads:", "f.yaml:1: no value"},
        {"threads: null", "f.yaml:1: no value"},
        {"log:\n  access: no", "log.access: write true or false"},
        {"log.access: yes", "write true or false"},
        {"log.access: on", "write true or false"},
        {"log.access: True", "write true or false"},
        {"log.access: 1", "write true or false"},
        {"log.level: loud", "'loud' is none of debug|info|warn"},
        {"http.idle_timeout: 5", "http.idle_timeout"},
        {"http.idle_timeout: 11m", "not within 1000 and 600000 milliseconds"},
        {"http.idle_timeout: 5 s", "http.idle_timeout"},
        {"http.max_size: 2GiB", "not within"},
        {"server.name: ''", "must not be empty"},
        {"server.name: ninechars", "longer than 8 bytes"},
        {"server.name: \"a\\nb\"", "control character"},
        {"server.name: \"a\\0b\"", "NUL"},
        {"listen: []", "0 entries"},
        {"listen: [a, b, c, d]", "4 entries"},
        {"listen: ['']", "an entry is empty"},
        {"listen: [[a]]", "a list holds plain values"},
        {"listen: [{a: b}]", "a list holds plain values"},
        {"listen:\n  -\n", "a list holds plain values"},
        {"http: 5", "this is a section"},
        {"http: [a]", "this is a section"},
        {"- a\n- b", "want 'key: value' lines"},
        {"just text", "want 'key: value' lines"},
        {"[a]: b", "a key is plain text"},
        {"{a: b}: c", "a key is plain text"},
        {"Threads: 4", "a key is of a-z"},
        {"'': 4", "a key is empty"},
        {"threads: &x 4", "anchors are not accepted"},
        {"http: &x {max_size: 1}", "anchors are not accepted"},
        {"listen: &x [a]", "anchors are not accepted"},
        {"threads: *x", "aliases are not accepted"},
        {"threads: !!int 4", "tags are not accepted"},
        {"threads: !x 4", "tags are not accepted"},
        {"http: !!map {max_size: 1}", "tags are not accepted"},
        {"threads: 4\n---\nthreads: 5", "more than one document"},
        {"threads: 'open", "f.yaml:"},
        {"threads: 4\n\tlisten: a", "f.yaml:"},
        {"http: {max_size: 1", "f.yaml:"},
        {"\xff\xfe\x00\x01", "f.yaml:"},
        {"threads: \x01", "f.yaml:"},
        {"metrics.token: abc", "metrics.token: is too short"},
        {"metrics.token_file: /nonexistent/secret", "metrics.token"},
    };
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
        ko_err err = KO_ERR_INIT;

        if (load(opts, rows[i].yaml, &err) == 0)
            fail_msg("accepted: %s", rows[i].yaml);
        if (!strstr(err.text, rows[i].want))
            fail_msg("%s\n   said: %s\n   want: %s", rows[i].yaml, err.text, rows[i].want);
    }
}

/* A few lines that stand for gigabytes in a parser that expands aliases. */
static void a_billion_laughs_are_refused_at_the_first(void **state)
{
    ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
    ko_err err = KO_ERR_INIT;
    (void)state;

    assert_int_equal(load(opts,
                          "a: &a [lol, lol, lol, lol]\nb: &b [*a, *a, *a, *a]\n"
                          "c: &c [*b, *b, *b, *b]\nd: &d [*c, *c, *c, *c]\nlisten: *d\n",
                          &err),
                     -1);
    assert_string_equal(err.text, "f.yaml:1: anchors are not accepted");
}

static void deep_nesting_and_big_files_are_refused(void **state)
{
    ko_autobuf yaml;
    ko_err err = KO_ERR_INIT;
    (void)state;

    ko_buf_init(&yaml, 4 << 20);
    for (int i = 0; i < 100000; i++)
        ko_buf_put_text(&yaml, "[");
    ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
    assert_int_equal(load(opts, yaml.data, &err), -1);
    ko_buf_reset(&yaml);
    for (int i = 0; i < 100000; i++)
        ko_buf_put_text(&yaml, "{http: ");
    assert_int_equal(load(opts, yaml.data, &err), -1);
    ko_buf_reset(&yaml);
    for (int i = 0; i < 200000; i++)
        ko_buf_put_text(&yaml, "# comment\n");
    assert_int_equal(load(opts, yaml.data, &err), -1);
    assert_int_equal(err.code, KO_E_TOO_LARGE);
}

static void the_environment_overrides_the_file(void **state)
{
    const char *const environment[] = {"HOME=/",
                                       "KONTOR_HTTP_IDLE_TIMEOUT=45s",
                                       "KONTOR_LISTEN=a, b",
                                       "KONTOR_ENGINE_ROOT=/x",
                                       "KONTOR_THREADSX=9",
                                       NULL};
    ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
    size_t count = 0;
    (void)state;

    assert_int_equal(load(opts, "http.idle_timeout: 30s\nthreads: 7", NULL), 0);
    assert_int_equal(ko_options_load_env(opts, environment, NULL), 0);
    assert_int_equal(ko_options_u64(opts, IDLE), 45000);
    assert_string_equal(ko_options_source(opts, IDLE), "KONTOR_HTTP_IDLE_TIMEOUT");
    assert_int_equal(ko_options_u64(opts, THREADS), 7);
    assert_string_equal(ko_options_list(opts, LISTEN, &count)[1], "b");
    assert_int_equal(count, 2);
}

static void a_bad_variable_is_named(void **state)
{
    const char *const environment[] = {"KONTOR_THREADS=many", NULL};
    ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
    ko_err err = KO_ERR_INIT;
    (void)state;

    assert_int_equal(ko_options_load_env(opts, environment, &err), -1);
    assert_non_null(strstr(err.text, "KONTOR_THREADS: threads: "));
}

static void a_secret_comes_from_a_file_and_is_never_printed(void **state)
{
    char path[] = "/tmp/ko-options-XXXXXX";
    char variable[64];
    ko_autobuf text;
    int fd = mkstemp(path);
    (void)state;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cr3t\n", 7), 7);
    close(fd);
    snprintf(variable, sizeof(variable), "KONTOR_METRICS_TOKEN_FILE=%s", path);
    const char *const environment[] = {variable, NULL};
    ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
    ko_buf_init(&text, 256);
    assert_int_equal(ko_options_load_env(opts, environment, NULL), 0);
    assert_string_equal(ko_options_str(opts, TOKEN), "s3cr3t");
    assert_int_equal(ko_options_print(opts, TOKEN, &text), 0);
    assert_string_equal(text.data, "<hidden>");

    const char *argv[] = {"--metrics-token", "abcd"};
    int used = 7;
    assert_int_equal(ko_options_take_flag(opts, 2, argv, &used, NULL), 0);
    assert_int_equal(used, 0); /* the value itself has no flag */
    const char *file_argv[] = {"--metrics-token-file", path};
    assert_int_equal(ko_options_take_flag(opts, 2, file_argv, &used, NULL), 0);
    assert_int_equal(used, 2);
    unlink(path);
}

static void flags_come_last_and_leave_the_rest_in_order(void **state)
{
    const char *argv[] = {"serve",      "--listen",        "x",  "--unknown", "--max=3MiB",
                          "--listen=y", "--no-log-access", "--", "--threads", "9"};
    const char *environment[] = {"KONTOR_LISTEN=from-env", "KONTOR_HTTP_MAX_SIZE=5MiB", NULL};
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoptr(ko_options) opts = NULL;
    const char **rest = NULL;
    int rest_count = 0;
    size_t count = 0;
    (void)state;

    assert_int_equal(ko_options_load_all(&TABLE, KO_ARRAY_LEN(argv), argv, environment, arena,
                                         &rest, &rest_count, &opts, NULL),
                     0);
    assert_int_equal(rest_count, 5);
    assert_string_equal(rest[0], "serve");
    assert_string_equal(rest[1], "--unknown");
    assert_string_equal(rest[2], "--");
    assert_string_equal(rest[3], "--threads");
    assert_string_equal(ko_options_list(opts, LISTEN, &count)[0], "x");
    assert_string_equal(ko_options_list(opts, LISTEN, &count)[1], "y");
    assert_int_equal(count, 2);
    assert_int_equal(ko_options_u64(opts, SIZE), 3 << 20);
    assert_false(ko_options_bool(opts, ACCESS));
    assert_int_equal(ko_options_u64(opts, THREADS), 4);
    assert_string_equal(ko_options_source(opts, SIZE), "--max");
}

static void a_flag_without_or_with_a_bad_value_is_refused(void **state)
{
    static const char *const rows[][2] = {
        {"--threads", NULL},          {"--threads", "0"}, {"--threads=", NULL},
        {"--log-access=maybe", NULL}, {"--config", NULL},
    };
    const char *environment[] = {NULL};
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_autoptr(ko_options) opts = NULL;
        ko_err err = KO_ERR_INIT;
        const char **rest = NULL;
        int rest_count = 0;

        assert_int_equal(ko_options_load_all(&TABLE, rows[i][1] ? 2 : 1, rows[i], environment,
                                             arena, &rest, &rest_count, &opts, &err),
                         -1);
        assert_int_equal(err.code, KO_E_INVALID);
        assert_null(opts);
    }
}

static void a_reload_changes_what_is_reloadable_and_counts_the_rest(void **state)
{
    char path[] = "/tmp/ko-options-XXXXXX";
    const char *environment[] = {NULL};
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_autoptr(ko_options) opts = NULL;
    ko_autoptr(ko_options) fresh = NULL;
    const char **rest = NULL;
    int rest_count = 0;
    size_t ignored = 9;
    int fd = mkstemp(path);
    (void)state;

    rewrite(fd, "threads: 5\nlisten: [a]\n");
    const char *argv[] = {"--config", path, "--log-level=warn"};
    assert_int_equal(
        ko_options_load_all(&TABLE, 3, argv, environment, arena, &rest, &rest_count, &opts, NULL),
        0);
    rewrite(fd, "threads: 6\nlisten: [b]\nserver.name: x\nlog.level: debug\n");
    assert_int_equal(ko_options_reload(opts, &fresh, &ignored, NULL), 0);
    assert_int_equal(ignored, 2);
    assert_int_equal(ko_options_u64(fresh, THREADS), 5);
    assert_string_equal(ko_options_list(fresh, LISTEN, &ignored)[0], "a");
    assert_string_equal(ko_options_str(fresh, NAME), "x");
    assert_string_equal(ko_options_str(fresh, LEVEL), "warn"); /* the flag still wins */

    rewrite(fd, "threads: none\n");
    ko_autoptr(ko_options) none = NULL;
    assert_int_equal(ko_options_reload(opts, &none, &ignored, NULL), -1);
    assert_null(none);
    close(fd);
    unlink(path);
}

static void a_missing_file_is_not_found(void **state)
{
    ko_autoptr(ko_options) opts = ko_options_new(&TABLE);
    ko_err err = KO_ERR_INIT;
    (void)state;

    assert_int_equal(ko_options_load_file(opts, "/nonexistent/kontor.yaml", &err), -1);
    assert_int_equal(err.code, KO_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/kontor.yaml"));
}

static void the_nearest_name_is_one_typing_error_away(void **state)
{
    static const char *const names[] = {"listen", "serve", "user", "group"};
    static const struct {
        const char *word;
        const char *want;
    } rows[] = {{"lsiten", "listen"}, {"sevre", "serve"}, {"usr", "user"},
                {"groups", "group"},  {"xyzzy", NULL},    {"", NULL}};
    (void)state;

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        const char *got = ko_option_nearest(rows[i].word, names, KO_ARRAY_LEN(names));

        if (rows[i].want)
            assert_string_equal(got, rows[i].want);
        else
            assert_null(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_there_without_any_source),
        cmocka_unit_test(a_file_sets_values_nested_dotted_or_in_flow_style),
        cmocka_unit_test(an_empty_file_changes_nothing),
        cmocka_unit_test(a_list_is_a_sequence_or_one_value),
        cmocka_unit_test(each_mistake_in_a_file_is_named_with_its_line),
        cmocka_unit_test(a_billion_laughs_are_refused_at_the_first),
        cmocka_unit_test(deep_nesting_and_big_files_are_refused),
        cmocka_unit_test(the_environment_overrides_the_file),
        cmocka_unit_test(a_bad_variable_is_named),
        cmocka_unit_test(a_secret_comes_from_a_file_and_is_never_printed),
        cmocka_unit_test(flags_come_last_and_leave_the_rest_in_order),
        cmocka_unit_test(a_flag_without_or_with_a_bad_value_is_refused),
        cmocka_unit_test(a_reload_changes_what_is_reloadable_and_counts_the_rest),
        cmocka_unit_test(a_missing_file_is_not_found),
        cmocka_unit_test(the_nearest_name_is_one_typing_error_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

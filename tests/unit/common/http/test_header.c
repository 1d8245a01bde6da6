/* Header fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/http/header.h"

static void assert_view(ko_str got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void names_are_compared_without_case_and_order_is_kept(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_headers headers;
    ko_str value;
    size_t iter = 0;

    ko_headers_init(&headers, arena);
    ko_headers_add(&headers, "Accept", KO_STR("a/b"));
    ko_headers_add(&headers, "Host", KO_STR("x"));
    ko_headers_add(&headers, "ACCEPT", KO_STR("c/d"));
    assert_true(ko_headers_get(&headers, "accept", &value));
    assert_view(value, "a/b");
    assert_true(ko_headers_next(&headers, "accept", &iter, &value));
    assert_view(value, "a/b");
    assert_true(ko_headers_next(&headers, "accept", &iter, &value));
    assert_view(value, "c/d");
    assert_false(ko_headers_next(&headers, "accept", &iter, &value));
    assert_false(ko_headers_get(&headers, "accep", &value));
    assert_int_equal(headers.count, 3);
}

static void values_are_copied_and_the_list_grows(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_headers headers;
    ko_str value;
    char text[16];
    size_t iter = 0;

    ko_headers_init(&headers, arena);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        ko_headers_add(&headers, "X-N", ko_str_of(text));
    }
    for (int i = 0; i < 50; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        assert_true(ko_headers_next(&headers, "x-n", &iter, &value));
        assert_view(value, text);
    }
}

static void formatted_values_may_be_long(void **state)
{
    (void)state;
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_headers headers;
    ko_str value;

    ko_headers_init(&headers, arena);
    ko_headers_addf(&headers, "Content-Range", "bytes %d-%d/%d", 0, 9, 100);
    ko_headers_addf(&headers, "Link", "<%01000d>", 7);
    assert_true(ko_headers_get(&headers, "content-range", &value));
    assert_view(value, "bytes 0-9/100");
    assert_true(ko_headers_get(&headers, "link", &value));
    assert_int_equal(value.len, 1002);
    assert_int_equal(value.ptr[1000], '7');
    assert_int_equal(value.ptr[1001], '>');
}

static void tokens_are_found_in_comma_separated_lists(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool has;
    } rows[] = {
        {"close", true},
        {"keep-alive, Close", true},
        {"keep-alive,close ,x", true},
        {" \tclose\t", true},
        {"close;q=0.1", true},
        {", ,close", true},
        {"x;a=\"1,close\", y", false},
        {"x;a=\"\\\",close\", y", false},
        {"x;a=\"1,2\", close", true},
        {"\"close\"", false},
        {"\"unterminated, close", false},
        {"closed", false},
        {"clos", false},
        {"x close", false},
        {"", false},
        {",", false},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_headers headers;

        ko_headers_init(&headers, arena);
        ko_headers_add(&headers, "Connection", KO_STR("first"));
        ko_headers_add(&headers, "Connection", ko_str_of(rows[i].value));
        ko_headers_add(&headers, "Other", KO_STR("close"));
        if (ko_headers_has_token(&headers, "connection", KO_STR("close")) != rows[i].has)
            fail_msg("row %zu: \"%s\"", i, rows[i].value);
    }
}

static bool aborts(const char *name, ko_str value)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        ko_headers headers;

        (void)!freopen("/dev/null", "w", stderr);
        ko_headers_init(&headers, ko_arena_new());
        (void)signal(SIGABRT, SIG_DFL);
        ko_headers_add(&headers, name, value);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_header_cannot_be_split(void **state)
{
    (void)state;
    assert_true(aborts("X", KO_STR("a\r\nSet-Cookie: b")));
    assert_true(aborts("X", KO_STR("a\nb")));
    assert_true(aborts("X", KO_STR("a\rb")));
    assert_true(aborts("X", KO_STR("a\0b")));
    assert_true(aborts("X: y\r\nZ", KO_STR("a")));
    assert_true(aborts("X ", KO_STR("a")));
    assert_true(aborts("", KO_STR("a")));
    assert_false(aborts("X", KO_STR("a \t\"b\", \xc3\xa9")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_compared_without_case_and_order_is_kept),
        cmocka_unit_test(values_are_copied_and_the_list_grows),
        cmocka_unit_test(formatted_values_may_be_long),
        cmocka_unit_test(tokens_are_found_in_comma_separated_lists),
        cmocka_unit_test(a_header_cannot_be_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* server/problem.c: see problem.h. */
#include "server/problem.h"

static const struct {
    const char *name;
    int status;
    const char *text;
} problems[] = {
#define X(name, status, text) {#name, status, text},
    KO_PROBLEMS(X)
#undef X
};

int ko_problem_status(ko_problem problem)
{
    return problems[problem].status;
}

const char *ko_problem_name(ko_problem problem)
{
    return problems[problem].name;
}

static ko_problem with_status(ko_problem problem, int status, int *out)
{
    *out = status;
    return problem;
}

ko_problem ko_problem_of(const ko_err *err, ko_problem missing, ko_problem invalid, int *status)
{
    switch (err->code) {
    case KO_E_NOT_FOUND:
        return with_status(missing, problems[missing].status, status);
    case KO_E_INVALID:
        return with_status(invalid, problems[invalid].status, status);
    case KO_E_DIGEST_MISMATCH:
        return with_status(KO_P_DIGEST_INVALID, 400, status);
    case KO_E_DENIED:
        return with_status(KO_P_DENIED, 403, status);
    case KO_E_TOO_LARGE:
        return with_status(KO_P_SIZE_INVALID, 413, status);
    case KO_E_EXISTS:
    case KO_E_CONFLICT:
        return with_status(KO_P_DENIED, 409, status);
    case KO_E_UNAVAILABLE:
        return with_status(KO_P_TOOMANYREQUESTS, 503, status);
    case KO_E_NO_SPACE:
        /* RFC 4918 section 11.5: the one status that says it plainly. */
        return with_status(KO_P_DENIED, 507, status);
    case KO_E_NONE:
    case KO_E_CORRUPT:
    case KO_E_IO:
        break;
    }
    return with_status(KO_P_UNKNOWN, 500, status);
}

int ko_problem_list_begin(ko_buf *out)
{
    return ko_buf_put_text(out, "{\"errors\":[");
}

int ko_problem_list_item(ko_buf *out, ko_problem problem, const char *message, const char *detail)
{
    if (out->len > 0 && out->data[out->len - 1] == '}')
        (void)ko_buf_put_char(out, ',');
    (void)ko_buf_printf(out, "{\"code\":\"%s\",\"message\":", problems[problem].name);
    (void)ko_buf_put_json(out, ko_str_of(message ? message : problems[problem].text));
    if (detail) {
        (void)ko_buf_put_text(out, ",\"detail\":");
        (void)ko_buf_put_json(out, ko_str_of(detail));
    }
    return ko_buf_put_char(out, '}');
}

int ko_problem_list_end(ko_buf *out)
{
    return ko_buf_put_text(out, "]}\n");
}

int ko_problem_print(ko_buf *out, ko_problem problem, const char *message, const char *detail)
{
    (void)ko_problem_list_begin(out);
    (void)ko_problem_list_item(out, problem, message, detail);
    return ko_problem_list_end(out);
}

/* server/json_account.c: see the header. Rules about values (what a name or a password may be) are
 * those of auth/account.h; here are types and lengths. */
#include "server/json_account.h"

#include "common/base/limits.h"
#include "common/base/own.h"

#define MAX_DISPLAY     128
#define MAX_EMAIL       254  /* RFC 5321 section 4.5.3.1 */
#define MAX_SECRET_NAME 64   /* auth/account.h */
#define MAX_SCOPE       2048 /* auth/scope.h */
#define MAX_EXPIRES_IN  (100ULL * 365 * 86400)

/* A password is limited well above the rule for passwords, whose message says more. */
#define MAX_PASSWORD_TEXT (4 * KO_KIB)

#define NEW(member, required, max)    KO_JSON_FIELD(ko_json_account_new, member, required, max)
#define CHANGE(member, required, max) KO_JSON_FIELD(ko_json_account_change, member, required, max)
#define GROUP(member, required, max)  KO_JSON_FIELD(ko_json_group, member, required, max)
#define SECRET(member, required, max) KO_JSON_FIELD(ko_json_secret_new, member, required, max)

static const ko_json_field account_new[] = {
    NEW(name, true, KO_MAX_REPO_NAME),
    NEW(password, false, MAX_PASSWORD_TEXT),
    NEW(email, false, MAX_EMAIL),
    NEW(display, false, MAX_DISPLAY),
    NEW(default_visibility, false, 0),
    NEW(admin, false, 0),
    NEW(robot, false, 0),
    NEW(quota_private_repositories, false, 0),
    NEW(quota_bytes, false, 0),
};

static const ko_json_field account_change[] = {
    CHANGE(password, false, MAX_PASSWORD_TEXT),
    CHANGE(current_password, false, MAX_PASSWORD_TEXT),
    CHANGE(email, false, MAX_EMAIL),
    CHANGE(display, false, MAX_DISPLAY),
    CHANGE(default_visibility, false, 0),
    CHANGE(admin, false, 0),
    CHANGE(disabled, false, 0),
    CHANGE(quota_private_repositories, false, 0),
    CHANGE(quota_bytes, false, 0),
};

/* A change cannot rename: it begins at the third row. */
static const ko_json_field group[] = {
    GROUP(name, true, KO_MAX_REPO_NAME),         GROUP(display, false, MAX_DISPLAY),
    GROUP(default_visibility, false, 0),         GROUP(members, false, KO_MAX_MEMBERS_CHANGE),
    GROUP(quota_private_repositories, false, 0), GROUP(quota_bytes, false, 0),
};
#define GROUP_CHANGE 2

static const ko_json_field secret_new[] = {
    SECRET(name, true, MAX_SECRET_NAME),
    SECRET(scope, false, MAX_SCOPE),
    SECRET(expires_in, false, MAX_EXPIRES_IN),
    SECRET(account, false, KO_MAX_REPO_NAME),
};

int ko_json_account_new_read(ko_str bytes, ko_arena *arena, ko_json_account_new *out, ko_err *err)
{
    *out = (ko_json_account_new){0};
    return ko_json_read(bytes, account_new, KO_ARRAY_LEN(account_new), arena, out, err);
}

int ko_json_account_change_read(ko_str bytes, ko_arena *arena, ko_json_account_change *out,
                                ko_err *err)
{
    *out = (ko_json_account_change){0};
    return ko_json_read(bytes, account_change, KO_ARRAY_LEN(account_change), arena, out, err);
}

int ko_json_group_new_read(ko_str bytes, ko_arena *arena, ko_json_group *out, ko_err *err)
{
    *out = (ko_json_group){0};
    return ko_json_read(bytes, group, KO_ARRAY_LEN(group), arena, out, err);
}

int ko_json_group_change_read(ko_str bytes, ko_arena *arena, ko_json_group *out, ko_err *err)
{
    *out = (ko_json_group){0};
    return ko_json_read(bytes, group + GROUP_CHANGE, KO_ARRAY_LEN(group) - GROUP_CHANGE, arena, out,
                        err);
}

int ko_json_secret_new_read(ko_str bytes, ko_arena *arena, ko_json_secret_new *out, ko_err *err)
{
    *out = (ko_json_secret_new){0};
    return ko_json_read(bytes, secret_new, KO_ARRAY_LEN(secret_new), arena, out, err);
}

int ko_json_account_change_print(const ko_json_account_change *doc, ko_buf *out)
{
    return ko_json_print_set(account_change, KO_ARRAY_LEN(account_change), doc, out);
}

int ko_json_group_change_print(const ko_json_group *doc, ko_buf *out)
{
    return ko_json_print_set(group, KO_ARRAY_LEN(group), doc, out);
}

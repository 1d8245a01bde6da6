/* server/json_repo.c: see the header. */
#include "server/json_repo.h"

#include "common/base/limits.h"
#include "common/base/own.h"

#define CHANGE(member, required, max) KO_JSON_FIELD(ko_json_repo_change, member, required, max)
#define GRANT(member, required, max)  KO_JSON_FIELD(ko_json_grant, member, required, max)

static const ko_json_field repo_change[] = {
    CHANGE(visibility, false, 0),
    CHANGE(description, false, KO_MAX_DESCRIPTION),
};

static const ko_json_field grant[] = {
    GRANT(repository, true, KO_MAX_REPO_NAME + 1),
    GRANT(account, false, KO_MAX_REPO_NAME),
    GRANT(group, false, KO_MAX_REPO_NAME),
    GRANT(actions, true, 0),
};

int ko_json_repo_change_read(ko_str bytes, ko_arena *arena, ko_json_repo_change *out, ko_err *err)
{
    *out = (ko_json_repo_change){0};
    return ko_json_read(bytes, repo_change, KO_ARRAY_LEN(repo_change), arena, out, err);
}

int ko_json_grant_read(ko_str bytes, ko_arena *arena, ko_json_grant *out, ko_err *err)
{
    *out = (ko_json_grant){0};
    if (ko_json_read(bytes, grant, KO_ARRAY_LEN(grant), arena, out, err) < 0)
        return -1;
    if (out->account.set == out->group.set)
        return ko_err_set(err, KO_E_INVALID, "a grant names an account or a group, and not both");
    return 0;
}

int ko_json_repo_change_print(const ko_json_repo_change *doc, ko_buf *out)
{
    return ko_json_print_set(repo_change, KO_ARRAY_LEN(repo_change), doc, out);
}

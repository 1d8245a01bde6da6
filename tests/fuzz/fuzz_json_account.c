/* Fuzz target for the JSON documents of Kontor's own API: the first byte chooses the document. What
 * is read holds its limits; what is refused says why. */
#include <stddef.h>
#include <stdint.h>

#include "common/base/limits.h"
#include "server/json_account.h"
#include "server/json_repo.h"
#include "storage/meta_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quota(const ko_json_quota *quota)
{
    KO_ASSERT(quota->value >= 0 || quota->value == KO_META_QUOTA_DEFAULT);
}

static int read_account_new(ko_str json, ko_arena *arena, ko_err *err)
{
    ko_json_account_new doc;

    if (ko_json_account_new_read(json, arena, &doc, err) < 0)
        return -1;
    KO_ASSERT(doc.name.set && ko_str_is_utf8(doc.name.value) && doc.email.value.len <= 254);
    check_quota(&doc.quota_bytes);
    ko_json_wipe(&doc.password);
    return 0;
}

static int read_account_change(ko_str json, ko_arena *arena, ko_err *err)
{
    ko_autobuf text = {0};
    ko_json_account_change doc;

    if (ko_json_account_change_read(json, arena, &doc, err) < 0)
        return -1;
    ko_buf_init(&text, KO_MAX_AUDIT_FIELD);
    KO_ASSERT(ko_json_account_change_print(&doc, &text) == 0);
    check_quota(&doc.quota_private_repositories);
    return 0;
}

static int read_group(ko_str json, ko_arena *arena, ko_err *err)
{
    ko_json_group doc;

    if (ko_json_group_change_read(json, arena, &doc, err) < 0)
        return -1;
    KO_ASSERT(!doc.name.set && doc.members.count <= KO_MAX_MEMBERS_CHANGE);
    for (size_t i = 0; i < doc.members.count; i++)
        KO_ASSERT(ko_str_is_utf8(doc.members.items[i].name));
    return ko_json_group_new_read(json, arena, &doc, err);
}

static int read_secret(ko_str json, ko_arena *arena, ko_err *err)
{
    ko_json_secret_new doc;

    if (ko_json_secret_new_read(json, arena, &doc, err) < 0)
        return -1;
    KO_ASSERT(doc.name.set && doc.expires_in.value >= 0);
    return 0;
}

static int read_repo(ko_str json, ko_arena *arena, ko_err *err)
{
    ko_json_repo_change doc;

    if (ko_json_repo_change_read(json, arena, &doc, err) < 0)
        return -1;
    KO_ASSERT(doc.description.value.len <= KO_MAX_DESCRIPTION);
    return 0;
}

static int read_grant(ko_str json, ko_arena *arena, ko_err *err)
{
    ko_json_grant doc;

    if (ko_json_grant_read(json, arena, &doc, err) < 0)
        return -1;
    KO_ASSERT(doc.actions.value > 0 && doc.actions.value <= KO_ACTION_ALL);
    KO_ASSERT(doc.account.set != doc.group.set);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int (*const readers[])(ko_str json, ko_arena * arena, ko_err * err) = {
        read_account_new, read_account_change, read_group, read_secret, read_repo, read_grant};
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_err err = KO_ERR_INIT;

    if (size == 0)
        return 0;
    ko_str json = {(const char *)data + 1, size - 1};

    if (readers[data[0] % KO_ARRAY_LEN(readers)](json, arena, &err) < 0)
        KO_ASSERT(err.code == KO_E_INVALID || err.code == KO_E_TOO_LARGE);
    return 0;
}

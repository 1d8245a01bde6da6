/* server/owner.c: see the header. */
#include "server/owner.h"

#include "server/print.h"

int64_t ko_owner_quota(int64_t own, int64_t configured)
{
    return own == KO_META_QUOTA_DEFAULT ? configured : own;
}

/* As it was set, and as it applies. */
static void print_quotas(const ko_meta_owner *owner, const ko_settings *settings, ko_buf *out)
{
    ko_print_begin(out, "quota", '{');
    ko_print_quota(out, "private_repositories", owner->quota_private_repos);
    ko_print_quota(out, "bytes", owner->quota_bytes);
    ko_print_end(out, '}');
    ko_print_begin(out, "limits", '{');
    ko_print_quota(out, "private_repositories",
                   ko_owner_quota(owner->quota_private_repos, settings->quota_private_repos));
    ko_print_quota(out, "bytes", ko_owner_quota(owner->quota_bytes, settings->quota_bytes));
    ko_print_end(out, '}');
}

int ko_owner_print(ko_meta_tx *tx, const ko_meta_owner *owner, const ko_settings *settings,
                   ko_buf *out, ko_err *err)
{
    ko_meta_usage usage;

    if (ko_meta_owner_usage(tx, owner->id, &usage, err) < 0)
        return -1;
    ko_print_text(out, "default_visibility",
                  ko_str_of(ko_meta_visibility_name(owner->default_visibility)));
    ko_print_time(out, "created_at", owner->created_at_s);
    print_quotas(owner, settings, out);
    ko_print_begin(out, "usage", '{');
    ko_print_u64(out, "repositories", usage.repos);
    ko_print_u64(out, "private_repositories", usage.private_repos);
    ko_print_u64(out, "bytes", usage.bytes);
    ko_print_end(out, '}');
    return 0;
}

int ko_owner_change(ko_meta_tx *tx, const ko_meta_owner *owner,
                    const ko_json_visibility *visibility, const ko_json_quota *private_repos,
                    const ko_json_quota *bytes, ko_err *err)
{
    if (visibility->set && ko_meta_owner_set_visibility(tx, owner->id, visibility->value, err) < 0)
        return -1;
    if (!private_repos->set && !bytes->set)
        return 0;
    return ko_meta_owner_set_quota(
        tx, owner->id, private_repos->set ? private_repos->value : owner->quota_private_repos,
        bytes->set ? bytes->value : owner->quota_bytes, err);
}

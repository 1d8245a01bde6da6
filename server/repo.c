/* server/repo.c: see repo.h. */
#include "server/repo.h"

#include "common/base/clock.h"
#include "common/oci/ref.h"
#include "server/owner.h"
#include "storage/meta_blob.h"

void ko_repo_spec_init(ko_repo_spec *spec, ko_str name, int64_t account_id,
                       const ko_settings *settings)
{
    KO_ASSERT(name.len < sizeof(spec->name));
    memcpy(spec->name, name.ptr, name.len);
    spec->name[name.len] = '\0';
    spec->account_id = account_id;
    spec->settings = settings;
}

/* The owner of the namespace; *found false for names that belong to the administrators. */
static int find_owner(ko_meta_tx *tx, const char *name, ko_meta_owner *out, bool *found,
                      ko_err *err)
{
    ko_str repo = ko_str_of(name);
    ko_str ns = ko_ref_namespace(repo);
    ko_err why = KO_ERR_INIT;

    *found = false;
    if (ns.len == repo.len)
        return 0;
    if (ko_meta_owner_find(tx, ns, out, &why) == 0) {
        *found = true;
        return 0;
    }
    if (why.code == KO_E_NOT_FOUND)
        return 0;
    *err = why;
    return -1;
}

static int check_private_quota(ko_meta_tx *tx, const ko_meta_owner *owner,
                               const ko_settings *settings, ko_err *err)
{
    int64_t quota = ko_owner_quota(owner->quota_private_repos, settings->quota_private_repos);
    ko_meta_usage usage;

    if (quota == KO_META_QUOTA_UNLIMITED)
        return 0;
    if (ko_meta_owner_usage(tx, owner->id, &usage, err) < 0)
        return -1;
    if (usage.private_repos >= (uint64_t)quota)
        return ko_err_set(err, KO_E_DENIED,
                          "%s has %llu private repositories, which is all its quota allows",
                          owner->name, (unsigned long long)usage.private_repos);
    return 0;
}

/* Finds the repository, or sees that it may be made and how visible it will be. */
static int find_or_allow(ko_meta_tx *tx, const ko_repo_spec *spec, ko_meta_repo *out, bool *found,
                         ko_meta_visibility *visibility, ko_err *err)
{
    ko_err why = KO_ERR_INIT;
    ko_meta_owner owner;
    bool owned;

    *visibility = spec->settings->default_visibility;
    *found = ko_meta_repo_find(tx, ko_str_of(spec->name), out, &why) == 0;
    if (*found)
        return 0;
    if (why.code != KO_E_NOT_FOUND) {
        *err = why;
        return -1;
    }
    if (find_owner(tx, spec->name, &owner, &owned, err) < 0)
        return -1;
    if (owned)
        *visibility = owner.default_visibility;
    if (owned && *visibility == KO_META_PRIVATE)
        return check_private_quota(tx, &owner, spec->settings, err);
    return 0;
}

int ko_repo_ensure(ko_meta_tx *tx, const ko_repo_spec *spec, ko_meta_repo *out, ko_err *err)
{
    ko_meta_visibility visibility;
    bool found;

    if (find_or_allow(tx, spec, out, &found, &visibility, err) < 0)
        return -1;
    if (found)
        return 0;
    return ko_meta_repo_add(tx, ko_str_of(spec->name), visibility, ko_clock_wall_s(), out, err);
}

int ko_repo_check_push(ko_meta_tx *tx, const ko_repo_spec *spec, uint64_t extra_bytes, ko_err *err)
{
    ko_meta_visibility visibility;
    ko_meta_repo repo;
    bool found;

    if (find_or_allow(tx, spec, &repo, &found, &visibility, err) < 0)
        return -1;
    return ko_repo_check_bytes(tx, spec, extra_bytes, err);
}

int ko_repo_set_visibility(ko_meta_tx *tx, const ko_meta_repo *repo, ko_meta_visibility visibility,
                           const ko_settings *settings, ko_err *err)
{
    ko_meta_owner owner;

    if (visibility == repo->visibility)
        return 0;
    if (visibility == KO_META_PRIVATE && repo->owner_id != 0 &&
        (ko_meta_owner_load(tx, repo->owner_id, &owner, err) < 0 ||
         check_private_quota(tx, &owner, settings, err) < 0))
        return -1;
    return ko_meta_repo_set_visibility(tx, repo, visibility, err);
}

int ko_repo_check_bytes(ko_meta_tx *tx, const ko_repo_spec *spec, uint64_t extra_bytes, ko_err *err)
{
    ko_meta_owner owner;
    int64_t quota;
    bool owned;

    if (find_owner(tx, spec->name, &owner, &owned, err) < 0)
        return -1;
    if (!owned)
        return 0;
    quota = ko_owner_quota(owner.quota_bytes, spec->settings->quota_bytes);
    if (quota == KO_META_QUOTA_UNLIMITED)
        return 0;
    if (ko_meta_owner_check_bytes(tx, owner.id, extra_bytes, (uint64_t)quota, err) == 0)
        return 0;
    if (err->code == KO_E_TOO_LARGE)
        return ko_err_set(err, KO_E_DENIED, "%s would pass its quota of %lld bytes", owner.name,
                          (long long)quota);
    return -1;
}

int ko_repo_admit(ko_meta_tx *tx, const ko_repo_blob *blob, ko_meta_repo *out, ko_err *err)
{
    ko_meta_link link;

    if (ko_repo_ensure(tx, blob->repo, out, err) < 0)
        return -1;
    if (ko_repo_check_bytes(tx, blob->repo, blob->size_bytes, err) == 0)
        return 0;
    if (err->code != KO_E_DENIED)
        return -1;
    return ko_meta_blob_find(tx, out->id, blob->digest, &link, NULL);
}

int ko_repo_admit_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    ko_meta_repo repo;

    return ko_repo_admit(tx, arg, &repo, err);
}

int ko_repo_has_room_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const ko_repo_blob *blob = arg;
    ko_meta_repo repo;
    ko_meta_link link;

    if (ko_repo_check_bytes(tx, blob->repo, blob->size_bytes, err) == 0)
        return 0;
    if (err->code != KO_E_DENIED ||
        ko_meta_repo_find(tx, ko_str_of(blob->repo->name), &repo, NULL) < 0)
        return -1;
    return ko_meta_blob_find(tx, repo.id, blob->digest, &link, NULL);
}

/* server/api_catalog.c: the list of repositories.
 *
 * The catalog holds what the caller may pull, nothing else; it needs a token with the scope
 * registry:catalog:* or Basic credentials (T11).
 *
 * Spec:    docker registry HTTP API V2 "Listing Repositories"; paging as for tags. */
#include "server/authn.h"
#include "server/names.h"
#include "storage/meta_repo.h"

static int load_repos(ko_meta_tx *tx, ko_names_query *query, ko_err *err)
{
    ko_meta_repo *repos;

    if (ko_meta_repo_list(tx, query->caller, KO_STR(""), query->last, query->limit, query->arena,
                          &repos, &query->count, err) < 0)
        return -1;
    query->names = ko_arena_alloc_array(query->arena, query->count + 1, sizeof(ko_str));
    for (size_t i = 0; i < query->count; i++)
        query->names[i] = ko_str_of(repos[i].name);
    return 0;
}

/* Repositories come, go and change hands with the rights generation. */
static uint64_t rights_generation(const ko_meta *meta, ko_str subject)
{
    (void)subject;
    return ko_meta_generation_rights(meta);
}

static const ko_names_kind catalog = {.id = 'c',
                                      .member = "repositories",
                                      .max = KO_MAX_PAGE,
                                      .per_caller = true,
                                      .load = load_repos,
                                      .generation = rights_generation};

static ko_step_ret catalog_find(ko_req *req)
{
    if (ko_authn_may_list(req) == KO_DONE)
        return KO_DONE;
    return ko_names_find(req, &catalog);
}

const ko_step ko_catalog_get_steps[] = {KO_STEP(catalog_find), KO_STEP(ko_names_reply),
                                        KO_STEPS_END};

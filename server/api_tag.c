/* server/api_tag.c: the tag list of a repository.
 *
 * Without `n` the whole list is given, as clients that know no paging expect it; a repository with
 * very many tags is bounded by TAGS_MAX and a Link.
 *
 * Spec:    OCI Distribution 1.1 "Listing Tags": byte order, strictly after `last`. */
#include "server/names.h"
#include "storage/meta_tag.h"

#define TAGS_MAX 100000 /* names in one answer: at most some 13 MiB */

static int load_tags(ko_meta_tx *tx, ko_names_query *query, ko_err *err)
{
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, query->subject, &repo, err) < 0)
        return -1;
    return ko_meta_tag_list_names(tx, repo.id, query->last, query->limit, query->arena,
                                  &query->names, &query->count, err);
}

static const ko_names_kind tags = {.id = 't',
                                   .member = "tags",
                                   .max = TAGS_MAX,
                                   .load = load_tags,
                                   .generation = ko_meta_generation_repo};

static ko_step_ret tags_find(ko_req *req)
{
    return ko_names_find(req, &tags);
}

const ko_step ko_tag_list_steps[] = {KO_STEP(tags_find), KO_STEP(ko_names_reply), KO_STEPS_END};

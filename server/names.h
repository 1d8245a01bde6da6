/* server/names.h: one page of a list of names - tags of a repository, repositories of the catalog -
 * as JSON, with a memory of the pages asked for often.
 *
 * A remembered page carries the generation of what it lists, read before its rows were, so it is
 * never given after a change to that list was acknowledged (storage/meta.h).
 *
 * Threads: the request's loop; `load` and `generation` on any. */
#ifndef KO_SERVER_NAMES_H
#define KO_SERVER_NAMES_H

#include "server/page.h"
#include "server/req.h"

typedef struct {
    ko_str subject; /* the repository whose tags these are; "" for the catalog */
    ko_meta_caller caller;
    ko_str last; /* strictly after this */
    size_t limit;
    ko_arena *arena;
    ko_str *names; /* filled by load, in the arena */
    size_t count;
} ko_names_query;

typedef struct {
    char id;            /* tells the kinds apart in the cache */
    const char *member; /* of the JSON object: "tags", "repositories" */
    size_t max;         /* names in one answer, also when the client gives no number */
    bool per_caller;    /* callers see different lists */
    int (*load)(ko_meta_tx *tx, ko_names_query *query, ko_err *err);
    uint64_t (*generation)(const ko_meta *meta, ko_str subject);
} ko_names_kind;

/* The two steps of a list endpoint: the first finds the page, in memory or on the pool. */
ko_step_ret ko_names_find(ko_req *req, const ko_names_kind *kind);
ko_step_ret ko_names_reply(ko_req *req);

#endif

/* storage/meta_repo.h: repositories.
 *
 * Functions that change something inside a repository (here, in meta_manifest.h, meta_tag.h and
 * meta_blob.h) take the ko_meta_repo found in the same transaction, because they raise the
 * generation under its name; functions that only read take its id.
 *
 * Spec:    OCI Distribution 1.1, <name>; listing as `_catalog` of the docker registry API.
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_REPO_H
#define KO_STORAGE_META_REPO_H

#include "common/base/limits.h"
#include "storage/meta.h"
#include "storage/meta_types.h"

typedef struct {
    int64_t id;
    int64_t owner_id; /* account or group; 0: administrators only */
    char name[KO_MAX_REPO_NAME + 1];
    ko_meta_visibility visibility;
    int64_t created_at_s;
    int64_t pushed_at_s; /* last manifest put or tag moved; 0: never */
    uint64_t pull_count;
    uint64_t star_count;
    uint64_t bytes; /* blobs linked and manifests, each digest once */
} ko_meta_repo;

/* errors NOT_FOUND. */
KO_MUST_USE int ko_meta_repo_find(ko_meta_tx *tx, ko_str name, ko_meta_repo *out, ko_err *err);
KO_MUST_USE int ko_meta_repo_load(ko_meta_tx *tx, int64_t id, ko_meta_repo *out, ko_err *err);

/* A new, empty repository; its owner is the account or group that the first component of the name
 * names, if there is one and the name has more than one component. Raises the rights generation.
 * errors EXISTS; INVALID: not a repository name. */
KO_MUST_USE int ko_meta_repo_add(ko_meta_tx *tx, ko_str name, ko_meta_visibility visibility,
                                 int64_t at_s, ko_meta_repo *out, ko_err *err);

/* Removes it with its tags, manifests, links and upload sessions, and queues its blobs for review
 * by the garbage collector. Grants by its exact name go too. Raises its and the rights generation.
 */
KO_MUST_USE int ko_meta_repo_remove(ko_meta_tx *tx, const ko_meta_repo *repo, int64_t at_s,
                                    ko_err *err);

/* These raise the rights generation. */
KO_MUST_USE int ko_meta_repo_set_visibility(ko_meta_tx *tx, const ko_meta_repo *repo,
                                            ko_meta_visibility visibility, ko_err *err);
/* At most KO_MAX_DESCRIPTION bytes. errors TOO_LARGE. */
KO_MUST_USE int ko_meta_repo_set_description(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str text,
                                             ko_err *err);
KO_MUST_USE int ko_meta_repo_description(ko_meta_tx *tx, int64_t repo_id, ko_arena *arena,
                                         ko_str *out, ko_err *err);

/* Adds to the pull counter: collect in memory, write lazily in batches. Raises nothing. */
KO_MUST_USE int ko_meta_repo_add_pulls(ko_meta_tx *tx, int64_t repo_id, uint64_t pulls,
                                       ko_err *err);

/* Sets or takes away an account's star; doing it twice is success. */
KO_MUST_USE int ko_meta_repo_set_star(ko_meta_tx *tx, const ko_meta_repo *repo, int64_t account_id,
                                      bool starred, ko_err *err);

/* What the caller may pull: public ones, own ones, those of the caller's groups, those granted;
 * for an administrator all. In byte order of names, after `after`, beginning with `prefix` ("" for
 * every one), at most `limit`. The cost does not grow with what the caller may not see. */
KO_MUST_USE int ko_meta_repo_list(ko_meta_tx *tx, ko_meta_caller caller, ko_str prefix,
                                  ko_str after, size_t limit, ko_arena *arena, ko_meta_repo **out,
                                  size_t *count, ko_err *err);
/* All of one owner (0: those of administrators), in byte order of names, after `after`. */
KO_MUST_USE int ko_meta_repo_list_owned(ko_meta_tx *tx, int64_t owner_id, ko_str after,
                                        size_t limit, ko_arena *arena, ko_meta_repo **out,
                                        size_t *count, ko_err *err);

/* How many there are (for /metrics). */
KO_MUST_USE int ko_meta_repo_count(ko_meta_tx *tx, uint64_t *out, ko_err *err);

#endif

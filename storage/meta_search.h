/* storage/meta_search.h: full-text search over repositories: names, descriptions, and a text of
 * labels and annotations that the server gathers when a tag is pushed.
 *
 * A query is what a person types; nothing in it is syntax. Its words (letters and digits) must all
 * be there, each as the beginning of a word. Without any word every repository matches.
 *
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_SEARCH_H
#define KO_STORAGE_META_SEARCH_H

#include "storage/meta_repo.h"

/* Replaces the labels-and-annotations text of a repository, cut to KO_MAX_SEARCH_TEXT bytes. Name
 * and description are kept up to date by meta_repo.c. */
KO_MUST_USE int ko_meta_search_set_text(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str text,
                                        ko_err *err);

typedef struct {
    ko_meta_repo repo;
    ko_str description;
} ko_meta_search_hit;

/* What matches and the caller may pull: an exact name first, then a name whose last component is
 * the query, then by rank. `offset` hits are skipped, at most `limit` returned. */
KO_MUST_USE int ko_meta_search(ko_meta_tx *tx, ko_meta_caller caller, ko_str query, size_t offset,
                               size_t limit, ko_arena *arena, ko_meta_search_hit **out,
                               size_t *count, ko_err *err);

#endif

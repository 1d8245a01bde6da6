/* storage/meta_manifest.h: manifests and indexes with their bytes, and what they point to.
 *
 * Edges (manifest -> blob, index -> manifest) are kept by digest: a target need not exist (foreign
 * layers). A subject is a column, found from the other side by the referrers list.
 *
 * Spec:    OCI Distribution 1.1 "Pushing Manifests", "Pushing Manifests with Subject", "Listing
 *          Referrers", "Deleting Manifests".
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_MANIFEST_H
#define KO_STORAGE_META_MANIFEST_H

#include "common/oci/digest.h"
#include "storage/meta_repo.h"

typedef struct {
    int64_t id;
    ko_digest digest;
    uint64_t size_bytes;
    int64_t created_at_s;
    char media_type[KO_MAX_MEDIA_TYPE + 1];
    char artifact_type[KO_MAX_MEDIA_TYPE + 1]; /* as the referrers list shows it; "": none */
    bool has_subject;
    ko_digest subject; /* when has_subject */
    ko_str bytes;      /* as received; only from functions that load it */
} ko_meta_manifest;

typedef struct {
    const ko_digest *digest;
    ko_str media_type;
    ko_str artifact_type;     /* spec: the image's config media type when it has none; "": omit */
    ko_str annotations;       /* JSON object text for the referrers list, or "" */
    const ko_digest *subject; /* or NULL */
    const ko_digest *config;  /* or NULL */
    ko_str bytes;
    const ko_digest *blobs; /* config and layers; duplicates are allowed in all three */
    size_t blob_count;
    const ko_digest *foreign; /* layers to be had elsewhere: kept when they are here, not missed */
    size_t foreign_count;
    const ko_digest *children; /* of an index */
    size_t child_count;
} ko_meta_manifest_spec;

/* Which of these digests are not in the repository: missing[i] is set for each. Blobs through their
 * link, children as manifests. Call it in the transaction of the put. Returns how many, or -1. */
KO_MUST_USE int ko_meta_manifest_missing_blobs(ko_meta_tx *tx, int64_t repo_id,
                                               const ko_digest *digests, size_t count,
                                               bool *missing, ko_err *err);
KO_MUST_USE int ko_meta_manifest_missing(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digests,
                                         size_t count, bool *missing, ko_err *err);

/* Stores a manifest with its edges; one that is there already is success and *was_new false. Tags
 * follow with ko_meta_tag_set() in the same transaction. */
KO_MUST_USE int ko_meta_manifest_put(ko_meta_tx *tx, const ko_meta_repo *repo,
                                     const ko_meta_manifest_spec *spec, ko_meta_by by,
                                     bool *was_new, ko_err *err);

/* With `arena` the bytes too; NULL: the row only. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_manifest_find(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digest,
                                      ko_arena *arena, ko_meta_manifest *out, ko_err *err);
KO_MUST_USE int ko_meta_manifest_find_tag(ko_meta_tx *tx, int64_t repo_id, ko_str tag,
                                          ko_arena *arena, ko_meta_manifest *out, ko_err *err);

/* Removes the manifest, its tags (reported, in byte order) and its edges, and queues the blobs and
 * children it pointed to for review. Referrers of it stay. errors NOT_FOUND. */
KO_MUST_USE int ko_meta_manifest_delete(ko_meta_tx *tx, const ko_meta_repo *repo,
                                        const ko_digest *digest, ko_meta_by by, ko_arena *arena,
                                        ko_str **tags, size_t *tag_count, ko_err *err);

/* In byte order of digests, after `after` ("" from the start), at most `limit`; without bytes. */
KO_MUST_USE int ko_meta_manifest_list(ko_meta_tx *tx, int64_t repo_id, ko_str after, size_t limit,
                                      ko_arena *arena, ko_meta_manifest **out, size_t *count,
                                      ko_err *err);

typedef struct {
    int64_t id; /* where the next page starts */
    ko_digest digest;
    uint64_t size_bytes;
    const char *media_type;
    const char *artifact_type; /* "": omit */
    ko_str annotations;        /* JSON object text, or "" */
} ko_meta_referrer;

typedef struct {
    const ko_digest *subject;
    const ko_str *artifact_type; /* only these, "" those without one; NULL: all */
    int64_t after_id;            /* 0 from the start */
    size_t limit;
} ko_meta_referrer_page;

/* Manifests of the repository whose subject is this digest, whether or not that exists, oldest
 * first. */
KO_MUST_USE int ko_meta_manifest_list_referrers(ko_meta_tx *tx, int64_t repo_id,
                                                const ko_meta_referrer_page *page, ko_arena *arena,
                                                ko_meta_referrer **out, size_t *count, ko_err *err);

/* How many there are (for /metrics). */
KO_MUST_USE int ko_meta_manifest_count(ko_meta_tx *tx, uint64_t *out, ko_err *err);

#endif

/* server/content.h: manifests and blobs as requests want them, with a memory of the hot ones.
 *
 * A hot manifest GET or HEAD, by tag or digest, and a hot small blob cost no disk and no SQL. An
 * entry carries the repository's generation, read before its rows were, so it is never served after
 * a write to that repository was acknowledged (storage/meta.h).
 *
 * Threads: the `_cached` functions never block; the others are for the pool. */
#ifndef KO_SERVER_CONTENT_H
#define KO_SERVER_CONTENT_H

#include "common/base/cache.h"
#include "common/oci/ref.h"
#include "server/app.h"

typedef struct {
    ko_cache_entry entry;
    int64_t repo_id;
    ko_digest digest;
    uint64_t size_bytes;
    char media_type[KO_MAX_MEDIA_TYPE + 1];
    int64_t lease_until_s; /* blobs */
    bool has_bytes;        /* always for manifests, for blobs only when they are small */
    char bytes[];          /* size_bytes of them */
} ko_content;

/* A new reference, or NULL: ask the pool. */
ko_content *ko_content_manifest_cached(ko_app *app, ko_str repo, ko_str ref);
ko_content *ko_content_blob_cached(ko_app *app, ko_str repo, ko_str digest);

/* A new reference; stored for the next. errors NOT_FOUND; IO; CORRUPT. */
KO_MUST_USE int ko_content_manifest(ko_app *app, ko_str repo, const ko_ref *ref, ko_content **out,
                                    ko_err *err);
/* `promise`: the caller will rely on the answer "exists" for a push: the lease is renewed if it is
 * not fresh. */
KO_MUST_USE int ko_content_blob(ko_app *app, ko_str repo, const ko_digest *digest, bool promise,
                                ko_content **out, ko_err *err);

static inline void ko_content_unref(ko_content *content)
{
    if (content)
        ko_cache_entry_unref(&content->entry);
}

#endif

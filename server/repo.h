/* server/repo.h: a repository comes into being with the first thing that is stored in it.
 *
 * Threads: inside a write transaction. */
#ifndef KO_SERVER_REPO_H
#define KO_SERVER_REPO_H

#include "common/oci/digest.h"
#include "server/settings.h"
#include "storage/meta_owner.h"
#include "storage/meta_repo.h"

/* Who pushes where; a value that a job can own. */
typedef struct {
    char name[KO_MAX_REPO_NAME + 1];
    int64_t account_id;
    const ko_settings *settings;
} ko_repo_spec;

void ko_repo_spec_init(ko_repo_spec *spec, ko_str name, int64_t account_id,
                       const ko_settings *settings);

/* Finds the repository or makes it, private or public as its namespace says. The caller has checked
 * the right to push. errors DENIED: the owner's quota of private repositories is used up. */
KO_MUST_USE int ko_repo_ensure(ko_meta_tx *tx, const ko_repo_spec *spec, ko_meta_repo *out,
                               ko_err *err);
/* Makes it private or public. errors DENIED: the owner's quota of private repositories is used up.
 */
KO_MUST_USE int ko_repo_set_visibility(ko_meta_tx *tx, const ko_meta_repo *repo,
                                       ko_meta_visibility visibility, const ko_settings *settings,
                                       ko_err *err);

/* May `extra_bytes` more be stored in the namespace of this repository name? errors DENIED: no, and
 * the text says how much there may be. */
KO_MUST_USE int ko_repo_check_bytes(ko_meta_tx *tx, const ko_repo_spec *spec, uint64_t extra_bytes,
                                    ko_err *err);

/* What a push will be refused for at its end, told at its begin: either quota. error DENIED. */
KO_MUST_USE int ko_repo_check_push(ko_meta_tx *tx, const ko_repo_spec *spec, uint64_t extra_bytes,
                                   ko_err *err);

/* A blob that is about to be linked. */
typedef struct {
    const ko_repo_spec *repo;
    const ko_digest *digest;
    uint64_t size_bytes;
} ko_repo_blob;

/* ko_repo_ensure(), and sees that the blob fits into its owner's quota: here, in the transaction
 * that links it, because of several at once each would fit alone. What the repository has already
 * takes no room. errors DENIED: of either. */
KO_MUST_USE int ko_repo_admit(ko_meta_tx *tx, const ko_repo_blob *blob, ko_meta_repo *out,
                              ko_err *err);
/* The same as a ko_meta_fn; `arg` is a ko_repo_blob. */
KO_MUST_USE int ko_repo_admit_tx(ko_meta_tx *tx, void *arg, ko_err *err);
/* Would it fit now? For a read; `arg` is a ko_repo_blob. errors DENIED. */
KO_MUST_USE int ko_repo_has_room_tx(ko_meta_tx *tx, void *arg, ko_err *err);

#endif

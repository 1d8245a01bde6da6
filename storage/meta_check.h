/* storage/meta_check.h: does the database agree with itself? For `kontor-registry check`; reads
 * everything once, in one snapshot. Whether the files of blobs are there is storage/scrub's part.
 *
 * Threads: as the transaction. */
#ifndef KO_STORAGE_META_CHECK_H
#define KO_STORAGE_META_CHECK_H

#include "storage/meta.h"

/* Called for each problem with a sentence that names the rows. */
typedef void ko_meta_check_report(void *arg, const char *problem);

/* Structure (the database's own check, foreign keys), tags without a manifest, manifests whose
 * bytes do not have their digest, blobs that manifests need but that are not there,
 * links to condemned blobs, wrong byte counts. *problems counts them; finding some is success. */
KO_MUST_USE int ko_meta_check(ko_meta_tx *tx, ko_meta_check_report *report, void *arg,
                              uint64_t *problems, ko_err *err);

#endif

/* common/oci/index.h: prints an OCI image index, entry by entry: the answer of the referrers list.
 *
 * Spec:    OCI Distribution 1.1, "Listing Referrers"; OCI Image 1.1, image-index.md. An index
 *          without entries has "manifests": [], never null.
 * Threads: a writer from one thread at a time. */
#ifndef KO_OCI_INDEX_H
#define KO_OCI_INDEX_H

#include "common/base/buf.h"
#include "common/oci/digest.h"

typedef struct {
    ko_buf *out;
    size_t count;
} ko_index_writer;

typedef struct {
    const ko_digest *digest;
    uint64_t size_bytes;
    ko_str media_type;
    ko_str artifact_type; /* "": left out */
    ko_str annotations;   /* a JSON object as printed by ko_annotations_print(), or "": left out */
} ko_index_entry;

/* Starts an index in `out`, which stays the caller's and bounds it. */
void ko_index_begin(ko_index_writer *writer, ko_buf *out);
/* Returns 0; or -1 when the index would not fit any more with this entry, which is then not
 * written: end it and go on with this entry on the next page. */
KO_MUST_USE int ko_index_add(ko_index_writer *writer, const ko_index_entry *entry);
/* errors TOO_LARGE: not even an empty index fits. */
KO_MUST_USE int ko_index_end(ko_index_writer *writer, ko_err *err);

#endif

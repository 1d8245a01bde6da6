/* common/oci/desc.h: a descriptor: media type, digest and size of some content, with what else is
 * said about it.
 *
 * Spec:    OCI Image 1.1, descriptor.md, annotations.md, image-index.md ("platform").
 * Threads: values; the strings belong to the arena they were parsed into. */
#ifndef KO_OCI_DESC_H
#define KO_OCI_DESC_H

#include "common/base/buf.h"
#include "common/oci/digest.h"
#include "common/oci/media.h"

typedef struct {
    const char *name;
    const char *value;
} ko_annotation;

typedef struct {
    const ko_annotation *items; /* in the order of the document */
    size_t count;
} ko_annotations;

/* Strings are never NULL: "" is what the document does not say. */
typedef struct {
    const char *os;
    const char *architecture;
    const char *variant;
    const char *os_version;
} ko_platform;

typedef struct {
    ko_digest digest;
    uint64_t size_bytes; /* at most INT64_MAX */
    ko_media media;
    const char *media_type;    /* as written, never "" */
    const char *artifact_type; /* "": none */
    /* The bytes may live elsewhere only ("urls", or a non-distributable layer): a registry does not
     * demand them. */
    bool foreign;
    bool has_platform;
    ko_platform platform;
    ko_annotations annotations;
} ko_desc;

/* The value under a name, or NULL. */
const char *ko_annotations_find(const ko_annotations *annotations, const char *name);
/* A JSON object ("{}" when there are none) appended to `out`; 0, or -1 as ko_buf_put(). */
int ko_annotations_print(const ko_annotations *annotations, ko_buf *out);

#endif

/* common/oci/manifest.h: one typed view of every kind of manifest a registry stores.
 *
 * The bytes themselves are stored, hashed and served as received; this is what is read out of them.
 * Kinds: OCI image manifest, OCI index, docker schema 2 manifest, docker manifest list, and the OCI
 * artifact manifest of the 1.1 release candidates.
 *
 * Spec:    OCI Image 1.1, manifest.md and image-index.md; Docker image manifest version 2, schema
 *          2.
 * Threads: values; everything belongs to the arena. */
#ifndef KO_OCI_MANIFEST_H
#define KO_OCI_MANIFEST_H

#include "common/base/arena.h"
#include "common/oci/desc.h"

typedef struct {
    ko_media media;
    const char *media_type; /* canonical name of `media`: what to answer as Content-Type */
    /* As the referrers list shows it (Distribution 1.1, "Listing Referrers"): an image manifest
     * that has none gets its config's media type; an index that has none gets "". */
    const char *artifact_type;
    const ko_desc *config; /* NULL: none */
    /* Layers of an image, blobs of an artifact, and those entries of an index that are not
     * manifests (BuildKit's cache indexes list layers). */
    const ko_desc *blobs;
    size_t blob_count;
    const ko_desc *children; /* manifests of an index */
    size_t child_count;
    const ko_desc *subject; /* NULL: none */
    ko_annotations annotations;
} ko_manifest;

/* Reads a manifest. `content_type` is the request's header (parameters are ignored) or the media
 * type it was stored under; the body's mediaType must agree with it. An empty one takes the body's.
 * errors INVALID: the text names what is wrong; TOO_LARGE: bytes, descriptors or annotations. */
KO_MUST_USE int ko_manifest_parse(ko_str bytes, ko_str content_type, ko_arena *arena,
                                  ko_manifest *out, ko_err *err);

#endif

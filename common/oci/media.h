/* common/oci/media.h: the media types a registry must tell apart.
 *
 * Spec:    OCI Image 1.1, media-types.md; Docker image manifest version 2, schema 2; RFC 6838
 *          section 4.2 for the form of names.
 * Threads: values. */
#ifndef KO_OCI_MEDIA_H
#define KO_OCI_MEDIA_H

#include <stdbool.h>

#include "common/base/str.h"

#define KO_MEDIA_OCI    "application/vnd.oci."
#define KO_MEDIA_DOCKER "application/vnd.docker."

/* X(name, text) */
#define KO_MEDIA_TYPES(X)                                                                          \
    X(OCI_MANIFEST, KO_MEDIA_OCI "image.manifest.v1+json")                                         \
    X(OCI_INDEX, KO_MEDIA_OCI "image.index.v1+json")                                               \
    X(OCI_ARTIFACT, KO_MEDIA_OCI "artifact.manifest.v1+json")                                      \
    X(OCI_CONFIG, KO_MEDIA_OCI "image.config.v1+json")                                             \
    X(OCI_EMPTY, KO_MEDIA_OCI "empty.v1+json")                                                     \
    X(OCI_LAYER, KO_MEDIA_OCI "image.layer.v1.tar")                                                \
    X(OCI_LAYER_GZIP, KO_MEDIA_OCI "image.layer.v1.tar+gzip")                                      \
    X(OCI_LAYER_ZSTD, KO_MEDIA_OCI "image.layer.v1.tar+zstd")                                      \
    X(OCI_NONDIST, KO_MEDIA_OCI "image.layer.nondistributable.v1.tar")                             \
    X(OCI_NONDIST_GZIP, KO_MEDIA_OCI "image.layer.nondistributable.v1.tar+gzip")                   \
    X(OCI_NONDIST_ZSTD, KO_MEDIA_OCI "image.layer.nondistributable.v1.tar+zstd")                   \
    X(DOCKER_MANIFEST, KO_MEDIA_DOCKER "distribution.manifest.v2+json")                            \
    X(DOCKER_LIST, KO_MEDIA_DOCKER "distribution.manifest.list.v2+json")                           \
    X(DOCKER_CONFIG, KO_MEDIA_DOCKER "container.image.v1+json")                                    \
    X(DOCKER_LAYER, KO_MEDIA_DOCKER "image.rootfs.diff.tar")                                       \
    X(DOCKER_LAYER_GZIP, KO_MEDIA_DOCKER "image.rootfs.diff.tar.gzip")                             \
    X(DOCKER_FOREIGN, KO_MEDIA_DOCKER "image.rootfs.foreign.diff.tar")                             \
    X(DOCKER_FOREIGN_GZIP, KO_MEDIA_DOCKER "image.rootfs.foreign.diff.tar.gzip")                   \
    X(DOCKER_SCHEMA1, KO_MEDIA_DOCKER "distribution.manifest.v1+json")                             \
    X(DOCKER_SCHEMA1_SIGNED, KO_MEDIA_DOCKER "distribution.manifest.v1+prettyjws")

typedef enum {
    KO_MEDIA_OTHER, /* none of these */
#define X(name, text) KO_MEDIA_##name,
    KO_MEDIA_TYPES(X)
#undef X
} ko_media;

/* By name, in any case; parameters ("; charset=utf-8") are ignored. */
ko_media ko_media_of(ko_str text);
/* The canonical name; "" for OTHER. */
const char *ko_media_text(ko_media media);

/* Stored under manifests/: everything that lists descriptors, indexes and docker schema 1 too. */
bool ko_media_is_manifest(ko_media media);
/* Lists manifests: OCI index, docker manifest list. */
bool ko_media_is_index(ko_media media);
/* A layer whose bytes clients do not push: OCI non-distributable, docker foreign. */
bool ko_media_is_nondistributable(ko_media media);
bool ko_media_is_schema1(ko_media media);

/* type "/" subtype as RFC 6838 section 4.2 wants them, without parameters? */
bool ko_media_well_formed(ko_str text);

#endif

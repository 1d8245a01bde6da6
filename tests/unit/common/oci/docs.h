/* Parts of documents for the tests of the OCI codecs. */
#ifndef TESTS_UNIT_COMMON_OCI_DOCS_H
#define TESTS_UNIT_COMMON_OCI_DOCS_H

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX    "application/vnd.oci.image.index.v1+json"
#define OCI_ARTIFACT "application/vnd.oci.artifact.manifest.v1+json"
#define OCI_CONFIG   "application/vnd.oci.image.config.v1+json"
#define OCI_LAYER    "application/vnd.oci.image.layer.v1.tar+gzip"
#define DOCKER_V2    "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST  "application/vnd.docker.distribution.manifest.list.v2+json"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"

/* A descriptor with further members (`more` begins with a comma or is empty). */
#define DESC(media, digest, more)                                                                  \
    "{\"mediaType\":\"" media "\",\"digest\":\"" digest "\",\"size\":7" more "}"
#define CONFIG DESC(OCI_CONFIG, D1, "")
#define LAYER  DESC(OCI_LAYER, D2, "")

#endif

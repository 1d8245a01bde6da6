/* common/base/limits.h: every maximum of the project in one place. A size that comes from outside
 * is compared with one of these before memory is taken for it. Bytes unless the name says
 * otherwise. */
#ifndef KO_BASE_LIMITS_H
#define KO_BASE_LIMITS_H

#define KO_KIB 1024ULL
#define KO_MIB (1024 * KO_KIB)
#define KO_GIB (1024 * KO_MIB)

/* HTTP (RFC 9112 leaves these to us; dependencies and reasons in docs/internals/http.md) */
#define KO_MAX_HTTP_LINE       (8 * KO_KIB)  /* request line */
#define KO_MAX_HTTP_HEAD       (64 * KO_KIB) /* request line and all header fields */
#define KO_MAX_HTTP_FIELDS     100           /* header fields, count */
#define KO_MAX_HTTP_CHUNK_EXT  256           /* chunk extension */
#define KO_MAX_HTTP_TRAILER    (8 * KO_KIB)
#define KO_MAX_HTTP_SMALL_BODY (64 * KO_KIB)  /* token and account forms */
#define KO_HTTP_BODY_CHUNK     (128 * KO_KIB) /* one receive buffer; a transfer owns two */
#define KO_HTTP_SEND_CHUNK     (64 * KO_KIB)  /* one shared send buffer per loop */
#define KO_HTTP_COLD_CHUNK     (256 * KO_KIB) /* one read of the pool for a reply */

/* OCI Distribution 1.1 and Image 1.1 */
#define KO_MAX_REPO_NAME     255          /* with the host, by convention of the clients */
#define KO_MAX_TAG           128          /* spec "Pulling manifests": 1 + 127 */
#define KO_MAX_DIGEST        136          /* "sha512:" and 128 hex digits, and NUL */
#define KO_MAX_MEDIA_TYPE    255          /* RFC 6838 section 4.2 */
#define KO_MAX_MANIFEST      (4 * KO_MIB) /* spec "Pushing Manifests" */
#define KO_MAX_MANIFEST_REFS 4096         /* descriptors in one manifest or index, count */
#define KO_MAX_ANNOTATIONS   1024         /* per descriptor or manifest, count */
#define KO_MAX_TAGS_PER_PUT  64           /* spec main end-7b: at least 10 */
#define KO_MAX_WARNING       4096         /* spec "Warnings", all together */
#define KO_MAX_PAGE          1000         /* entries of one list answer, count */
#define KO_MAX_RANGES        16           /* ranges in one Range header, count */

/* Accounts */
#define KO_MAX_ACCOUNT_NAME 64
#define KO_MIN_PASSWORD     8
#define KO_MAX_PASSWORD     1024
#define KO_MAX_TOKEN        (8 * KO_KIB)
#define KO_MAX_SCOPES       64 /* in one token request, count */

/* Text kept in the metadata database */
#define KO_MAX_DESCRIPTION (16 * KO_KIB) /* of a repository */
#define KO_MAX_SEARCH_TEXT (16 * KO_KIB) /* labels and annotations indexed per repository */
#define KO_MAX_AUDIT_FIELD 512

/* JSON documents */
#define KO_MAX_JSON_DEPTH   32
#define KO_MAX_JSON_VALUES  131072 /* of one document, count: a tree costs ~50 times its text */
#define KO_MAX_IMAGE_CONFIG (1 * KO_MIB) /* image config read for search and listings */
#define KO_MAX_CONFIG       (1 * KO_MIB) /* the configuration file */

#endif

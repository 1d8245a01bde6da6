/* server/problem.h: from ko_err to an HTTP status and the registry's error document; the only such
 * mapping.
 *
 * Spec:    OCI Distribution 1.1, "Error Codes". Clients read the code; podman and skopeo convert
 * the image and push again on MANIFEST_INVALID, TAG_INVALID and UNSUPPORTED, so those three mean
 *          real invalidity only (registry-protocol trap T46).
 * Threads: any. */
#ifndef KO_SERVER_PROBLEM_H
#define KO_SERVER_PROBLEM_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define KO_PROBLEMS(X)                                                                             \
    X(BLOB_UNKNOWN, 404, "blob unknown to registry")                                               \
    X(BLOB_UPLOAD_INVALID, 400, "blob upload invalid")                                             \
    X(BLOB_UPLOAD_UNKNOWN, 404, "blob upload unknown to registry")                                 \
    X(DIGEST_INVALID, 400, "provided digest did not match uploaded content")                       \
    X(MANIFEST_BLOB_UNKNOWN, 404, "manifest references a manifest or blob unknown to registry")    \
    X(MANIFEST_INVALID, 400, "manifest invalid")                                                   \
    X(MANIFEST_UNKNOWN, 404, "manifest unknown to registry")                                       \
    X(NAME_INVALID, 400, "invalid repository name")                                                \
    X(NAME_UNKNOWN, 404, "repository name not known to registry")                                  \
    X(TAG_INVALID, 400, "tag invalid")                                                             \
    X(SIZE_INVALID, 400, "provided length did not match content length")                           \
    X(RANGE_INVALID, 416, "invalid content range")                                                 \
    X(PAGINATION_NUMBER_INVALID, 400, "invalid number of results requested")                       \
    X(UNAUTHORIZED, 401, "authentication required")                                                \
    X(DENIED, 403, "requested access to the resource is denied")                                   \
    X(UNSUPPORTED, 405, "the operation is unsupported")                                            \
    X(TOOMANYREQUESTS, 429, "too many requests")                                                   \
    X(UNKNOWN, 500, "unknown error")

typedef enum {
#define X(name, status, text) KO_P_##name,
    KO_PROBLEMS(X)
#undef X
} ko_problem;

/* The status that usually goes with a code. */
int ko_problem_status(ko_problem problem);
const char *ko_problem_name(ko_problem problem);

/* What a failure of the store or of our own code means to the client. `missing` is what NOT_FOUND
 * and `invalid` what INVALID stand for at the place where it happened. Sets *status. */
ko_problem ko_problem_of(const ko_err *err, ko_problem missing, ko_problem invalid, int *status);

/* Appends {"errors":[{"code":..,"message":..,"detail":..}]}. `message` NULL gives the code's own
 * text; `detail` NULL leaves it out, else it is a text (not JSON). */
int ko_problem_print(ko_buf *out, ko_problem problem, const char *message, const char *detail);

/* For several errors in one document: begin, any number of items, end. */
int ko_problem_list_begin(ko_buf *out);
int ko_problem_list_item(ko_buf *out, ko_problem problem, const char *message, const char *detail);
int ko_problem_list_end(ko_buf *out);

#endif

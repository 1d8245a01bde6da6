/* common/oci/ref.h: the names that registries use: repository, tag, and the <reference> of a
 * manifest URL, which is a tag or a digest.
 *
 * Spec:    OCI Distribution 1.1, "Pulling manifests": <name> matches
 *          [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*, <tag> matches
 *          [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
 * Threads: values. */
#ifndef KO_OCI_REF_H
#define KO_OCI_REF_H

#include <stdbool.h>

#include "common/oci/digest.h"

/* errors INVALID; the text names the rule that is broken. */
KO_MUST_USE int ko_ref_check_repo(ko_str name, ko_err *err);
KO_MUST_USE int ko_ref_check_tag(ko_str tag, ko_err *err);

/* The first component of a repository name: its namespace. The whole name when it has only one. */
ko_str ko_ref_namespace(ko_str repo);

typedef struct {
    bool is_digest;
    ko_digest digest;         /* when is_digest */
    char tag[KO_MAX_TAG + 1]; /* otherwise */
} ko_ref;

/* A manifest reference: digest when it contains ':', else tag. errors INVALID. */
KO_MUST_USE int ko_ref_parse(ko_str text, ko_ref *out, ko_err *err);

#endif

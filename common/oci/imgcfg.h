/* common/oci/imgcfg.h: what listings and search show of an image's configuration.
 *
 * A config blob may be anything (helm charts, cosign, "{}"): every member is optional, and one of
 * the wrong type counts as missing.
 *
 * Spec:    OCI Image 1.1, config.md.
 * Threads: values; the strings belong to the arena. */
#ifndef KO_OCI_IMGCFG_H
#define KO_OCI_IMGCFG_H

#include "common/base/arena.h"
#include "common/oci/desc.h"

typedef struct {
    const char *os; /* strings: "" when not said */
    const char *architecture;
    const char *variant;
    const char *created;   /* as written */
    bool has_created;      /* `created` is a time */
    int64_t created_at_s;  /* when has_created */
    ko_annotations labels; /* config.Labels */
} ko_imgcfg;

/* errors INVALID: not a JSON object; TOO_LARGE. */
KO_MUST_USE int ko_imgcfg_parse(ko_str bytes, ko_arena *arena, ko_imgcfg *out, ko_err *err);

#endif

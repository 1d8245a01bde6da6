/* common/oci/json_priv.h: what the codecs of this folder share: loading a hostile document, and
 * typed look-ups that name the key when they fail. For common/oci/ only: it shows jansson. */
#ifndef KO_OCI_JSON_PRIV_H
#define KO_OCI_JSON_PRIV_H

#include <jansson.h>

#include "common/base/arena.h"
#include "common/oci/desc.h"

/* A whole document, which is an object of at most `max` bytes: UTF-8, no duplicate keys, no NUL,
 * limited in depth and number of values. Owned by the caller: json_decref() or json_auto_t.
 * errors TOO_LARGE, INVALID. */
KO_MUST_USE int ko_json_load(ko_str bytes, size_t max, json_t **out, ko_err *err);

/* A member that is there and not null: Go programs print empty optional members as null. */
json_t *ko_json_member(const json_t *object, const char *key);

/* A string of at most `max` bytes, copied into the arena; "" when the member is not there.
 * errors INVALID. */
KO_MUST_USE int ko_json_text(const json_t *object, const char *key, size_t max, ko_arena *arena,
                             const char **out, ko_err *err);
/* A member of that type; *out is NULL when it is not there. errors INVALID: of another type. */
KO_MUST_USE int ko_json_object(const json_t *object, const char *key, json_t **out, ko_err *err);
KO_MUST_USE int ko_json_array(const json_t *object, const char *key, json_t **out, ko_err *err);

/* An object of strings under a key (annotations, labels). errors INVALID; TOO_LARGE. */
KO_MUST_USE int ko_json_strings(const json_t *object, const char *key, ko_arena *arena,
                                ko_annotations *out, ko_err *err);

/* A descriptor. errors INVALID; TOO_LARGE. */
KO_MUST_USE int ko_desc_parse(const json_t *object, ko_arena *arena, ko_desc *out, ko_err *err);

#endif

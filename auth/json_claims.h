/* auth/json_claims.h: the JSON of tokens: header and claims, in both directions.
 *
 * Spec:    RFC 7519 section 4.1; distribution docs/content/spec/auth/jwt.md ("access"). Duplicate
 *          keys are refused, unknown claims ignored, known ones must have their type.
 * Threads: values; memory from the arena. */
#ifndef KO_AUTH_JSON_CLAIMS_H
#define KO_AUTH_JSON_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/scope.h"
#include "common/base/arena.h"
#include "common/base/buf.h"

typedef struct {
    ko_str alg;
    ko_str kid;
} ko_jwt_header;

/* errors INVALID: not an object, alg or kid missing, typ other than JWT, or a member that asks for
 * keys from elsewhere or for extensions (crit, jwk, jku, x5u, b64). */
KO_MUST_USE int ko_claims_parse_header(ko_str json, ko_arena *arena, ko_jwt_header *out,
                                       ko_err *err);

typedef struct {
    ko_str issuer;
    ko_str subject;  /* account name; empty for anonymous */
    ko_str audience; /* the service */
    ko_str id;       /* jti */
    int64_t issued_at_s;
    int64_t not_before_s;
    int64_t expires_at_s;
    int64_t account_id; /* private claim; 0 for anonymous */
    bool whole;         /* private claim: earned by credentials without a scope of their own */
    ko_scopes access;
} ko_claims;

/* `audience`: the one that must be among the token's (a string or an array).
 * errors INVALID, with the claim named; DENIED: another audience. */
KO_MUST_USE int ko_claims_parse(ko_str json, ko_str audience, ko_arena *arena, ko_claims *out,
                                ko_err *err);
/* Appends the claims object; access is printed in the order it has. */
int ko_claims_print(const ko_claims *claims, ko_buf *out);

#endif

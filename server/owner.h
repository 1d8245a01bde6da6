/* server/owner.h: what accounts and groups have in common, for the API: default visibility, quotas
 * and usage.
 *
 * Threads: inside a transaction. */
#ifndef KO_SERVER_OWNER_H
#define KO_SERVER_OWNER_H

#include "common/base/buf.h"
#include "server/json_object.h"
#include "server/settings.h"
#include "storage/meta_owner.h"

/* The number that applies: the owner's own or the one of the settings. */
int64_t ko_owner_quota(int64_t own, int64_t configured);

/* Prints "default_visibility", "created_at", "quota", "limits" and "usage" into an open object. */
KO_MUST_USE int ko_owner_print(ko_meta_tx *tx, const ko_meta_owner *owner,
                               const ko_settings *settings, ko_buf *out, ko_err *err);

/* Changes what is set. */
KO_MUST_USE int ko_owner_change(ko_meta_tx *tx, const ko_meta_owner *owner,
                                const ko_json_visibility *visibility,
                                const ko_json_quota *private_repos, const ko_json_quota *bytes,
                                ko_err *err);

#endif

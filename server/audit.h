/* server/audit.h: who did what, for the audit table. Written lazily in the background: a request
 * never waits for it.
 *
 * Threads: the request's loop. */
#ifndef KO_SERVER_AUDIT_H
#define KO_SERVER_AUDIT_H

#include "server/req.h"

/* A change that succeeded. `action` is a literal such as "tag.delete"; `detail` may be NULL. The
 * target is the repository of the path and the detail. */
void ko_audit(ko_req *req, const char *action, const char *detail);
/* The same for something that is no repository's. */
void ko_audit_target(ko_req *req, const char *action, const char *target, const char *outcome);
/* A login that failed; `user` as given. Credentials without a name leave no row: garbage costs its
 * sender nothing and no back-off holds it, so it could fill the disk. */
void ko_audit_login_failed(ko_req *req, ko_str user);

#endif

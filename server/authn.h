/* server/authn.h: who is calling and may they: the two steps before every checked endpoint.
 *
 * Spec:    distribution docs/content/spec/auth/token.md; RFC 6750 section 3; registry-protocol
 * traps T1 to T13 for what real clients make of the answers. */
#ifndef KO_SERVER_AUTHN_H
#define KO_SERVER_AUTHN_H

#include "server/req.h"

/* Reads the Authorization header into req->identity; without one it is the anonymous identity. When
 * the credentials are not in memory the pool verifies them and ko_authn_identified() takes the
 * result; else that step is skipped. */
ko_step_ret ko_authn_identify(ko_req *req);
ko_step_ret ko_authn_identified(ko_req *req);

/* Compares the endpoint's need with what the identity may do; sets req->actions. Two steps in the
 * same manner. */
ko_step_ret ko_authn_authorise(ko_req *req);
ko_step_ret ko_authn_authorised(ko_req *req);

/* Refuses: 401 with a challenge to callers without an account, 403 to the others. `scope` is what a
 * token for this would have to hold, e.g. "repository:a/b:pull", or NULL. */
ko_step_ret ko_authn_refuse(ko_req *req, const char *scope);
/* A token without this scope earns a 401 that names it, so that the client can fetch a better one
 * (containers/image does so once; docker reports "denied"). */
ko_step_ret ko_authn_want_scope(ko_req *req, const char *scope);

/* May the caller list repositories at all (catalog.access)? Which ones it sees is another matter.
 * Returns NEXT, or DONE when it was refused. */
ko_step_ret ko_authn_may_list(ko_req *req);

#endif

/* server/proxy.h: who the client is and how it reached us, seen through trusted reverse proxies.
 *
 * X-Forwarded-For, -Proto and -Host are believed only from addresses on the trusted list; from
 * anyone else they are ignored.
 *
 * Threads: the request's loop; a ko_proxy_list never changes. */
#ifndef KO_SERVER_PROXY_H
#define KO_SERVER_PROXY_H

#include "common/base/arena.h"
#include "common/base/str.h"
#include "common/http/header.h"

struct ko_req;

typedef struct ko_proxy_list ko_proxy_list;

/* Addresses and networks ("10.0.0.0/8", "::1"). Lives in the arena. errors INVALID: names the bad
 * one.
 */
KO_MUST_USE int ko_proxy_list_parse(const char *const *networks, size_t count, ko_arena *arena,
                                    const ko_proxy_list **out, ko_err *err);
bool ko_proxy_list_has(const ko_proxy_list *list, const char *address);

/* The client's address: the connection's peer or, when that is trusted, whom X-Forwarded-For names.
 * The peer itself or text in the arena. */
const char *ko_proxy_client(const ko_proxy_list *trusted, const char *peer,
                            const ko_headers *headers, ko_arena *arena);

/* Sets req->peer: the connection's peer or, behind trusted proxies, the client they name. */
void ko_proxy_resolve(struct ko_req *req);

/* "https://host[:port]" as the client sees us, without end slash: the public URL if one is set. In
 * the request's arena. */
const char *ko_proxy_base_url(struct ko_req *req);

#endif

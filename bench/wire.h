/* bench/wire.h: a blocking HTTP/1.1 client over TCP or TLS, made to load a server and not to wait
 * for itself: large writes, bodies read and counted but not kept.
 *
 * Threads: a target may be shared once made; a wire belongs to one thread. */
#ifndef KO_BENCH_WIRE_H
#define KO_BENCH_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/own.h"

typedef struct ko_wire_target ko_wire_target;
typedef struct ko_wire ko_wire;

/* "https://127.0.0.1:5000/path"; the path may be missing. With `ca_file` the server is verified
 * against it, without (NULL) it is not. Owned by the caller: ko_wire_target_free(). errors INVALID,
 * NOT_FOUND (the host). */
KO_MUST_USE int ko_wire_target_new(const char *url, const char *ca_file, ko_wire_target **out,
                                   ko_err *err);
ko_wire_target *ko_wire_target_free(ko_wire_target *target);
KO_DEFINE_AUTOPTR(ko_wire_target, ko_wire_target_free);
const char *ko_wire_path(const ko_wire_target *target); /* of the URL, at least "/" */

/* A body of any size out of one block repeated, its last bytes replaced by `tail`. */
typedef struct {
    const char *block;
    size_t block_len;
    uint64_t size;
    const char *tail; /* KO_WIRE_TAIL bytes; NULL: none */
    bool chunked;     /* as chunks of 32 KiB, which is how docker sends layers */
} ko_wire_body;
#define KO_WIRE_TAIL 32

typedef struct {
    const char *method;
    const char *path;
    const char *headers; /* lines ending in CRLF, or "" */
    ko_wire_body body;   /* no size and not chunked: none */
} ko_wire_request;

typedef struct {
    int status;
    uint64_t length;     /* bytes of body received */
    char location[2048]; /* path and query of Location, "" when there is none */
} ko_wire_reply;

/* `rate_bytes_s` paces bodies in both directions; 0: as fast as it goes. Not connected yet. */
ko_wire *ko_wire_new(const ko_wire_target *target, uint64_t rate_bytes_s);
ko_wire *ko_wire_free(ko_wire *wire);
KO_DEFINE_AUTOPTR(ko_wire, ko_wire_free);

/* One request and its whole reply; connects when there is no connection. errors IO, INVALID (a
 * reply that makes no sense); the connection is closed then. */
KO_MUST_USE int ko_wire_call(ko_wire *wire, const ko_wire_request *request, ko_wire_reply *reply,
                             ko_err *err);
void ko_wire_close(ko_wire *wire);

#endif

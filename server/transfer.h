/* server/transfer.h: a request's body on its way into an upload session.
 *
 * Two buffers: one is filled from the connection while a pool thread hashes and writes the other,
 * so that network and disk overlap and memory stays at 2 * KO_HTTP_BODY_CHUNK whatever the blob's
 * size. Nothing is read while both are full: that is the back-pressure.
 *
 * The transfer owns the hold on the session from start to end, also when the client goes away: what
 * arrived is written, then the session is released and can be resumed.
 *
 * Threads: the request's loop. */
#ifndef KO_SERVER_TRANSFER_H
#define KO_SERVER_TRANSFER_H

#include "server/req.h"
#include "storage/upload.h"

typedef struct {
    int rc; /* 0: the whole body was received and, if asked, the blob finished */
    ko_err err;
    uint64_t offset; /* bytes the session has now */
    char id[KO_IDS_UUID_MAX];
} ko_transfer_result;

/* Receives the request's body (there may be none) into `upload`, whose hold it takes. With `digest`
 * the session is finished when the body is complete, and the repository made if it does not exist
 * yet. The request resumes when all is done and
 * the hold is released; *result, in the request's arena, is set before. Returns WAIT. */
ko_step_ret ko_transfer_start(ko_req *req, ko_upload *upload, const ko_digest *digest,
                              ko_transfer_result *result);

#endif

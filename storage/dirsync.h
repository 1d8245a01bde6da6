/* storage/dirsync.h: one flush of a directory for all who wait for it.
 *
 * Whoever has made, or relies on, a name in a directory asks for a flush. One that begins after the
 * question serves it, and all others asked meanwhile; so many publishers at once cost few flushes.
 *
 * Threads: any. Blocks: yes. */
#ifndef KO_STORAGE_DIRSYNC_H
#define KO_STORAGE_DIRSYNC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t done;
    uint64_t tickets; /* given out */
    uint64_t synced;  /* every ticket up to this one is served */
    uint64_t failed;  /* the flush for the tickets up to this one failed */
    bool busy;
} ko_dirsync;

void ko_dirsync_init(ko_dirsync *sync);
void ko_dirsync_done(ko_dirsync *sync); /* nobody waits any more */

/* Returns when every name that is in the directory `fd` now would survive a power cut. errors IO,
 * NO_SPACE. */
KO_MUST_USE int ko_dirsync_wait(ko_dirsync *sync, int fd, ko_err *err);

#endif

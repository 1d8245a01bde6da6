/* storage/dirsync.c: a waiter takes a ticket; a flush notes the last ticket before it begins, and
 * serves all up to that one. A failed flush fails those it would have served: the kernel reports
 * such an error once, and a second flush would not repeat it. */
#include "storage/dirsync.h"

#include "common/base/fd.h"

void ko_dirsync_init(ko_dirsync *sync)
{
    *sync = (ko_dirsync){.tickets = 0};
    pthread_mutex_init(&sync->lock, NULL);
    pthread_cond_init(&sync->done, NULL);
}

void ko_dirsync_done(ko_dirsync *sync)
{
    pthread_cond_destroy(&sync->done);
    pthread_mutex_destroy(&sync->lock);
}

/* Flushes for everybody who has a ticket; the lock is let go of while the disk works. */
static int flush(ko_dirsync *sync, int fd, ko_err *err)
{
    uint64_t covers = sync->tickets;

    sync->busy = true;
    pthread_mutex_unlock(&sync->lock);
    int rc = ko_fd_sync(fd, err);
    pthread_mutex_lock(&sync->lock);
    sync->busy = false;
    if (rc == 0)
        sync->synced = covers;
    else
        sync->failed = covers;
    pthread_cond_broadcast(&sync->done);
    return rc;
}

int ko_dirsync_wait(ko_dirsync *sync, int fd, ko_err *err)
{
    int rc = 0;

    pthread_mutex_lock(&sync->lock);
    uint64_t ticket = ++sync->tickets;
    while (rc == 0 && sync->synced < ticket) {
        if (sync->failed >= ticket)
            rc = ko_err_set(err, KO_E_IO, "flush of the directory failed");
        else if (sync->busy)
            pthread_cond_wait(&sync->done, &sync->lock);
        else
            rc = flush(sync, fd, err);
    }
    pthread_mutex_unlock(&sync->lock);
    return rc;
}

/* server/pulls.c: see pulls.h. A small open table under one lock; when it is full between two
 * flushes further repositories are not counted, which bounds memory at the price of a statistic. */
#include "server/pulls.h"

#include <pthread.h>

#include "storage/meta_repo.h"

#define SLOTS 4096 /* repositories pulled from within one flush interval */

typedef struct {
    int64_t repo_id; /* 0: empty */
    uint64_t count;
} slot;

struct ko_pulls {
    pthread_mutex_t lock;
    slot slots[SLOTS];
};

ko_pulls *ko_pulls_new(void)
{
    ko_pulls *pulls = ko_new(ko_pulls);

    (void)pthread_mutex_init(&pulls->lock, NULL);
    return pulls;
}

ko_pulls *ko_pulls_free(ko_pulls *pulls)
{
    if (!pulls)
        return NULL;
    (void)pthread_mutex_destroy(&pulls->lock);
    free(pulls);
    return NULL;
}

/* Called with the lock held. */
static void add(ko_pulls *pulls, int64_t repo_id, uint64_t count)
{
    for (size_t probe = 0; probe < 8; probe++) {
        slot *s = &pulls->slots[((uint64_t)repo_id + probe) % SLOTS];

        if (s->repo_id == 0 || s->repo_id == repo_id) {
            s->repo_id = repo_id;
            s->count += count;
            return;
        }
    }
}

void ko_pulls_count(ko_pulls *pulls, int64_t repo_id)
{
    (void)pthread_mutex_lock(&pulls->lock);
    add(pulls, repo_id, 1);
    (void)pthread_mutex_unlock(&pulls->lock);
}

typedef struct {
    size_t count;
    slot slots[SLOTS];
} batch;

static int flush_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const batch *taken = arg;

    for (size_t i = 0; i < taken->count; i++)
        if (ko_meta_repo_add_pulls(tx, taken->slots[i].repo_id, taken->slots[i].count, err) < 0)
            return -1;
    return 0;
}

static void take(ko_pulls *pulls, batch *out)
{
    (void)pthread_mutex_lock(&pulls->lock);
    for (size_t i = 0; i < SLOTS; i++)
        if (pulls->slots[i].repo_id != 0)
            out->slots[out->count++] = pulls->slots[i];
    memset(pulls->slots, 0, sizeof(pulls->slots));
    (void)pthread_mutex_unlock(&pulls->lock);
}

static void put_back(ko_pulls *pulls, const batch *taken)
{
    (void)pthread_mutex_lock(&pulls->lock);
    for (size_t i = 0; i < taken->count; i++)
        add(pulls, taken->slots[i].repo_id, taken->slots[i].count);
    (void)pthread_mutex_unlock(&pulls->lock);
}

int ko_pulls_flush(ko_pulls *pulls, ko_meta *meta, ko_err *err)
{
    ko_autofree batch *taken = ko_new(batch);

    take(pulls, taken);
    if (taken->count == 0 || ko_meta_write(meta, KO_META_LAZY, flush_tx, taken, err) == 0)
        return 0;
    put_back(pulls, taken);
    return ko_err_ctx(err, "write pull counters");
}

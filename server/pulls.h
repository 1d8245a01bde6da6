/* server/pulls.h: pull counters of repositories, gathered in memory and written in batches, so that
 * a pull costs no write.
 *
 * Threads: counting from any; flushing from a pool thread. */
#ifndef KO_SERVER_PULLS_H
#define KO_SERVER_PULLS_H

#include "common/base/own.h"
#include "storage/meta.h"

typedef struct ko_pulls ko_pulls;

ko_pulls *ko_pulls_new(void); /* owned by the caller */
ko_pulls *ko_pulls_free(ko_pulls *pulls);
KO_DEFINE_AUTOPTR(ko_pulls, ko_pulls_free);

void ko_pulls_count(ko_pulls *pulls, int64_t repo_id);
/* Adds what was counted to the database; on failure it stays for the next time. Blocks. */
KO_MUST_USE int ko_pulls_flush(ko_pulls *pulls, ko_meta *meta, ko_err *err);

#endif

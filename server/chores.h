/* server/chores.h: what the server does now and then by itself: watch the free space, write pull
 * counters, rotate signing keys, close idle uploads, prune the audit log. One background thread,
 * one chore at a time. The store's own upkeep (collector, reaper, scrubber) is storage/upkeep.h.
 *
 * Threads: start and stop from one. */
#ifndef KO_SERVER_CHORES_H
#define KO_SERVER_CHORES_H

#include "server/app.h"

typedef struct ko_chores ko_chores;

/* Looks at the space once, then starts the thread. Owned by the caller: ko_chores_stop(). errors
 * UNAVAILABLE. */
KO_MUST_USE int ko_chores_start(ko_app *app, ko_chores **out, ko_err *err);
/* Ends the chore under way and the thread, and writes what is left in memory. Accepts NULL. */
ko_chores *ko_chores_stop(ko_chores *chores);

/* Is the storage too full for pushes? Any thread, never blocks. */
bool ko_chores_is_full(const ko_chores *chores);
/* Looks now, and says whether there is room for a push. Any thread but a loop's: asks the disk. */
bool ko_chores_has_room(ko_chores *chores);
/* A write has just failed for lack of space: look again now. Any thread, never blocks. */
void ko_chores_look_at_space(ko_chores *chores);

#endif

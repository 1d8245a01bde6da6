/* server/upkeep.h: what a registry does while nobody asks: the garbage collector, the scrubber, the
 * reaper of idle uploads, the watch on free space, and writing what was gathered in memory. One
 * background thread, one duty at a time, in small units with pauses between.
 *
 * Threads: start and stop from one. */
#ifndef KO_SERVER_UPKEEP_H
#define KO_SERVER_UPKEEP_H

#include "server/app.h"

typedef struct ko_upkeep ko_upkeep;

/* Recovers what a crash left, then starts the thread. Owned by the caller: ko_upkeep_stop(). */
KO_MUST_USE int ko_upkeep_start(ko_app *app, ko_upkeep **out, ko_err *err);
/* Ends the unit under way and the thread, and writes what is left in memory. Accepts NULL. */
ko_upkeep *ko_upkeep_stop(ko_upkeep *upkeep);

/* Is the storage too full for pushes? Any thread, never blocks. */
bool ko_upkeep_is_full(const ko_upkeep *upkeep);
/* A write has just failed for lack of space: look again now. Any thread, never blocks. */
void ko_upkeep_look_at_space(ko_upkeep *upkeep);

#endif

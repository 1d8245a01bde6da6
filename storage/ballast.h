/* storage/ballast.h: a file of a few MiB beside the database that holds nothing. When the disk is
 * full it is removed, and the database has room to record what makes room: deletes, collection, and
 * the opening of the database itself.
 *
 * Threads: any.
 * Blocks:  yes. */
#ifndef KO_STORAGE_BALLAST_H
#define KO_STORAGE_BALLAST_H

#include <stdbool.h>

#include "common/base/own.h"

typedef struct ko_ballast ko_ballast;

/* Nothing is written yet: ko_ballast_fill() does. `dir` exists. Owned by the caller. */
ko_ballast *ko_ballast_new(const char *dir);
ko_ballast *ko_ballast_free(ko_ballast *ballast); /* the file stays */
KO_DEFINE_AUTOPTR(ko_ballast, ko_ballast_free);

/* Takes the space unless it has it already or there is little left. Failure is no error: there is
 * no ballast then. */
void ko_ballast_fill(ko_ballast *ballast);
/* Gives the space back. false: there was none to give. */
bool ko_ballast_release(ko_ballast *ballast);

#endif

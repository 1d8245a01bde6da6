/* storage/migrate.h: brings a database to the schema this program knows.
 *
 * Migrations are numbered files of storage/migrations, built into the program; forward only, each
 * in one transaction together with its row in schema_version. */
#ifndef KO_STORAGE_MIGRATE_H
#define KO_STORAGE_MIGRATE_H

#include "storage/db.h"

/* Runs what is missing; several processes may do so at once. errors INVALID: the schema is newer
 * than this program; NO_SPACE; IO. */
KO_MUST_USE int ko_migrate(ko_db *db, ko_err *err);

/* The newest schema this program knows. */
int64_t ko_migrate_newest(void);

#endif

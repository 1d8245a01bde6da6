/* storage/migrate.c: the schema's versions.
 *
 * Each migration is embedded by the assembler (.incbin), so the SQL stays SQL in its own file and
 * no generated source is needed; the Makefile makes this object depend on those files. A program
 * that finds a schema newer than it knows refuses to run: it could break what it does not
 * understand. */
#include "storage/migrate.h"

#include "common/base/clock.h"

#define EMBED(symbol, file)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            ".balign 16\n"                                                                         \
            "ko_sql_" #symbol "_start:\n"                                                          \
            ".incbin \"storage/migrations/" file "\"\n"                                            \
            "ko_sql_" #symbol "_end:\n"                                                            \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char ko_sql_##symbol##_start[] __attribute__((visibility("hidden")));             \
    extern const char ko_sql_##symbol##_end[] __attribute__((visibility("hidden")))

EMBED(init, "0001_init.sql");

static const struct {
    const char *name;
    const char *start, *end;
} migrations[] = {
    {"init", ko_sql_init_start, ko_sql_init_end},
};

int64_t ko_migrate_newest(void)
{
    return (int64_t)KO_ARRAY_LEN(migrations);
}

static int run(ko_db *db, ko_query query, const ko_db_value *params, size_t count, int64_t *out,
               ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;

    if (db->ops->start(db, query, params, count, &rows, err) < 0)
        return -1;
    int rc = db->ops->step(rows, err);
    if (rc > 0 && out)
        *out = db->ops->get_int(rows, 0);
    return rc < 0 ? -1 : 0;
}

/* In a transaction: the version found, made ready for the first migration when there is none. */
static int current_version(ko_db *db, int64_t *version, ko_err *err)
{
    if (run(db, KO_Q_schema_make, KO_NO_ARGS, NULL, err) < 0 ||
        run(db, KO_Q_schema_version, KO_NO_ARGS, version, err) < 0)
        return -1;
    if (*version > ko_migrate_newest())
        return ko_err_set(err, KO_E_INVALID,
                          "the database has schema %lld, newer than this program (%lld)",
                          (long long)*version, (long long)ko_migrate_newest());
    return 0;
}

static int apply(ko_db *db, int64_t version, ko_err *err)
{
    const char *start = migrations[version - 1].start;
    ko_str sql = {start, (size_t)(migrations[version - 1].end - start)};

    if (db->ops->script(db, sql, err) < 0)
        return ko_err_ctx(err, "migration %lld (%s)", (long long)version,
                          migrations[version - 1].name);
    return run(db, KO_Q_schema_add,
               KO_ARGS(KO_INT(version), KO_TEXT(ko_str_of(migrations[version - 1].name)),
                       KO_INT(ko_clock_wall_s())),
               NULL, err);
}

/* One transaction: looks and, when something is missing, applies the next. */
static int migrate_one(ko_db *db, bool *more, ko_err *err)
{
    int64_t version = 0;

    if (db->ops->begin(db, KO_DB_WRITE_DURABLE, err) < 0)
        return -1;
    if (current_version(db, &version, err) < 0 ||
        (version < ko_migrate_newest() && apply(db, version + 1, err) < 0)) {
        db->ops->rollback(db);
        return -1;
    }
    *more = version + 1 < ko_migrate_newest();
    return db->ops->commit(db, err);
}

int ko_migrate(ko_db *db, ko_err *err)
{
    bool more = true;

    while (more) {
        if (migrate_one(db, &more, err) < 0)
            return ko_err_ctx(err, "schema");
    }
    return 0;
}

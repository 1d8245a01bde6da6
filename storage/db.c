/* storage/db.c: what all drivers share: letting go of their objects. */
#include "storage/db.h"

ko_db *ko_db_free(ko_db *db)
{
    if (db)
        db->ops->close(db);
    return NULL;
}

ko_db_rows *ko_db_rows_free(ko_db_rows *rows)
{
    if (rows)
        rows->db->ops->end(rows);
    return NULL;
}

/* storage/meta_audit.c: the audit log. */
#include "storage/meta_audit.h"

#include "common/base/limits.h"
#include "storage/meta_priv.h"

static ko_db_value field(ko_str text)
{
    return KO_TEXT(ko_str_slice(text, 0, KO_MAX_AUDIT_FIELD));
}

int ko_meta_audit_add(ko_meta_tx *tx, const ko_meta_audit *row, ko_err *err)
{
    return ko_meta_run(tx, KO_Q_audit_add,
                       KO_ARGS(KO_INT(row->at_s), field(row->account), field(row->action),
                               field(row->target), field(row->address), field(row->outcome)),
                       NULL, err);
}

static int read_audit(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    (void)err; /* copies cannot fail */
    *(ko_meta_audit *)element = (ko_meta_audit){
        .id = ko_meta_col_int(rows, 0),
        .at_s = ko_meta_col_int(rows, 1),
        .account = ko_meta_col_bytes(rows, 2, arena),
        .action = ko_meta_col_bytes(rows, 3, arena),
        .target = ko_meta_col_bytes(rows, 4, arena),
        .address = ko_meta_col_bytes(rows, 5, arena),
        .outcome = ko_meta_col_bytes(rows, 6, arena),
    };
    return 0;
}

static const ko_meta_element audit_element = {sizeof(ko_meta_audit), read_audit};

int ko_meta_audit_list(ko_meta_tx *tx, int64_t before_id, size_t limit, ko_arena *arena,
                       ko_meta_audit **out, size_t *count, ko_err *err)
{
    int64_t before = before_id > 0 ? before_id : INT64_MAX;

    return ko_meta_list(tx, KO_Q_audit_list, KO_ARGS(KO_INT(before), KO_INT(limit)), &audit_element,
                        arena, out, count, err);
}

int ko_meta_audit_prune(ko_meta_tx *tx, int64_t before_s, size_t limit, size_t *removed,
                        ko_err *err)
{
    uint64_t changed = 0;

    if (ko_meta_run(tx, KO_Q_audit_prune, KO_ARGS(KO_INT(before_s), KO_INT(limit)), &changed, err) <
        0)
        return -1;
    if (removed)
        *removed = (size_t)changed;
    return 0;
}

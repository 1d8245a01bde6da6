/* storage/meta_tag.c: tags and their history. */
#include "storage/meta_tag.h"

#include "common/oci/ref.h"
#include "storage/meta_gc.h"
#include "storage/meta_manifest.h"
#include "storage/meta_priv.h"

static int read_tag(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_tag *out = element;

    (void)arena; /* all of it is in the struct */
    out->size_bytes = ko_meta_col_u64(rows, 2);
    out->updated_at_s = ko_meta_col_int(rows, 3);
    if (ko_meta_col_copy(rows, 0, out->name, sizeof(out->name), err) < 0)
        return -1;
    return ko_meta_col_digest(rows, 1, &out->digest, err);
}

static const ko_meta_element tag_element = {sizeof(ko_meta_tag), read_tag};

int ko_meta_tag_find(ko_meta_tx *tx, int64_t repo_id, ko_str name, ko_meta_tag *out, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    ko_meta_tag tag = {0};

    if (ko_meta_one_row(tx, KO_Q_tag_find, KO_ARGS(KO_INT(repo_id), KO_TEXT(name)), "tag", &rows,
                        err) < 0 ||
        read_tag(rows, &tag, NULL, err) < 0)
        return -1;
    *out = tag;
    return 0;
}

/* ---- Changes ---- */

/* 1: found; 0: there is none; -1. */
static int find_current(ko_meta_tx *tx, int64_t repo_id, ko_str name, ko_meta_tag *out, ko_err *err)
{
    ko_err why = KO_ERR_INIT;

    if (ko_meta_tag_find(tx, repo_id, name, out, &why) == 0)
        return 1;
    if (why.code == KO_E_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

/* `now`: the tag as it is, NULL when there is none. */
static int check_expected(const ko_meta_tag_expect *expect, const ko_meta_tag *now, ko_err *err)
{
    bool ok = true;

    if (!expect)
        return 0;
    switch (expect->must) {
    case KO_META_TAG_ANY:
        break;
    case KO_META_TAG_IS:
        ok = now && ko_digest_eq(&now->digest, &expect->digest);
        break;
    case KO_META_TAG_PRESENT:
        ok = now != NULL;
        break;
    case KO_META_TAG_ABSENT:
        ok = now == NULL;
        break;
    }
    if (ok)
        return 0;
    return ko_err_set(err, KO_E_CONFLICT, "the tag is %s", now ? now->digest.text : "not there");
}

/* Remembers a change and has the manifest reviewed that lost the tag. */
static int note_change(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str name, const ko_digest *from,
                       const ko_digest *to, ko_meta_by by, ko_err *err)
{
    ko_meta_touch_repo(tx, ko_str_of(repo->name));
    if (from &&
        ko_meta_gc_queue(tx, KO_META_GC_MANIFEST, repo->id, from, by.at_s, by.at_s, err) < 0)
        return -1;
    return ko_meta_run(
        tx, KO_Q_tag_add_history,
        KO_ARGS(KO_INT(repo->id), KO_TEXT(name), KO_TEXT(ko_str_of(from ? from->text : "")),
                KO_TEXT(ko_str_of(to ? to->text : "")), KO_INT(by.account_id), KO_INT(by.at_s)),
        NULL, err);
}

int ko_meta_tag_set(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str name, const ko_digest *digest,
                    const ko_meta_tag_expect *expect, ko_meta_by by, ko_err *err)
{
    ko_meta_manifest manifest;
    ko_meta_tag now;

    if (ko_ref_check_tag(name, err) < 0)
        return -1;
    int found = find_current(tx, repo->id, name, &now, err);
    if (found < 0 || check_expected(expect, found > 0 ? &now : NULL, err) < 0 ||
        ko_meta_manifest_find(tx, repo->id, digest, NULL, &manifest, err) < 0)
        return -1;
    if (found > 0 && ko_digest_eq(&now.digest, digest))
        return 0;
    if (ko_meta_run(tx, KO_Q_tag_move,
                    KO_ARGS(KO_INT(repo->id), KO_TEXT(name), KO_INT(manifest.id), KO_INT(by.at_s)),
                    NULL, err) < 0 ||
        note_change(tx, repo, name, found > 0 ? &now.digest : NULL, digest, by, err) < 0)
        return -1;
    return ko_meta_run(tx, KO_Q_repo_set_pushed, KO_ARGS(KO_INT(repo->id), KO_INT(by.at_s)), NULL,
                       err);
}

int ko_meta_tag_delete(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str name,
                       const ko_meta_tag_expect *expect, ko_meta_by by, ko_err *err)
{
    ko_meta_tag now;

    if (ko_meta_tag_find(tx, repo->id, name, &now, err) < 0 ||
        check_expected(expect, &now, err) < 0 ||
        ko_meta_run_one(tx, KO_Q_tag_remove, KO_ARGS(KO_INT(repo->id), KO_TEXT(name)), "tag", err) <
            0)
        return -1;
    return note_change(tx, repo, name, &now.digest, NULL, by, err);
}

/* ---- Lists ---- */

int ko_meta_tag_list(ko_meta_tx *tx, int64_t repo_id, ko_str last, size_t limit, ko_arena *arena,
                     ko_meta_tag **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_tag_list, KO_ARGS(KO_INT(repo_id), KO_TEXT(last), KO_INT(limit)),
                        &tag_element, arena, out, count, err);
}

int ko_meta_tag_list_names(ko_meta_tx *tx, int64_t repo_id, ko_str last, size_t limit,
                           ko_arena *arena, ko_str **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_tag_list_names,
                        KO_ARGS(KO_INT(repo_id), KO_TEXT(last), KO_INT(limit)),
                        &ko_meta_str_element, arena, out, count, err);
}

int ko_meta_tag_list_of(ko_meta_tx *tx, int64_t repo_id, const ko_digest *digest, ko_arena *arena,
                        ko_str **out, size_t *count, ko_err *err)
{
    return ko_meta_list(tx, KO_Q_tag_list_of, KO_ARGS(KO_INT(repo_id), KO_DIGEST(digest)),
                        &ko_meta_str_element, arena, out, count, err);
}

int ko_meta_tag_count(ko_meta_tx *tx, uint64_t *out, ko_err *err)
{
    int64_t number = 0;

    if (ko_meta_number(tx, KO_Q_tag_count, KO_NO_ARGS, &number, err) < 0)
        return -1;
    *out = (uint64_t)number;
    return 0;
}

static int read_change(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_tag_change *out = element;

    (void)arena; /* all of it is in the struct */
    out->id = ko_meta_col_int(rows, 0);
    out->account_id = ko_meta_col_int(rows, 4);
    out->at_s = ko_meta_col_int(rows, 6);
    if (ko_meta_col_copy(rows, 1, out->name, sizeof(out->name), err) < 0 ||
        ko_meta_col_copy(rows, 2, out->old_digest, sizeof(out->old_digest), err) < 0 ||
        ko_meta_col_copy(rows, 3, out->new_digest, sizeof(out->new_digest), err) < 0)
        return -1;
    return ko_meta_col_copy(rows, 5, out->account, sizeof(out->account), err);
}

static const ko_meta_element change_element = {sizeof(ko_meta_tag_change), read_change};

int ko_meta_tag_list_history(ko_meta_tx *tx, int64_t repo_id, ko_str name, int64_t before_id,
                             size_t limit, ko_arena *arena, ko_meta_tag_change **out, size_t *count,
                             ko_err *err)
{
    int64_t before = before_id > 0 ? before_id : INT64_MAX;
    ko_query query = name.len > 0 ? KO_Q_tag_list_history : KO_Q_tag_list_repo_history;

    return ko_meta_list(tx, query,
                        KO_ARGS(KO_INT(repo_id), KO_INT(before), KO_INT(limit), KO_TEXT(name)),
                        &change_element, arena, out, count, err);
}

/* storage/meta_check.c: the database against itself.
 *
 * Each check is a statement whose rows are the problems, and a sentence with places for the texts
 * of a row. Children of an index may be missing: a client may delete them. */
#include "storage/meta_check.h"

#include "storage/meta_priv.h"

#define MAX_TEXT 400

typedef struct {
    ko_meta_check_report *report;
    void *arg;
    uint64_t problems;
} checker;

/* One problem; `texts` are up to three, the rest empty. */
static void say(checker *c, const char *what, const ko_str texts[static 3])
{
    char problem[MAX_TEXT];

    (void)snprintf(problem, sizeof(problem), "%s: " KO_STR_FMT " " KO_STR_FMT " " KO_STR_FMT, what,
                   KO_STR_ARG(texts[0]), KO_STR_ARG(texts[1]), KO_STR_ARG(texts[2]));
    c->problems++;
    c->report(c->arg, problem);
}

static const struct {
    ko_query query;
    int columns;
    const char *what;
} checks[] = {
    {KO_Q_check_integrity, 1, "structure"},
    {KO_Q_check_foreign_keys, 3, "row of a table without its parent"},
    {KO_Q_check_tags, 2, "tag without a manifest (repository id, tag)"},
    {KO_Q_check_edge_blobs, 3, "missing blob (repository, manifest, blob)"},
    {KO_Q_check_links, 2, "blob linked though condemned (repository, blob)"},
    {KO_Q_check_bytes, 1, "wrong sum of bytes (repository)"},
};

static int run_check(ko_meta_tx *tx, size_t i, checker *c, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    int rc;

    if (ko_meta_rows(tx, checks[i].query, KO_NO_ARGS, &rows, err) < 0)
        return -1;
    while ((rc = ko_meta_next(rows, err)) > 0) {
        ko_str texts[3] = {KO_STR(""), KO_STR(""), KO_STR("")};

        for (int column = 0; column < checks[i].columns; column++)
            texts[column] = ko_meta_col_str(rows, column);
        if (checks[i].query == KO_Q_check_integrity && ko_str_eq(texts[0], KO_STR("ok")))
            continue;
        say(c, checks[i].what, texts);
    }
    return rc;
}

/* The stored bytes of every manifest must have its digest. */
static int check_manifests(ko_meta_tx *tx, checker *c, ko_err *err)
{
    ko_autoptr(ko_db_rows) rows = NULL;
    int rc;

    if (ko_meta_rows(tx, KO_Q_check_manifests, KO_NO_ARGS, &rows, err) < 0)
        return -1;
    while ((rc = ko_meta_next(rows, err)) > 0) {
        const ko_str texts[3] = {ko_meta_col_str(rows, 0), ko_meta_col_str(rows, 1), KO_STR("")};
        ko_str bytes = ko_meta_col_str(rows, 2);
        ko_digest want, got;

        if (ko_digest_parse(texts[1], &want, NULL) == 0) {
            ko_digest_of(want.alg, bytes.ptr, bytes.len, &got);
            if (ko_digest_eq(&want, &got))
                continue;
        }
        say(c, "manifest whose bytes do not have its digest (repository, digest)", texts);
    }
    return rc;
}

int ko_meta_check(ko_meta_tx *tx, ko_meta_check_report *report, void *arg, uint64_t *problems,
                  ko_err *err)
{
    checker c = {.report = report, .arg = arg};

    for (size_t i = 0; i < KO_ARRAY_LEN(checks); i++) {
        if (run_check(tx, i, &c, err) < 0)
            return -1;
    }
    if (check_manifests(tx, &c, err) < 0)
        return -1;
    *problems = c.problems;
    return 0;
}

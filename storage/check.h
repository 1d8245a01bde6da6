/* storage/check.h: do the database and the content store agree? For `kontor-registry check`, beside
 * a running server or alone. Reads every row once and looks at every file once.
 *
 * Threads: any. Blocks: yes. */
#ifndef KO_STORAGE_CHECK_H
#define KO_STORAGE_CHECK_H

#include "common/base/buf.h"
#include "storage/blob.h"
#include "storage/meta.h"

/* name, its word in reports, is it a fault that loses data? */
#define KO_CHECK_KINDS(X)                                                                          \
    X(DATABASE, "database", true)    /* the database does not agree with itself */                 \
    X(MISSING, "missing", true)      /* a live blob has no file */                                 \
    X(SIZE, "size", true)            /* its file has another size */                               \
    X(DAMAGED, "damaged", true)      /* its bytes do not have its digest (deep only) */            \
    X(UNKNOWN, "unknown", false)     /* a file that no row names */                                \
    X(ABANDONED, "abandoned", false) /* staged bytes without an upload session */

typedef enum {
#define X(name, word, fault) KO_CHECK_##name,
    KO_CHECK_KINDS(X)
#undef X
        KO_CHECK_KIND_COUNT
} ko_check_kind;

typedef struct {
    ko_check_kind kind;
    const char *subject; /* digest or upload id; "" when the text names it */
    const char *text;
    bool repaired;
} ko_check_finding;

typedef struct {
    bool deep;      /* read and hash every blob */
    bool repair;    /* remove unknown files and abandoned bytes */
    uint64_t age_s; /* those younger may belong to a push in progress: not looked at; 0: a day */
    int64_t now_s;
    void (*report)(void *arg, const ko_check_finding *finding); /* may be NULL */
    void *report_arg;
} ko_check_options;

typedef struct {
    uint64_t blobs; /* live rows */
    uint64_t bytes; /* of these */
    uint64_t files;
    uint64_t found[KO_CHECK_KIND_COUNT];
} ko_check_stats;

/* Finding something is success. errors IO, UNAVAILABLE: the check could not be finished. */
KO_MUST_USE int ko_check_run(ko_meta *meta, ko_blob_store *store, const ko_check_options *options,
                             ko_check_stats *stats, ko_err *err);

/* How many findings mean that something was lost. */
uint64_t ko_check_faults(const ko_check_stats *stats);
const char *ko_check_kind_name(ko_check_kind kind);

/* One finding as a line for people, or as a JSON object on a line. */
void ko_check_print(const ko_check_finding *finding, bool json, ko_buf *out);

#endif

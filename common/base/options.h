/* common/base/options.h: settings from one table: defaults, a YAML file, the environment, flags.
 *
 * A program gives a table of rows (made from conf/options.def) and gets back values by row number.
 * Later sources win: default < file < environment < flag. Every value is checked against its row
 * wherever it comes from, so code that reads a setting need not check it again.
 *
 *   file         http.idle_timeout: 120s     nested or dotted; unknown keys are errors with line
 * and a suggestion; see options_yaml.c for what is refused environment
 * KONTOR_HTTP_IDLE_TIMEOUT=120s     (lists separated by commas) flag         --http-idle-timeout
 * 120s          (lists by repetition)
 *
 * A row of type SECRET has no flag for its value, which would show in the process list: it is given
 * as `key` or `key_file` in the file, KONTOR_KEY or KONTOR_KEY_FILE, or --key-file.
 *
 * Threads: a ko_options is filled by one thread, and never changes after that. */
#ifndef KO_BASE_OPTIONS_H
#define KO_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/own.h"
#include "common/base/str.h"

typedef enum {
    KO_OPT_STRING,
    KO_OPT_PATH,
    KO_OPT_LIST,     /* of strings */
    KO_OPT_BOOL,     /* true or false */
    KO_OPT_UINT,     /* decimal */
    KO_OPT_SIZE,     /* bytes: 64KiB, 10GiB */
    KO_OPT_DURATION, /* milliseconds: 30s, 5m, 24h, 7d */
    KO_OPT_ENUM,     /* one of `choices` */
    KO_OPT_SECRET
} ko_option_type;

typedef struct {
    const char *key;     /* dotted: "http.idle_timeout" */
    const char *flag;    /* without dashes; NULL: made from the key ("http-idle-timeout") */
    ko_option_type type; /* of the value */
    const char *def;     /* as text; NULL: unset. Lists: comma-separated */
    uint64_t min;        /* numbers in their unit; strings and lists: least length or count */
    uint64_t max;        /* the same, both inclusive */
    const char *unit;    /* "bytes", "milliseconds", "threads", ...; "-" for text */
    const char *choices; /* ENUM: "a|b|c"; else NULL */
    bool reloadable;     /* takes effect on SIGHUP */
    const char *text;    /* one or more sentences for --help, the man page and the example */
} ko_option;

typedef struct {
    const char *program; /* "kontor-registry" */
    const ko_option *rows;
    size_t count;
} ko_option_table;

typedef struct ko_options ko_options;

/* All defaults. Owned by the caller: ko_options_free(). The table must outlive it. */
ko_options *ko_options_new(const ko_option_table *table);
ko_options *ko_options_free(ko_options *opts);
KO_DEFINE_AUTOPTR(ko_options, ko_options_free);

/* Reads a YAML file over the values so far. errors INVALID: "kontor.yaml:12: unknown key ...";
 * TOO_LARGE; NOT_FOUND, IO. */
KO_MUST_USE int ko_options_load_file(ko_options *opts, const char *path, ko_err *err);
/* The same from memory; `name` is used in messages. */
KO_MUST_USE int ko_options_load_text(ko_options *opts, ko_str yaml, const char *name, ko_err *err);
/* Takes KONTOR_* variables from an environ-like array. A KONTOR_ variable that is no setting of
 * this table is left alone (it may be another program's). errors INVALID. */
KO_MUST_USE int ko_options_load_env(ko_options *opts, const char *const *environment, ko_err *err);

/* Is argv[0] a flag of this table ("--x", "--x=value", "--x value", "--no-x" for booleans)? Then
 * sets it and says in *used how many arguments that took (1 or 2); *used 0: not one of ours. errors
 * INVALID. */
KO_MUST_USE int ko_options_take_flag(ko_options *opts, int argc, const char *const *argv, int *used,
                                     ko_err *err);

/* The whole order of events for a program: takes the flags of the table and --config FILE out of
 * argv (what is left, in order, goes to *rest, from the arena), then reads default < file <
 * environment < flags. Remembers it all for ko_options_reload(). errors INVALID and those of
 * ko_options_load_file(). */
KO_MUST_USE int ko_options_load_all(const ko_option_table *table, int argc, const char *const *argv,
                                    const char *const *environment, ko_arena *arena,
                                    const char ***rest, int *rest_count, ko_options **out,
                                    ko_err *err);
/* Reads the same sources again into a new object. Only rows that are reloadable change; *ignored
 * receives the number of others that would have (they need a restart). */
KO_MUST_USE int ko_options_reload(const ko_options *opts, ko_options **out, size_t *ignored,
                                  ko_err *err);

/* ---- Values, by row number ---- */

bool ko_options_is_set(const ko_options *opts, size_t row);
const char *ko_options_str(const ko_options *opts,
                           size_t row); /* STRING PATH SECRET ENUM; NULL unset */
bool ko_options_bool(const ko_options *opts, size_t row);
uint64_t ko_options_u64(const ko_options *opts,
                        size_t row); /* UINT SIZE DURATION; ENUM: its index */
const char *const *ko_options_list(const ko_options *opts, size_t row, size_t *count);

/* ---- For `config show`, help and documentation ---- */

const ko_option_table *ko_options_table(const ko_options *opts);
/* The value as text ("<hidden>" for secrets, nothing when unset), appended. */
int ko_options_print(const ko_options *opts, size_t row, ko_buf *out);
/* "default", "kontor.yaml:12", "KONTOR_LOG_LEVEL", "--log-level". */
const char *ko_options_source(const ko_options *opts, size_t row);
/* The flag of a row, e.g. "--http-idle-timeout", and its variable, e.g. KONTOR_HTTP_IDLE_TIMEOUT.
 */
void ko_option_flag(const ko_option *row, char *out, size_t size);
void ko_option_env(const ko_option *row, char *out, size_t size);
const char *ko_option_type_name(ko_option_type type);

/* The name among `names` that is nearest to a mistyped one; NULL when none is near. */
const char *ko_option_nearest(const char *word, const char *const *names, size_t count);

#endif

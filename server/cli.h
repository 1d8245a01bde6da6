/* server/cli.h: the command line of kontor-registry: commands from conf/commands.def, their flags,
 * settings, output as tables or JSON, and exit codes.
 *
 * Administration commands open the database directly and work while the server runs: what they
 * change raises generations that the server sees (storage/meta.h).
 *
 * Threads: one. */
#ifndef KO_SERVER_CLI_H
#define KO_SERVER_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/options.h"
#include "storage/blob.h"
#include "storage/meta.h"

/* sysexits(3) */
enum { KO_EXIT_OK = 0, KO_EXIT_FAILURE = 1, KO_EXIT_USAGE = 64, KO_EXIT_CONFIG = 78 };

#define KO_CLI_MAX_FLAGS 8

typedef struct ko_cli ko_cli;

typedef struct {
    const char *name;  /* without dashes; NULL ends the list */
    const char *value; /* what stands for its value in help; NULL: a switch */
    const char *text;
} ko_cli_flag;

typedef struct {
    const char *name; /* one to three words */
    const char *args; /* as in a synopsis */
    int least;        /* positional arguments */
    int most;
    const ko_cli_flag *flags;
    const char *text;
    int (*run)(ko_cli *cli, ko_err *err);
} ko_cli_command;

extern const ko_cli_command ko_cli_commands[];
extern const size_t ko_cli_command_count;

struct ko_cli {
    const ko_cli_command *command;
    ko_options *opts; /* owned */
    ko_arena *arena;
    const char **args;
    size_t arg_count;
    const char *flags[KO_CLI_MAX_FLAGS]; /* value in the order of command->flags; NULL: not given */
    bool json;
    ko_meta *meta;        /* by ko_cli_open() */
    ko_blob_store *blobs; /* by ko_cli_open_blobs() */
    int exit_code;        /* when the command fails; KO_EXIT_FAILURE unless it says otherwise */
};

/* The program: everything but main(). Returns the exit code. */
int ko_cli_run(int argc, const char *const *argv, const char *const *environment);

/* Value of a flag, "" for a switch that was given, NULL when it was not. */
const char *ko_cli_flag_value(const ko_cli *cli, const char *name);
ko_str ko_cli_arg(const ko_cli *cli, size_t i);
/* A mistake of whoever typed: exit code 64. Always returns -1. */
int ko_cli_usage(ko_cli *cli, ko_err *err, const char *fmt, ...) KO_PRINTF(3, 4);

/* Opens the database below the data directory. `make`: an empty one is made if there is none. */
KO_MUST_USE int ko_cli_open(ko_cli *cli, bool make, ko_err *err);
KO_MUST_USE int ko_cli_open_blobs(ko_cli *cli, ko_err *err);

/* Runs fn (NULL: nothing) in a write transaction and notes it in the audit log, both or neither. */
KO_MUST_USE int ko_cli_write(ko_cli *cli, const char *action, ko_str target, ko_meta_fn *fn,
                             void *arg, ko_err *err);

/* A password from standard input (--password-stdin) or the terminal, asked for twice and without
 * echo; in cli->arena, to be wiped by the caller. */
KO_MUST_USE int ko_cli_password(ko_cli *cli, ko_str *out, ko_err *err);

/* Help on standard output: all commands, or one. */
void ko_cli_help(const ko_cli_command *command);

/* ---- Lists (cli_table.c) ---- */

typedef struct ko_table ko_table;

/* Columns as "name,size,created": header of the table, keys of the JSON objects. */
ko_table *ko_table_new(ko_cli *cli, const char *columns); /* lives in cli->arena */
/* Cells, row by row. */
void ko_table_text(ko_table *table, ko_str text);
void ko_table_u64(ko_table *table, uint64_t n);
void ko_table_bool(ko_table *table, bool b);
void ko_table_size(ko_table *table, uint64_t bytes); /* "1.5 GiB"; a number in JSON */
void ko_table_time(ko_table *table, int64_t at_s);   /* RFC 3339; 0: "-", null in JSON */
void ko_table_print(const ko_table *table);          /* on standard output */

#define KO_COMMAND(id, ...) int ko_cli_##id(ko_cli *cli, ko_err *err);
#include "conf/commands.def"
#undef KO_COMMAND

#endif

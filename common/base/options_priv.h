/* common/base/options_priv.h: shared by options*.c. */
#ifndef KO_BASE_OPTIONS_PRIV_H
#define KO_BASE_OPTIONS_PRIV_H

#include "common/base/options.h"

#define KO_OPT_NO_ROW     SIZE_MAX
#define KO_OPT_ENV_PREFIX "KONTOR_"
#define KO_OPT_MAX_LIST   256

typedef struct {
    bool is_set;
    const char *text; /* scalar, as given */
    uint64_t num;
    const char **list;
    size_t list_count;
    const char *source;
    bool from_flag; /* a repeated flag adds to the list */
} ko_option_value;

struct ko_options {
    const ko_option_table *table;
    ko_arena *arena;
    ko_option_value *values;
    /* What ko_options_reload() reads again. */
    const char *config_path;
    const char **argv;
    int argc;
    const char *const *environment;
};

/* A value as some source gave it. */
typedef struct {
    const char *const *texts; /* one, or several for a list */
    size_t count;
    bool is_file;       /* SECRET: the text is the path of a file that holds it */
    const char *source; /* for messages and `config show` */
} ko_option_input;

/* Checks the input against the row and takes a copy. errors INVALID, "SOURCE: key: why". */
KO_MUST_USE int ko_options_set(ko_options *opts, size_t row, const ko_option_input *input,
                               ko_err *err);

/* The same from one text: the entries of a list are separated by commas. */
KO_MUST_USE int ko_options_set_text(ko_options *opts, size_t row, const char *text, bool is_file,
                                    const char *source, ko_err *err);

/* The row of a dotted key, KO_OPT_NO_ROW when there is none. For a SECRET "<key>_file" finds it too
 * and sets *is_file. */
size_t ko_options_find_key(const ko_option_table *table, ko_str key, bool *is_file);
/* Is there a row whose key begins with this section? */
bool ko_options_is_section(const ko_option_table *table, ko_str section);

ko_arena *ko_options_arena(ko_options *opts);

#endif

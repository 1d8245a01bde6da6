/* common/base/options.c: values by row, and where they come from.
 *
 * Every source ends in ko_options_set(), the only place where text becomes a value and is checked
 * against its row. Sources are applied in the order of their strength, so that the last one wins;
 * flags are therefore collected first and applied last.
 *
 * All memory is in one arena that dies with the object, secrets included: they are wiped first. */
#include "common/base/options.h"

#include <fcntl.h>

#include "common/base/fd.h"
#include "common/base/options_priv.h"
#include "common/base/secret.h"

#define MAX_NAME    128
#define MAX_SECRET  4096
#define MAX_LIST    256
#define ENV_PREFIX  "KONTOR_"
#define NO_SOURCE   "default"
#define CONFIG_FLAG "--config"
#define CONFIG_ENV  ENV_PREFIX "CONFIG"

typedef struct {
    bool is_set;
    const char *text; /* scalar, as given */
    uint64_t num;
    const char **list;
    size_t list_count;
    const char *source;
    bool from_flag; /* a repeated flag adds to the list */
} value;

struct ko_options {
    const ko_option_table *table;
    ko_arena *arena;
    value *values;
    /* What ko_options_reload() reads again. */
    const char *config_path;
    const char **argv;
    int argc;
    const char *const *environment;
};

ko_options *ko_options_free(ko_options *opts)
{
    if (!opts)
        return NULL;
    for (size_t i = 0; i < opts->table->count; i++)
        if (opts->table->rows[i].type == KO_OPT_SECRET && opts->values[i].text)
            ko_secret_wipe((char *)(uintptr_t)opts->values[i].text, strlen(opts->values[i].text));
    ko_arena_free(opts->arena);
    free(opts->values);
    free(opts);
    return NULL;
}

ko_arena *ko_options_arena(ko_options *opts)
{
    return opts->arena;
}

const ko_option_table *ko_options_table(const ko_options *opts)
{
    return opts->table;
}

/* ---- From text to value ---- */

static int check_range(const ko_option *row, uint64_t num, ko_err *err)
{
    if (num >= row->min && num <= row->max)
        return 0;
    return ko_err_set(err, KO_E_INVALID, "%llu is not within %llu and %llu %s",
                      (unsigned long long)num, (unsigned long long)row->min,
                      (unsigned long long)row->max, row->unit);
}

static int check_length(const ko_option *row, size_t len, ko_err *err)
{
    if (len >= row->min && len <= row->max)
        return 0;
    if (len < row->min)
        return ko_err_set(err, KO_E_INVALID, len == 0 ? "must not be empty" : "is too short");
    return ko_err_set(err, KO_E_INVALID, "is longer than %llu bytes", (unsigned long long)row->max);
}

static int parse_enum(const ko_option *row, ko_str text, uint64_t *out, ko_err *err)
{
    ko_str rest = ko_str_of(row->choices);
    ko_str choice;

    for (uint64_t i = 0; ko_str_split(&rest, '|', &choice); i++)
        if (ko_str_eq(choice, text)) {
            *out = i;
            return 0;
        }
    return ko_err_set(err, KO_E_INVALID, "'" KO_STR_FMT "' is none of %s", KO_STR_ARG(text),
                      row->choices);
}

static int parse_uint(ko_str text, uint64_t *out, ko_err *err)
{
    /* YAML 1.1 reads 010 as eight, people as ten. */
    if (text.len > 1 && text.ptr[0] == '0')
        return ko_err_set(err, KO_E_INVALID, "write the number without leading zeros");
    return ko_parse_u64(text, UINT64_MAX, out, err);
}

static bool has_control(ko_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}

static int parse_scalar(const ko_option *row, ko_str text, uint64_t *num, ko_err *err)
{
    bool flag = false;

    switch (row->type) {
    case KO_OPT_STRING:
    case KO_OPT_PATH:
    case KO_OPT_SECRET:
        if (has_control(text))
            return ko_err_set(err, KO_E_INVALID, "holds a control character");
        return check_length(row, text.len, err);
    case KO_OPT_LIST:
        if (text.len == 0 || has_control(text))
            return ko_err_set(err, KO_E_INVALID, "an entry is empty or holds a control character");
        return 0;
    case KO_OPT_BOOL:
        if (ko_parse_bool(text, &flag, err) < 0)
            return ko_err_set(err, KO_E_INVALID, "write true or false");
        *num = flag;
        return 0;
    case KO_OPT_ENUM:
        return parse_enum(row, text, num, err);
    case KO_OPT_UINT:
        return parse_uint(text, num, err) < 0 ? -1 : check_range(row, *num, err);
    case KO_OPT_SIZE:
        return ko_parse_size(text, num, err) < 0 ? -1 : check_range(row, *num, err);
    case KO_OPT_DURATION:
        return ko_parse_duration(text, num, err) < 0 ? -1 : check_range(row, *num, err);
    }
    return ko_err_set(err, KO_E_INVALID, "unknown type");
}

static int set_list(ko_options *opts, const ko_option *row, const ko_option_input *input,
                    value *out, ko_err *err)
{
    if (input->count > MAX_LIST || input->count < row->min || input->count > row->max)
        return ko_err_set(err, KO_E_INVALID, "%zu entries are not within %llu and %llu",
                          input->count, (unsigned long long)row->min, (unsigned long long)row->max);
    out->list = ko_arena_alloc_array(opts->arena, input->count + 1, sizeof(char *));
    out->list_count = input->count;
    for (size_t i = 0; i < input->count; i++) {
        if (parse_scalar(row, ko_str_of(input->texts[i]), &out->num, err) < 0)
            return -1;
        out->list[i] = ko_arena_strdup(opts->arena, input->texts[i]);
    }
    return 0;
}

/* The first line of a file is the secret: editors and echo(1) end it with a newline. */
static int load_secret(ko_options *opts, const char *path, const char **out, ko_err *err)
{
    ko_autobuf bytes;

    ko_buf_init(&bytes, MAX_SECRET);
    if (ko_fd_load(AT_FDCWD, path, &bytes, err) < 0)
        return -1;
    ko_str text = ko_buf_str(&bytes);
    if (ko_str_has_suffix(text, KO_STR("\n")))
        text.len--;
    if (ko_str_has_suffix(text, KO_STR("\r")))
        text.len--;
    *out = ko_arena_strndup(opts->arena, text.ptr, text.len);
    bool has_nul = strlen(*out) != text.len;
    ko_secret_wipe(bytes.data, bytes.len);
    return has_nul ? ko_err_set(err, KO_E_INVALID, "%s: holds a NUL byte", path) : 0;
}

static int set_scalar(ko_options *opts, const ko_option *row, const ko_option_input *input,
                      value *out, ko_err *err)
{
    const char *text = input->texts[0];

    if (input->count != 1)
        return ko_err_set(err, KO_E_INVALID, "wants one value, not a list");
    if (!input->is_file)
        text = ko_arena_strdup(opts->arena, text);
    else if (load_secret(opts, input->texts[0], &text, err) < 0)
        return -1;
    out->text = text;
    return parse_scalar(row, ko_str_of(text), &out->num, err);
}

int ko_options_set(ko_options *opts, size_t index, const ko_option_input *input, ko_err *err)
{
    const ko_option *row = &opts->table->rows[index];
    value fresh = {.is_set = true};
    int rc = row->type == KO_OPT_LIST ? set_list(opts, row, input, &fresh, err)
                                      : set_scalar(opts, row, input, &fresh, err);

    if (rc < 0)
        return ko_err_ctx(err, "%s: %s", input->source, row->key);
    fresh.source = ko_arena_strdup(opts->arena, input->source);
    opts->values[index] = fresh;
    return 0;
}

/* Lists from the environment and of defaults are one text. */
static int set_text(ko_options *opts, size_t index, const char *text, bool is_file,
                    const char *source, ko_err *err)
{
    const char *parts[MAX_LIST];
    ko_option_input input = {.texts = parts, .count = 0, .is_file = is_file, .source = source};

    if (opts->table->rows[index].type != KO_OPT_LIST) {
        parts[input.count++] = text;
    } else {
        ko_str rest = ko_str_of(text);
        ko_str part;

        while (input.count < MAX_LIST && ko_str_split(&rest, ',', &part)) {
            part = ko_str_trim(part);
            parts[input.count++] = ko_arena_strndup(opts->arena, part.ptr, part.len);
        }
    }
    return ko_options_set(opts, index, &input, err);
}

ko_options *ko_options_new(const ko_option_table *table)
{
    ko_options *opts = ko_new(ko_options);

    opts->table = table;
    opts->arena = ko_arena_new();
    opts->values = ko_xcalloc(table->count, sizeof(value));
    for (size_t i = 0; i < table->count; i++) {
        opts->values[i].source = NO_SOURCE;
        if (table->rows[i].def)
            KO_ASSERT(set_text(opts, i, table->rows[i].def, false, NO_SOURCE, NULL) == 0);
    }
    return opts;
}

/* ---- Names of a row ---- */

void ko_option_flag(const ko_option *row, char *out, size_t size)
{
    (void)snprintf(out, size, "--%s%s", row->flag ? row->flag : row->key,
                   row->type == KO_OPT_SECRET ? "-file" : "");
    if (row->flag)
        return;
    for (char *p = out; *p; p++)
        if (*p == '.' || *p == '_')
            *p = '-';
}

void ko_option_env(const ko_option *row, char *out, size_t size)
{
    (void)snprintf(out, size, ENV_PREFIX "%s", row->key);
    for (char *p = out; *p; p++) {
        if (*p == '.')
            *p = '_';
        else if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    }
}

const char *ko_option_type_name(ko_option_type type)
{
    switch (type) {
    case KO_OPT_STRING:
        return "text";
    case KO_OPT_PATH:
        return "path";
    case KO_OPT_LIST:
        return "list";
    case KO_OPT_BOOL:
        return "true or false";
    case KO_OPT_UINT:
        return "number";
    case KO_OPT_SIZE:
        return "size";
    case KO_OPT_DURATION:
        return "duration";
    case KO_OPT_ENUM:
        return "choice";
    case KO_OPT_SECRET:
        return "secret";
    }
    return "";
}

size_t ko_options_find_key(const ko_option_table *table, ko_str key, bool *is_file)
{
    *is_file = false;
    for (size_t i = 0; i < table->count; i++) {
        ko_str name = ko_str_of(table->rows[i].key);

        if (ko_str_eq(name, key))
            return i;
        if (table->rows[i].type == KO_OPT_SECRET && ko_str_has_prefix(key, name) &&
            ko_str_eq(ko_str_slice(key, name.len, key.len), KO_STR("_file"))) {
            *is_file = true;
            return i;
        }
    }
    return KO_OPT_NO_ROW;
}

bool ko_options_is_section(const ko_option_table *table, ko_str section)
{
    for (size_t i = 0; i < table->count; i++) {
        ko_str key = ko_str_of(table->rows[i].key);

        if (key.len > section.len && ko_str_has_prefix(key, section) && key.ptr[section.len] == '.')
            return true;
    }
    return false;
}

/* ---- Environment ---- */

/* Value of NAME in "NAME=value", or NULL. */
static const char *env_value(const char *entry, const char *name)
{
    size_t len = strlen(name);

    return strncmp(entry, name, len) == 0 && entry[len] == '=' ? entry + len + 1 : NULL;
}

static int take_variable(ko_options *opts, const char *entry, ko_err *err)
{
    for (size_t i = 0; i < opts->table->count; i++) {
        char name[MAX_NAME];
        char file_name[MAX_NAME + 8];
        const char *text;

        ko_option_env(&opts->table->rows[i], name, sizeof(name));
        (void)snprintf(file_name, sizeof(file_name), "%s_FILE", name);
        if ((text = env_value(entry, name)) != NULL)
            return set_text(opts, i, text, false, name, err);
        if (opts->table->rows[i].type == KO_OPT_SECRET &&
            (text = env_value(entry, file_name)) != NULL)
            return set_text(opts, i, text, true, file_name, err);
    }
    return 0;
}

int ko_options_load_env(ko_options *opts, const char *const *environment, ko_err *err)
{
    for (; *environment; environment++)
        if (strncmp(*environment, ENV_PREFIX, strlen(ENV_PREFIX)) == 0 &&
            take_variable(opts, *environment, err) < 0)
            return -1;
    return 0;
}

/* ---- Flags ---- */

typedef struct {
    size_t row;
    const char *text;
    bool is_file;
    char name[MAX_NAME]; /* as the row has it */
} flag_match;

/* Does `arg` spell this flag? Then *text is what follows '=', or NULL. */
static bool spells(const char *arg, const char *flag, const char **text)
{
    size_t len = strlen(flag);

    if (strncmp(arg, flag, len) != 0 || (arg[len] != '\0' && arg[len] != '='))
        return false;
    *text = arg[len] == '=' ? arg + len + 1 : NULL;
    return true;
}

static bool spells_no(const char *arg, const char *flag)
{
    return strncmp(arg, "--no-", 5) == 0 && strcmp(arg + 5, flag + 2) == 0;
}

/* Finds the row that argv[0] is a flag of; *used 0: none. */
static int match_flag(const ko_option_table *table, int argc, const char *const *argv,
                      flag_match *out, int *used, ko_err *err)
{
    *used = 0;
    for (size_t i = 0; i < table->count; i++) {
        const ko_option *row = &table->rows[i];

        *out = (flag_match){.row = i, .is_file = row->type == KO_OPT_SECRET};
        ko_option_flag(row, out->name, sizeof(out->name));
        if (row->type == KO_OPT_BOOL && spells_no(argv[0], out->name)) {
            out->text = "false";
            *used = 1;
            return 0;
        }
        if (!spells(argv[0], out->name, &out->text))
            continue;
        *used = 1;
        if (out->text)
            return 0;
        if (row->type == KO_OPT_BOOL) {
            out->text = "true";
            return 0;
        }
        if (argc < 2)
            return ko_err_set(err, KO_E_INVALID, "%s wants a value (%s)", out->name,
                              ko_option_type_name(row->type));
        out->text = argv[1];
        *used = 2;
        return 0;
    }
    return 0;
}

/* A repeated flag of a list adds an entry; the first one replaces what weaker sources said. */
static int apply_flag(ko_options *opts, const flag_match *flag, ko_err *err)
{
    const value *old = &opts->values[flag->row];
    const char *texts[MAX_LIST + 1];
    ko_option_input input = {.texts = texts, .is_file = flag->is_file, .source = flag->name};

    if (opts->table->rows[flag->row].type == KO_OPT_LIST && old->from_flag)
        for (size_t i = 0; i < old->list_count; i++)
            texts[input.count++] = old->list[i];
    texts[input.count++] = flag->text;
    if (ko_options_set(opts, flag->row, &input, err) < 0)
        return -1;
    opts->values[flag->row].from_flag = true;
    return 0;
}

int ko_options_take_flag(ko_options *opts, int argc, const char *const *argv, int *used,
                         ko_err *err)
{
    flag_match flag;
    int taken = 0;

    if (match_flag(opts->table, argc, argv, &flag, &taken, err) < 0 ||
        (taken > 0 && apply_flag(opts, &flag, err) < 0))
        return -1;
    *used = taken;
    return 0;
}

/* ---- All sources in order ---- */

/* Splits argv into our flags (kept for the end and for reloads), --config, and the rest. */
static int sort_arguments(ko_options *opts, int argc, const char *const *argv, const char **rest,
                          int *rest_count, ko_err *err)
{
    int i = 0;

    while (i < argc && strcmp(argv[i], "--") != 0) {
        const char *path = NULL;
        flag_match flag;
        int used = 0;

        if (spells(argv[i], CONFIG_FLAG, &path)) {
            used = path ? 1 : 2;
            if (!path && i + 1 >= argc)
                return ko_err_set(err, KO_E_INVALID, "%s wants the path of a file", CONFIG_FLAG);
            opts->config_path = ko_arena_strdup(opts->arena, path ? path : argv[i + 1]);
        } else if (match_flag(opts->table, argc - i, argv + i, &flag, &used, err) < 0) {
            return -1;
        } else {
            for (int k = 0; k < used; k++)
                opts->argv[opts->argc++] = ko_arena_strdup(opts->arena, argv[i + k]);
        }
        if (used == 0)
            rest[(*rest_count)++] = argv[i++];
        i += used;
    }
    while (i < argc)
        rest[(*rest_count)++] = argv[i++];
    return 0;
}

static int apply_sources(ko_options *opts, ko_err *err)
{
    if (opts->config_path && ko_options_load_file(opts, opts->config_path, err) < 0)
        return -1;
    if (ko_options_load_env(opts, opts->environment, err) < 0)
        return -1;
    for (int i = 0, used = 0; i < opts->argc; i += used)
        if (ko_options_take_flag(opts, opts->argc - i, opts->argv + i, &used, err) < 0)
            return -1;
    return 0;
}

int ko_options_load_all(const ko_option_table *table, int argc, const char *const *argv,
                        const char *const *environment, ko_arena *arena, const char ***rest,
                        int *rest_count, ko_options **out, ko_err *err)
{
    ko_autoptr(ko_options) opts = ko_options_new(table);
    const char **left = ko_arena_alloc_array(arena, (size_t)argc + 1, sizeof(char *));
    int left_count = 0;

    opts->environment = environment;
    opts->argv = ko_arena_alloc_array(opts->arena, (size_t)argc + 1, sizeof(char *));
    for (const char *const *entry = environment; *entry; entry++) {
        const char *path = env_value(*entry, CONFIG_ENV);

        if (path && *path)
            opts->config_path = ko_arena_strdup(opts->arena, path);
    }
    if (sort_arguments(opts, argc, argv, left, &left_count, err) < 0 ||
        apply_sources(opts, err) < 0)
        return -1;
    *rest = left;
    *rest_count = left_count;
    *out = ko_steal(&opts);
    return 0;
}

static bool same_value(const value *a, const value *b)
{
    if (a->is_set != b->is_set || a->list_count != b->list_count)
        return false;
    if (!a->is_set)
        return true;
    for (size_t i = 0; i < a->list_count; i++)
        if (strcmp(a->list[i], b->list[i]) != 0)
            return false;
    if (!a->text || !b->text)
        return a->text == b->text;
    return a->num == b->num && (a->num != 0 || strcmp(a->text, b->text) == 0);
}

static void copy_value(ko_options *to, size_t index, const value *from)
{
    value *v = &to->values[index];

    *v = *from;
    v->text = from->text ? ko_arena_strdup(to->arena, from->text) : NULL;
    v->source = ko_arena_strdup(to->arena, from->source);
    if (!from->list)
        return;
    v->list = ko_arena_alloc_array(to->arena, from->list_count + 1, sizeof(char *));
    for (size_t i = 0; i < from->list_count; i++)
        v->list[i] = ko_arena_strdup(to->arena, from->list[i]);
}

int ko_options_reload(const ko_options *opts, ko_options **out, size_t *ignored, ko_err *err)
{
    ko_autoptr(ko_options) fresh = ko_options_new(opts->table);
    size_t differ = 0;

    fresh->environment = opts->environment;
    fresh->argv = ko_arena_alloc_array(fresh->arena, (size_t)opts->argc + 1, sizeof(char *));
    for (int i = 0; i < opts->argc; i++)
        fresh->argv[fresh->argc++] = ko_arena_strdup(fresh->arena, opts->argv[i]);
    if (opts->config_path)
        fresh->config_path = ko_arena_strdup(fresh->arena, opts->config_path);
    if (apply_sources(fresh, err) < 0)
        return -1;
    for (size_t i = 0; i < opts->table->count; i++) {
        if (opts->table->rows[i].reloadable || same_value(&opts->values[i], &fresh->values[i]))
            continue;
        differ++;
        copy_value(fresh, i, &opts->values[i]);
    }
    *ignored = differ;
    *out = ko_steal(&fresh);
    return 0;
}

/* ---- Values ---- */

static const value *value_of(const ko_options *opts, size_t row)
{
    KO_ASSERT(row < opts->table->count);
    return &opts->values[row];
}

bool ko_options_is_set(const ko_options *opts, size_t row)
{
    return value_of(opts, row)->is_set;
}

const char *ko_options_str(const ko_options *opts, size_t row)
{
    return value_of(opts, row)->text;
}

bool ko_options_bool(const ko_options *opts, size_t row)
{
    KO_ASSERT(opts->table->rows[row].type == KO_OPT_BOOL);
    return value_of(opts, row)->num != 0;
}

uint64_t ko_options_u64(const ko_options *opts, size_t row)
{
    return value_of(opts, row)->num;
}

const char *const *ko_options_list(const ko_options *opts, size_t row, size_t *count)
{
    static const char *const none[] = {NULL};
    const value *v = value_of(opts, row);

    KO_ASSERT(opts->table->rows[row].type == KO_OPT_LIST);
    *count = v->list_count;
    return v->list ? (const char *const *)v->list : none;
}

const char *ko_options_source(const ko_options *opts, size_t row)
{
    return value_of(opts, row)->source;
}

int ko_options_print(const ko_options *opts, size_t row, ko_buf *out)
{
    const value *v = value_of(opts, row);
    int rc = 0;

    if (!v->is_set)
        return 0;
    if (opts->table->rows[row].type == KO_OPT_SECRET)
        return ko_buf_put_text(out, "<hidden>");
    if (opts->table->rows[row].type != KO_OPT_LIST)
        return ko_buf_put_text(out, v->text);
    for (size_t i = 0; i < v->list_count; i++) {
        rc |= ko_buf_put_text(out, i > 0 ? ", " : "");
        rc |= ko_buf_put_text(out, v->list[i]);
    }
    return rc;
}

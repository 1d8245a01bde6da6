/* common/base/options_load.c: where values come from: the environment, flags, and all sources
 * together.
 *
 * Sources are applied in the order of their strength, so that the last one wins; flags are
 * therefore collected first and applied last. What a reload needs to do the same again is kept. */
#include "common/base/options.h"
#include "common/base/options_priv.h"

#define MAX_NAME    128
#define CONFIG_FLAG "--config"
#define CONFIG_ENV  KO_OPT_ENV_PREFIX "CONFIG"

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
            return ko_options_set_text(opts, i, text, false, name, err);
        if (opts->table->rows[i].type == KO_OPT_SECRET &&
            (text = env_value(entry, file_name)) != NULL)
            return ko_options_set_text(opts, i, text, true, file_name, err);
    }
    return 0;
}

int ko_options_load_env(ko_options *opts, const char *const *environment, ko_err *err)
{
    for (; *environment; environment++)
        if (strncmp(*environment, KO_OPT_ENV_PREFIX, strlen(KO_OPT_ENV_PREFIX)) == 0 &&
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
    const ko_option_value *old = &opts->values[flag->row];
    const char *texts[KO_OPT_MAX_LIST + 1];
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

static bool same_value(const ko_option_value *a, const ko_option_value *b)
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

static void copy_value(ko_options *to, size_t index, const ko_option_value *from)
{
    ko_option_value *v = &to->values[index];

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

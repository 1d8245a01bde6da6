/* common/base/options.c: values by row.
 *
 * Every source (options_load.c, options_yaml.c) ends in ko_options_set(), the only place where text
 * becomes a value and is checked against its row.
 *
 * All memory is in one arena that dies with the object, secrets included: they are wiped first. */
#include "common/base/options.h"

#include <fcntl.h>

#include "common/base/fd.h"
#include "common/base/options_priv.h"
#include "common/base/secret.h"

#define MAX_SECRET 4096
#define NO_SOURCE  "default"

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
                    ko_option_value *out, ko_err *err)
{
    if (input->count > KO_OPT_MAX_LIST || input->count < row->min || input->count > row->max)
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
                      ko_option_value *out, ko_err *err)
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
    ko_option_value fresh = {.is_set = true};
    int rc = row->type == KO_OPT_LIST ? set_list(opts, row, input, &fresh, err)
                                      : set_scalar(opts, row, input, &fresh, err);

    if (rc < 0)
        return ko_err_ctx(err, "%s: %s", input->source, row->key);
    fresh.source = ko_arena_strdup(opts->arena, input->source);
    opts->values[index] = fresh;
    return 0;
}

int ko_options_set_text(ko_options *opts, size_t index, const char *text, bool is_file,
                        const char *source, ko_err *err)
{
    const char *parts[KO_OPT_MAX_LIST];
    ko_option_input input = {.texts = parts, .count = 0, .is_file = is_file, .source = source};

    if (opts->table->rows[index].type != KO_OPT_LIST) {
        parts[input.count++] = text;
    } else {
        ko_str rest = ko_str_of(text);
        ko_str part;

        while (input.count < KO_OPT_MAX_LIST && ko_str_split(&rest, ',', &part)) {
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
    opts->values = ko_xcalloc(table->count, sizeof(ko_option_value));
    for (size_t i = 0; i < table->count; i++) {
        opts->values[i].source = NO_SOURCE;
        if (table->rows[i].def)
            KO_ASSERT(ko_options_set_text(opts, i, table->rows[i].def, false, NO_SOURCE, NULL) ==
                      0);
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
    (void)snprintf(out, size, KO_OPT_ENV_PREFIX "%s", row->key);
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

/* ---- Values ---- */

static const ko_option_value *value_of(const ko_options *opts, size_t row)
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
    const ko_option_value *v = value_of(opts, row);

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
    const ko_option_value *v = value_of(opts, row);
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

/* common/base/options_yaml.c: the configuration file: the part of YAML that has no surprises.
 *
 * The file is read as libyaml's events; no tree is built. Refused are anchors and aliases (a few
 * lines of which can stand for gigabytes), tags, several documents, duplicate keys, more than
 * MAX_DEPTH levels and more than KO_MAX_CONFIG bytes. Scalars are text until a row says otherwise,
 * so that `no` is no boolean and 010 no eight.
 *
 * A key may be nested or dotted, http: {idle_timeout: 60s} or http.idle_timeout: 60s; the dotted
 * path is what is looked up, and each path may be there once. */
#include "common/base/options.h"

#include <fcntl.h>
#include <yaml.h>

#include "common/base/fd.h"
#include "common/base/limits.h"
#include "common/base/map.h"
#include "common/base/options_priv.h"

#define MAX_DEPTH 8
#define MAX_PATH  256
#define MAX_ITEMS 256

typedef struct {
    ko_options *opts;
    const ko_option_table *table;
    const char *name; /* of the file */
    yaml_parser_t parser;
    ko_map *seen;        /* dotted path -> line, as a pointer that is not one */
    char path[MAX_PATH]; /* of the key being read */
} reader;

static void drop_event(yaml_event_t *event)
{
    yaml_event_delete(event);
}
#define autoevent __attribute__((cleanup(drop_event))) yaml_event_t

static int fail_at(const reader *r, size_t line, ko_err *err, const char *why)
{
    return ko_err_set(err, KO_E_INVALID, "%s:%zu: %s", r->name, line + 1, why);
}

/* Everything in an event that is not plain data is refused here, for all events alike. */
static int check_plain(const reader *r, const yaml_event_t *event, ko_err *err)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    size_t line = event->start_mark.line;

    if (event->type == YAML_ALIAS_EVENT)
        return fail_at(r, line, err, "aliases are not accepted");
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        return fail_at(r, line, err, "anchors are not accepted");
    if (tag)
        return fail_at(r, line, err, "tags are not accepted");
    return 0;
}

static int next_event(reader *r, yaml_event_t *event, ko_err *err)
{
    if (!yaml_parser_parse(&r->parser, event))
        return fail_at(r, r->parser.problem_mark.line, err,
                       r->parser.problem ? r->parser.problem : "not YAML");
    return check_plain(r, event, err);
}

static ko_str scalar_text(const yaml_event_t *event)
{
    return (ko_str){(const char *)event->data.scalar.value, event->data.scalar.length};
}

static bool is_plain_scalar(const yaml_event_t *event)
{
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* "key:" with nothing behind it, or an explicit null. */
static bool is_null(const yaml_event_t *event)
{
    ko_str text = scalar_text(event);

    return is_plain_scalar(event) &&
           (text.len == 0 || ko_str_eq(text, KO_STR("~")) || ko_str_eq(text, KO_STR("null")));
}

/* ---- Keys ---- */

static int unknown_key(const reader *r, size_t line, ko_err *err)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    const char **names = ko_arena_alloc_array(arena, r->table->count + 1, sizeof(char *));

    for (size_t i = 0; i < r->table->count; i++)
        names[i] = r->table->rows[i].key;
    const char *near = ko_option_nearest(r->path, names, r->table->count);
    return ko_err_set(err, KO_E_INVALID, "%s:%zu: unknown key '%s'%s%s%s", r->name, line + 1,
                      r->path, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Appends ".key" to the path; gives the length the path had. */
static int enter_key(reader *r, const yaml_event_t *event, size_t *was, ko_err *err)
{
    ko_str key = scalar_text(event);
    size_t len = strlen(r->path);
    size_t line = event->start_mark.line;

    for (size_t i = 0; i < key.len; i++)
        if (!((key.ptr[i] >= 'a' && key.ptr[i] <= 'z') ||
              (key.ptr[i] >= '0' && key.ptr[i] <= '9') || key.ptr[i] == '_' || key.ptr[i] == '.'))
            return fail_at(r, line, err, "a key is of a-z, 0-9, '_' and '.'");
    if (key.len == 0 || len + key.len + 2 > sizeof(r->path))
        return fail_at(r, line, err, "a key is empty or too long");
    *was = len;
    (void)snprintf(r->path + len, sizeof(r->path) - len, "%s" KO_STR_FMT, len ? "." : "",
                   KO_STR_ARG(key));

    ko_str path = ko_str_of(r->path);
    uintptr_t first = (uintptr_t)ko_map_get(r->seen, path);
    if (first)
        return ko_err_set(err, KO_E_INVALID, "%s:%zu: '%s' is in line %zu already", r->name,
                          line + 1, r->path, (size_t)first);
    ko_map_set(r->seen, path, (void *)(line + 1));
    return 0;
}

/* ---- Values ---- */

static int set_value(reader *r, const char *const *texts, size_t count, size_t line, ko_err *err)
{
    bool is_file = false;
    size_t row = ko_options_find_key(r->table, ko_str_of(r->path), &is_file);
    char source[MAX_PATH + 32];

    if (row == KO_OPT_NO_ROW && ko_options_is_section(r->table, ko_str_of(r->path)))
        return fail_at(r, line, err, "this is a section: its keys go below it, indented");
    if (row == KO_OPT_NO_ROW)
        return unknown_key(r, line, err);
    (void)snprintf(source, sizeof(source), "%s:%zu", r->name, line + 1);
    ko_option_input input = {.texts = texts, .count = count, .is_file = is_file, .source = source};
    return ko_options_set(r->opts, row, &input, err);
}

static int copy_scalar(reader *r, const yaml_event_t *event, const char **out, ko_err *err)
{
    ko_str text = scalar_text(event);

    if (memchr(text.ptr, '\0', text.len))
        return fail_at(r, event->start_mark.line, err, "NUL in a value");
    *out = ko_arena_strndup(ko_options_arena(r->opts), text.ptr, text.len);
    return 0;
}

static int read_scalar(reader *r, const yaml_event_t *event, ko_err *err)
{
    const char *text = NULL;
    size_t line = event->start_mark.line;

    if (is_null(event)) {
        if (ko_options_is_section(r->table, ko_str_of(r->path)))
            return 0; /* a section whose keys are all commented out */
        return fail_at(r, line, err, "no value: write one or remove the line");
    }
    if (copy_scalar(r, event, &text, err) < 0)
        return -1;
    return set_value(r, &text, 1, line, err);
}

static int read_sequence(reader *r, size_t line, ko_err *err)
{
    const char *texts[MAX_ITEMS];
    size_t count = 0;

    for (;;) {
        autoevent event = {0};

        if (next_event(r, &event, err) < 0)
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT)
            return set_value(r, texts, count, line, err);
        if (event.type != YAML_SCALAR_EVENT || is_null(&event))
            return fail_at(r, event.start_mark.line, err, "a list holds plain values");
        if (count == MAX_ITEMS)
            return fail_at(r, event.start_mark.line, err, "the list is too long");
        if (copy_scalar(r, &event, &texts[count++], err) < 0)
            return -1;
    }
}

static int read_mapping(reader *r, int depth, ko_err *err);

static int read_value(reader *r, int depth, ko_err *err)
{
    autoevent event = {0};

    if (next_event(r, &event, err) < 0)
        return -1;
    size_t line = event.start_mark.line;
    switch ((int)event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, &event, err);
    case YAML_SEQUENCE_START_EVENT:
        return read_sequence(r, line, err);
    case YAML_MAPPING_START_EVENT:
        if (!ko_options_is_section(r->table, ko_str_of(r->path)))
            return unknown_key(r, line, err);
        if (depth >= MAX_DEPTH)
            return fail_at(r, line, err, "nested too deeply");
        return read_mapping(r, depth + 1, err);
    default:
        return fail_at(r, line, err, "want a value");
    }
}

/* After the start of a mapping: key, value, key, value ... to its end. */
static int read_mapping(reader *r, int depth, ko_err *err)
{
    for (;;) {
        autoevent event = {0};
        size_t was = 0;

        if (next_event(r, &event, err) < 0)
            return -1;
        if (event.type == YAML_MAPPING_END_EVENT)
            return 0;
        if (event.type != YAML_SCALAR_EVENT)
            return fail_at(r, event.start_mark.line, err, "a key is plain text");
        if (enter_key(r, &event, &was, err) < 0 || read_value(r, depth, err) < 0)
            return -1;
        r->path[was] = '\0';
    }
}

/* ---- Documents ---- */

static int expect(reader *r, yaml_event_type_t type, const char *why, ko_err *err)
{
    autoevent event = {0};

    if (next_event(r, &event, err) < 0)
        return -1;
    return event.type == type ? 0 : fail_at(r, event.start_mark.line, err, why);
}

static int read_document(reader *r, ko_err *err)
{
    autoevent root = {0};

    if (next_event(r, &root, err) < 0)
        return -1;
    if (root.type == YAML_MAPPING_START_EVENT) {
        if (read_mapping(r, 1, err) < 0)
            return -1;
    } else if (root.type != YAML_SCALAR_EVENT || !is_null(&root)) {
        return fail_at(r, root.start_mark.line, err, "want 'key: value' lines");
    }
    if (expect(r, YAML_DOCUMENT_END_EVENT, "want the end of the document", err) < 0)
        return -1;
    return expect(r, YAML_STREAM_END_EVENT, "there is more than one document", err);
}

static int read_stream(reader *r, ko_err *err)
{
    autoevent event = {0};

    if (expect(r, YAML_STREAM_START_EVENT, "want a stream", err) < 0 ||
        next_event(r, &event, err) < 0)
        return -1;
    if (event.type == YAML_STREAM_END_EVENT)
        return 0; /* nothing but comments */
    return read_document(r, err);
}

int ko_options_load_text(ko_options *opts, ko_str yaml, const char *name, ko_err *err)
{
    ko_autoptr(ko_map) seen = ko_map_new(NULL);
    reader r = {.opts = opts, .table = ko_options_table(opts), .name = name, .seen = seen};

    if (yaml.len > KO_MAX_CONFIG)
        return ko_err_set(err, KO_E_TOO_LARGE, "%s: over %llu bytes", name, KO_MAX_CONFIG);
    if (!yaml_parser_initialize(&r.parser))
        return ko_err_set(err, KO_E_UNAVAILABLE, "%s: out of memory", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)yaml.ptr, yaml.len);
    int rc = read_stream(&r, err);
    yaml_parser_delete(&r.parser);
    return rc;
}

int ko_options_load_file(ko_options *opts, const char *path, ko_err *err)
{
    ko_autobuf text;

    ko_buf_init(&text, KO_MAX_CONFIG);
    if (ko_fd_load(AT_FDCWD, path, &text, err) < 0)
        return ko_err_ctx(err, "configuration");
    return ko_options_load_text(opts, ko_buf_str(&text), path, err);
}

/* server/cli_table.c: lists for people, aligned, or for programs, as a JSON array of objects. Cells
 * are kept as text until the end, because a column is as wide as its widest cell. */
#include "common/base/clock.h"
#include "server/cli.h"

#define MAX_COLUMNS 16

typedef struct {
    const char *text; /* for people */
    const char *json; /* a JSON value */
} cell;

struct ko_table {
    ko_arena *arena;
    bool json;
    size_t columns;
    const char *names[MAX_COLUMNS];
    cell *cells;
    size_t count;
    size_t room;
};

ko_table *ko_table_new(ko_cli *cli, const char *columns)
{
    ko_table *table = ko_arena_new_obj(cli->arena, ko_table);
    ko_str rest = ko_str_of(columns);
    ko_str name;

    table->arena = cli->arena;
    table->json = cli->json;
    while (ko_str_split(&rest, ',', &name)) {
        KO_ASSERT(table->columns < MAX_COLUMNS);
        table->names[table->columns++] = ko_arena_strndup(cli->arena, name.ptr, name.len);
    }
    return table;
}

static void add(ko_table *table, const char *text, const char *json)
{
    if (table->count == table->room) {
        size_t room = table->room ? 2 * table->room : 8 * table->columns;
        cell *more = ko_arena_alloc_array(table->arena, room, sizeof(cell));

        if (table->count)
            memcpy(more, table->cells, table->count * sizeof(cell));
        table->cells = more;
        table->room = room;
    }
    table->cells[table->count++] = (cell){text, json};
}

void ko_table_text(ko_table *table, ko_str text)
{
    ko_autobuf json;

    ko_buf_init(&json, 8 * text.len + 16);
    (void)ko_buf_put_json(&json, text); /* every byte becomes six at most */
    add(table, ko_arena_strndup(table->arena, text.ptr, text.len),
        ko_arena_strndup(table->arena, json.data, json.len));
}

void ko_table_u64(ko_table *table, uint64_t n)
{
    const char *text = ko_arena_printf(table->arena, "%llu", (unsigned long long)n);

    add(table, text, text);
}

void ko_table_bool(ko_table *table, bool b)
{
    add(table, b ? "yes" : "-", b ? "true" : "false");
}

void ko_table_size(ko_table *table, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double n = (double)bytes;
    size_t unit = 0;

    while (n >= 1024 && unit + 1 < KO_ARRAY_LEN(units)) {
        n /= 1024;
        unit++;
    }
    add(table, ko_arena_printf(table->arena, unit ? "%.1f %s" : "%.0f %s", n, units[unit]),
        ko_arena_printf(table->arena, "%llu", (unsigned long long)bytes));
}

void ko_table_time(ko_table *table, int64_t at_s)
{
    char text[KO_CLOCK_RFC3339_MAX];

    if (at_s == 0) {
        add(table, "-", "null");
        return;
    }
    ko_clock_rfc3339(at_s, text);
    add(table, ko_arena_strdup(table->arena, text), ko_arena_printf(table->arena, "\"%s\"", text));
}

static void print_json(const ko_table *table)
{
    (void)printf("[");
    for (size_t i = 0; i < table->count; i += table->columns) {
        (void)printf("%s\n  {", i > 0 ? "," : "");
        for (size_t c = 0; c < table->columns; c++)
            (void)printf("%s\"%s\": %s", c > 0 ? ", " : "", table->names[c],
                         table->cells[i + c].json);
        (void)printf("}");
    }
    (void)printf("%s]\n", table->count > 0 ? "\n" : "");
}

/* Control bytes of stored text must not reach a terminal. */
static void print_padded(const char *text, size_t width, bool last)
{
    size_t len = 0;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        (void)putchar(c < 0x20 || c == 0x7f ? '?' : c);
        len += (c & 0xc0) != 0x80; /* continuation bytes of UTF-8 take no place */
    }
    for (; !last && len < width + 2; len++)
        (void)putchar(' ');
}

static size_t shown_width(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_rows(const ko_table *table)
{
    size_t widths[MAX_COLUMNS];

    for (size_t c = 0; c < table->columns; c++)
        widths[c] = strlen(table->names[c]);
    for (size_t i = 0; i < table->count; i++) {
        size_t width = shown_width(table->cells[i].text);

        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t c = 0; c < table->columns; c++) {
        char header[64];
        size_t k = 0;

        for (const char *p = table->names[c]; *p && k + 1 < sizeof(header); p++)
            header[k++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : ' ';
        header[k] = '\0';
        print_padded(header, widths[c], c + 1 == table->columns);
    }
    (void)putchar('\n');
    for (size_t i = 0; i < table->count; i++) {
        bool last = (i + 1) % table->columns == 0;

        print_padded(table->cells[i].text, widths[i % table->columns], last);
        if (last)
            (void)putchar('\n');
    }
}

void ko_table_print(const ko_table *table)
{
    KO_ASSERT(table->count % table->columns == 0);
    if (table->json)
        print_json(table);
    else
        print_rows(table);
}

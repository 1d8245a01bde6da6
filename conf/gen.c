/* conf/gen.c: writes the documents that follow from the tables of conf/: run by the build.
 *
 *   gen example     kontor-registry.yaml.example: every setting, commented out at its default
 *   gen man         kontor-registry.8 (man(7))
 *
 * on standard output. So a setting or command is documented the moment it has its row, and never
 * otherwise. */
#include <stdio.h>

#include "common/base/options.h"

#define PROGRAM "kontor-registry"

/* ---- The tables ---- */

#define ROW_REGISTRY(k, f, t, d, lo, hi, u, c, r, x)                                               \
    {.key = (k),                                                                                   \
     .flag = (f),                                                                                  \
     .type = KO_OPT_##t,                                                                           \
     .def = (d),                                                                                   \
     .min = (lo),                                                                                  \
     .max = (hi),                                                                                  \
     .unit = (u),                                                                                  \
     .choices = (c),                                                                               \
     .reloadable = (r),                                                                            \
     .text = (x)},
#define KO_OPTION(program, name, ...) ROW_##program(__VA_ARGS__)
static const ko_option OPTIONS[] = {
#include "conf/options.def"
};

typedef struct {
    const char *name;
    const char *value;
    const char *text;
} flag;

typedef struct {
    const char *name;
    const char *args;
    const flag *flags;
    const char *text;
} command;

#define KO_FLAG(n, v, t)                   {.name = (n), .value = (v), .text = (t)},
#define KO_COMMAND(id, n, a, lo, hi, f, t) static const flag id##_flags[] = {f{.name = NULL}};
#include "conf/commands.def"
#undef KO_COMMAND
#define KO_COMMAND(id, n, a, lo, hi, f, t)                                                         \
    {.name = (n), .args = (a), .flags = id##_flags, .text = (t)},
static const command COMMANDS[] = {
#include "conf/commands.def"
};

/* ---- The example file ---- */

/* Comment lines of at most 78 characters. */
static void print_comment(const char *text, const char *indent)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " ");

        if (column > 0 && column + 1 + len > 78) {
            (void)printf("\n");
            column = 0;
        }
        if (column == 0)
            column = (size_t)printf("%s# %.*s", indent, (int)len, text);
        else
            column += (size_t)printf(" %.*s", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
    (void)printf("\n");
}

static void print_list_value(const char *text)
{
    ko_str rest = ko_str_of(text ? text : "");
    const char *separator = "";
    ko_str part;

    (void)printf("[");
    while (ko_str_split(&rest, ',', &part)) {
        (void)printf("%s\"" KO_STR_FMT "\"", separator, KO_STR_ARG(part));
        separator = ", ";
    }
    (void)printf("]");
}

static void print_value(const ko_option *row)
{
    bool quoted = row->type == KO_OPT_STRING || row->type == KO_OPT_PATH;

    if (row->type == KO_OPT_LIST)
        print_list_value(row->def);
    else if (quoted)
        (void)printf("\"%s\"", row->def ? row->def : "");
    else
        (void)printf("%s", row->def ? row->def : "");
}

static void print_example_row(const ko_option *row, bool *in_section)
{
    const char *dot = strchr(row->key, '.');
    const char *indent = dot ? "  " : "";

    if (dot && !*in_section) {
        (void)printf("%.*s:\n", (int)(dot - row->key), row->key);
        *in_section = true;
    }
    print_comment(row->text, indent);
    if (row->choices)
        (void)printf("%s# One of %s.\n", indent, row->choices);
    if (row->type == KO_OPT_SECRET)
        (void)printf("%s# Better: %s_file, the path of a file that holds it.\n", indent,
                     dot ? dot + 1 : row->key);
    if (!row->reloadable)
        (void)printf("%s# A change needs a restart.\n", indent);
    (void)printf("%s#%s: ", indent, dot ? dot + 1 : row->key);
    print_value(row);
    (void)printf("\n\n");
}

static size_t section_length(const char *key)
{
    const char *dot = strchr(key, '.');

    return dot ? (size_t)(dot - key) : 0;
}

static void print_example(void)
{
    const char *section = "";
    bool in_section = false;

    (void)printf(
        "# Settings of " PROGRAM ", each with its default.\n"
        "#\n"
        "#   " PROGRAM " serve --config FILE\n"
        "#   " PROGRAM " config check --config FILE\n"
        "#\n"
        "# Sizes are written 64KiB, 10GiB; durations 30s, 5m, 24h, 7d. A variable\n"
        "# KONTOR_SECTION_KEY overrides this file, a flag --section-key overrides both.\n\n");
    for (size_t i = 0; i < KO_ARRAY_LEN(OPTIONS); i++) {
        const char *key = OPTIONS[i].key;
        size_t len = section_length(key);

        if (len != section_length(section) || strncmp(key, section, len) != 0)
            in_section = false;
        section = key;
        print_example_row(&OPTIONS[i], &in_section);
    }
}

/* ---- The manual page ---- */

/* man(7): '-' and '\' are escaped, and a line must not begin with '.' or '\''. */
static void print_roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        (void)printf("\\&");
    for (; *text; text++) {
        if (*text == '\\')
            (void)printf("\\e");
        else if (*text == '-')
            (void)printf("\\-");
        else
            (void)putchar(*text);
    }
}

static void print_paragraph(const char *text)
{
    print_roff(text);
    (void)printf("\n");
}

static void print_man_command(const command *c)
{
    (void)printf(".TP\n.B ");
    print_roff(c->name);
    if (*c->args) {
        (void)printf(" \\fI");
        print_roff(c->args);
        (void)printf("\\fR");
    }
    (void)printf("\n");
    print_paragraph(c->text);
    if (!c->flags->name)
        return;
    (void)printf(".RS\n");
    for (const flag *f = c->flags; f->name; f++) {
        (void)printf(".TP\n.B \\-\\-");
        print_roff(f->name);
        if (f->value) {
            (void)printf(" \\fI");
            print_roff(f->value);
            (void)printf("\\fR");
        }
        (void)printf("\n");
        print_paragraph(f->text);
    }
    (void)printf(".RE\n");
}

static void print_man_setting(const ko_option *row)
{
    char name[128];
    char env[128];

    ko_option_flag(row, name, sizeof(name));
    ko_option_env(row, env, sizeof(env));
    (void)printf(".TP\n.B ");
    print_roff(row->key);
    (void)printf("\\fR, \\fB");
    print_roff(name);
    (void)printf("\\fR (");
    print_roff(ko_option_type_name(row->type));
    if (row->def) {
        (void)printf(", default ");
        print_roff(row->def);
    }
    (void)printf(")\n");
    print_paragraph(row->text);
    if (row->choices) {
        (void)printf("One of ");
        print_paragraph(row->choices);
    }
    if (!row->reloadable)
        (void)printf("A change needs a restart.\n");
}

static void print_man(void)
{
    (void)printf(".TH KONTOR\\-REGISTRY 8 \"\" \"Kontor " KO_VERSION
                 "\" \"System administration\"\n"
                 ".SH NAME\nkontor\\-registry \\- private registry for container images\n"
                 ".SH SYNOPSIS\n.B kontor\\-registry\n\\fICOMMAND\\fR [\\fIARGUMENT\\fR]... "
                 "[\\fB\\-\\-config\\fR \\fIFILE\\fR] [\\fB\\-\\-data\\fR \\fIDIR\\fR] "
                 "[\\fIFLAG\\fR]...\n"
                 ".SH DESCRIPTION\n"
                 "Serves container images over HTTPS to unchanged docker, podman, skopeo, buildah, "
                 "containerd and others, with accounts, groups, rights and a token service of its "
                 "own. The commands other than \\fBserve\\fR work on the data directory directly, "
                 "also while the server runs; run them as the user it runs as.\n"
                 ".SH COMMANDS\nLists are printed as JSON with \\fB\\-\\-json\\fR. "
                 "\\fB\\-\\-help\\fR after a command explains it.\n");
    for (size_t i = 0; i < KO_ARRAY_LEN(COMMANDS); i++)
        print_man_command(&COMMANDS[i]);
    (void)printf(
        ".SH SETTINGS\n"
        "Each is a key of the YAML file that \\fB\\-\\-config\\fR names, a variable "
        "(KONTOR_ and the key in capitals, dots as underscores) and a flag. Flags override "
        "variables, which override the file. Sizes are written 64KiB or 10GiB, durations "
        "30s, 5m, 24h or 7d; a list is a YAML list, a flag given several times, or a "
        "variable with commas.\n");
    for (size_t i = 0; i < KO_ARRAY_LEN(OPTIONS); i++)
        print_man_setting(&OPTIONS[i]);
    (void)printf(".SH SIGNALS\n.TP\n.B SIGHUP\nReads the configuration and the certificates again. "
                 "Settings that need a restart keep their value, and the log says so.\n"
                 ".TP\n.B SIGTERM, SIGINT\nStops accepting, lets requests under way end, and ends "
                 "with 0.\n"
                 ".SH EXIT STATUS\n.TP\n.B 0\nSuccess.\n.TP\n.B 1\nFailure.\n.TP\n.B 64\nWrong "
                 "usage.\n.TP\n.B 78\nWrong configuration.\n");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "example") == 0)
        print_example();
    else if (argc == 2 && strcmp(argv[1], "man") == 0)
        print_man();
    else
        return 64;
    return fflush(stdout) == 0 ? 0 : 1;
}

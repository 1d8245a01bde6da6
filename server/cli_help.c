/* server/cli_help.c: what --help prints, from the same tables as the man page. */
#include "server/cli.h"
#include "server/conf.h"

#define WIDTH 80

/* Wraps a text at WIDTH, each line indented. */
static void print_wrapped(const char *text, int indent)
{
    int column = 0;

    while (*text) {
        size_t len = strcspn(text, " ");

        if (column == 0)
            column = printf("%*s%.*s", indent, "", (int)len, text);
        else if (column + 1 + (int)len > WIDTH)
            column = printf("\n%*s%.*s", indent, "", (int)len, text) - 1;
        else
            column += printf(" %.*s", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
    (void)putchar('\n');
}

static void print_flags(const ko_cli_flag *flags)
{
    for (; flags->name; flags++) {
        (void)printf("  --%s%s%s\n", flags->name, flags->value ? " " : "",
                     flags->value ? flags->value : "");
        print_wrapped(flags->text, 6);
    }
}

static void print_setting(const ko_option *row)
{
    char flag[128];

    ko_option_flag(row, flag, sizeof(flag));
    (void)printf("  %s%s%s%s%s%s\n", flag, row->type == KO_OPT_BOOL ? "" : " ",
                 row->type == KO_OPT_BOOL ? ""
                 : row->choices           ? row->choices
                                          : ko_option_type_name(row->type),
                 row->def ? " (" : "", row->def ? row->def : "", row->def ? ")" : "");
    print_wrapped(row->text, 6);
}

static void print_command(const ko_cli_command *command)
{
    bool is_serve = strcmp(command->name, "serve") == 0;

    (void)printf("usage: kontor-registry %s%s%s%s\n\n", command->name, *command->args ? " " : "",
                 command->args, command->flags->name || is_serve ? " [FLAG]..." : "");
    print_wrapped(command->text, 0);
    if (command->flags->name) {
        (void)printf("\nflags:\n");
        print_flags(command->flags);
    }
    if (!is_serve) {
        (void)printf("\nWhere the registry is: --data DIR or --config FILE. Lists: --json.\n");
        return;
    }
    (void)printf("\nflags (each is also a key of the file that --config names):\n");
    for (size_t i = 0; i < ko_conf_table.count; i++)
        print_setting(&ko_conf_table.rows[i]);
}

static void print_all(void)
{
    (void)printf("usage: kontor-registry COMMAND [ARGUMENT]... [--config FILE] [--data DIR] "
                 "[FLAG]...\n\nA private registry for container images.\n\ncommands:\n");
    for (size_t i = 0; i < ko_cli_command_count; i++) {
        const ko_cli_command *c = &ko_cli_commands[i];

        (void)printf("  %s%s%s\n", c->name, *c->args ? " " : "", c->args);
    }
    (void)printf("\n`kontor-registry COMMAND --help` says more about one; kontor-registry(8) about "
                 "all.\n");
}

void ko_cli_help(const ko_cli_command *command)
{
    if (command)
        print_command(command);
    else
        print_all();
}

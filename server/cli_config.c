/* server/cli_config.c: `serve`, `config check` and `config show`. */
#include "common/http/tls.h"
#include "server/app.h"
#include "server/cli.h"
#include "server/conf.h"
#include "server/settings.h"

int ko_cli_serve(ko_cli *cli, ko_err *err)
{
    ko_options *opts = ko_steal(&cli->opts);

    if (ko_app_serve(opts, err) == 0)
        return 0;
    if (err->code == KO_E_INVALID)
        cli->exit_code = KO_EXIT_CONFIG;
    return -1;
}

/* Reads the certificates as the server will. */
static int check_certificates(ko_cli *cli, ko_err *err)
{
    size_t count = 0;
    size_t key_count = 0;
    const char *const *certs = ko_options_list(cli->opts, KO_CONF_tls_cert, &count);
    const char *const *keys = ko_options_list(cli->opts, KO_CONF_tls_key, &key_count);
    ko_tls_pair *pairs = ko_arena_alloc_array(cli->arena, count + 1, sizeof(*pairs));
    ko_tls *tls = NULL;

    if (count == 0 || count != key_count)
        return 0; /* self-made; and ko_settings_new() says what is wrong with the numbers */
    for (size_t i = 0; i < count; i++)
        pairs[i] = (ko_tls_pair){certs[i], keys[i]};
    if (ko_tls_new(pairs, count, &tls, err) < 0)
        return -1;
    ko_tls_free(tls);
    return 0;
}

int ko_cli_config_check(ko_cli *cli, ko_err *err)
{
    ko_autoptr(ko_settings) settings = NULL;

    cli->exit_code = KO_EXIT_CONFIG;
    if (check_certificates(cli, err) < 0 || ko_settings_new(cli->opts, &settings, err) < 0)
        return -1;
    cli->opts = NULL; /* the settings have it now */
    (void)printf("the configuration is valid\n");
    return 0;
}

int ko_cli_config_show(ko_cli *cli, ko_err *err)
{
    ko_table *table = ko_table_new(cli, "key,value,source");

    for (size_t i = 0; i < ko_conf_table.count; i++) {
        ko_autobuf value;

        ko_buf_init(&value, 1 << 20);
        if (ko_options_print(cli->opts, i, &value) < 0)
            return ko_err_set(err, KO_E_TOO_LARGE, "%s", ko_conf_table.rows[i].key);
        ko_table_text(table, ko_str_of(ko_conf_table.rows[i].key));
        ko_table_text(table, ko_buf_str(&value));
        ko_table_text(table, ko_str_of(ko_options_source(cli->opts, i)));
    }
    ko_table_print(table);
    return 0;
}

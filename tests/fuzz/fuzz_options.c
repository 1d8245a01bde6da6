/* Fuzz target for the configuration file: whatever it says, every setting stays within its row. */
#include "common/base/limits.h"
#include "server/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const ko_options *opts, size_t i)
{
    const ko_option *row = &ko_conf_table.rows[i];
    size_t count = 0;

    switch (row->type) {
    case KO_OPT_UINT:
    case KO_OPT_SIZE:
    case KO_OPT_DURATION:
        KO_ASSERT(ko_options_u64(opts, i) >= row->min && ko_options_u64(opts, i) <= row->max);
        break;
    case KO_OPT_LIST:
        (void)ko_options_list(opts, i, &count);
        KO_ASSERT(count >= row->min && count <= row->max);
        break;
    case KO_OPT_STRING:
    case KO_OPT_PATH:
    case KO_OPT_SECRET:
        if (ko_options_is_set(opts, i))
            KO_ASSERT(strlen(ko_options_str(opts, i)) >= row->min &&
                      strlen(ko_options_str(opts, i)) <= row->max);
        break;
    case KO_OPT_BOOL:
    case KO_OPT_ENUM:
        KO_ASSERT(ko_options_is_set(opts, i));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ko_autoptr(ko_options) opts = ko_options_new(&ko_conf_table);
    ko_str text = {(const char *)data, size};
    ko_err err = KO_ERR_INIT;

    /* A file may name other files for secrets; those of this machine are not the fuzzer's. */
    if (ko_str_find(text, KO_STR("_file")) != SIZE_MAX)
        return 0;
    if (ko_options_load_text(opts, text, "f", &err) < 0) {
        KO_ASSERT(err.code == KO_E_INVALID || err.code == KO_E_TOO_LARGE);
        KO_ASSERT(ko_str_has_prefix(ko_str_of(err.text), KO_STR("f:")));
    }
    for (size_t i = 0; i < ko_conf_table.count; i++)
        check_row(opts, i);
    return 0;
}

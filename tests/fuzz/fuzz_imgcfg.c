/* Fuzz target for image configurations: strings are there and well-formed whatever comes in. */
#include "common/oci/imgcfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_err err = KO_ERR_INIT;
    ko_imgcfg cfg;

    if (ko_imgcfg_parse((ko_str){(const char *)data, size}, arena, &cfg, &err) < 0) {
        KO_ASSERT(err.code == KO_E_INVALID || err.code == KO_E_TOO_LARGE);
        return 0;
    }
    const char *const texts[] = {cfg.os, cfg.architecture, cfg.variant, cfg.created};
    for (size_t i = 0; i < KO_ARRAY_LEN(texts); i++)
        KO_ASSERT(ko_str_is_utf8(ko_str_of(texts[i])));
    for (size_t i = 0; i < cfg.labels.count; i++)
        KO_ASSERT(ko_str_is_utf8(ko_str_of(cfg.labels.items[i].name)) &&
                  ko_str_is_utf8(ko_str_of(cfg.labels.items[i].value)));
    return 0;
}

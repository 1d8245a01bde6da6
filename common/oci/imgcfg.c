/* common/oci/imgcfg.c: tolerant where common/oci/manifest.c is strict: nothing here decides what is
 * stored or served. */
#include "common/oci/imgcfg.h"

#include "common/base/clock.h"
#include "common/base/limits.h"
#include "common/oci/json_priv.h"

#define MAX_TEXT 255 /* bytes of one of the short strings */

/* "" when it is missing or unusable. */
static const char *text_or_empty(const json_t *doc, const char *key, ko_arena *arena)
{
    const char *text;

    if (ko_json_text(doc, key, MAX_TEXT, arena, &text, NULL) < 0)
        return "";
    return text;
}

int ko_imgcfg_parse(ko_str bytes, ko_arena *arena, ko_imgcfg *out, ko_err *err)
{
    json_auto_t *doc = NULL;
    ko_imgcfg cfg = {0};

    if (ko_json_load(bytes, KO_MAX_IMAGE_CONFIG, &doc, err) < 0)
        return ko_err_ctx(err, "image config");
    cfg.os = text_or_empty(doc, "os", arena);
    cfg.architecture = text_or_empty(doc, "architecture", arena);
    cfg.variant = text_or_empty(doc, "variant", arena);
    cfg.created = text_or_empty(doc, "created", arena);
    cfg.has_created = ko_clock_parse_rfc3339(ko_str_of(cfg.created), &cfg.created_at_s, NULL) == 0;
    if (ko_json_strings(ko_json_member(doc, "config"), "Labels", arena, &cfg.labels, NULL) < 0)
        cfg.labels = (ko_annotations){0};
    *out = cfg;
    return 0;
}

/* common/oci/desc.c: descriptors. What is not said by the specification to be wrong is let through:
 * media types are opaque to a registry, and real clients write odd ones. */
#include "common/oci/desc.h"

#include "common/base/limits.h"
#include "common/oci/json_priv.h"

const char *ko_annotations_find(const ko_annotations *annotations, const char *name)
{
    for (size_t i = 0; i < annotations->count; i++)
        if (strcmp(annotations->items[i].name, name) == 0)
            return annotations->items[i].value;
    return NULL;
}

int ko_annotations_print(const ko_annotations *annotations, ko_buf *out)
{
    int failed = ko_buf_put_char(out, '{');

    for (size_t i = 0; i < annotations->count; i++) {
        if (i > 0)
            failed |= ko_buf_put_char(out, ',');
        failed |= ko_buf_put_json(out, ko_str_of(annotations->items[i].name));
        failed |= ko_buf_put_char(out, ':');
        failed |= ko_buf_put_json(out, ko_str_of(annotations->items[i].value));
    }
    return failed | ko_buf_put_char(out, '}');
}

static int parse_digest(const json_t *object, ko_digest *out, ko_err *err)
{
    const json_t *text = ko_json_member(object, "digest");

    if (!json_is_string(text))
        return ko_err_set(err, KO_E_INVALID, "digest is required");
    return ko_digest_parse((ko_str){json_string_value(text), json_string_length(text)}, out, err);
}

static int parse_size(const json_t *object, uint64_t *out, ko_err *err)
{
    const json_t *size = ko_json_member(object, "size");

    if (!json_is_integer(size)) /* 1.0 and 1e3 are no int64 either */
        return ko_err_set(err, KO_E_INVALID, "size is required and a whole number");
    if (json_integer_value(size) < 0)
        return ko_err_set(err, KO_E_INVALID, "size is negative");
    *out = (uint64_t)json_integer_value(size);
    return 0;
}

static int parse_platform(const json_t *object, ko_arena *arena, ko_desc *out, ko_err *err)
{
    json_t *p;
    const struct {
        const char *key;
        const char **out;
    } texts[] = {
        {"os", &out->platform.os},
        {"architecture", &out->platform.architecture},
        {"variant", &out->platform.variant},
        {"os.version", &out->platform.os_version},
    };

    if (ko_json_object(object, "platform", &p, err) < 0)
        return -1;
    out->has_platform = p != NULL;
    for (size_t i = 0; i < KO_ARRAY_LEN(texts); i++)
        if (ko_json_text(p, texts[i].key, KO_MAX_MEDIA_TYPE, arena, texts[i].out, err) < 0)
            return ko_err_ctx(err, "platform");
    return 0;
}

static int parse_urls(const json_t *object, ko_desc *out, ko_err *err)
{
    json_t *urls;

    if (ko_json_array(object, "urls", &urls, err) < 0)
        return -1;
    out->foreign = json_array_size(urls) > 0 || ko_media_is_nondistributable(out->media);
    return 0;
}

int ko_desc_parse(const json_t *object, ko_arena *arena, ko_desc *out, ko_err *err)
{
    ko_desc d = {0};

    if (!json_is_object(object))
        return ko_err_set(err, KO_E_INVALID, "not a descriptor object");
    if (ko_json_text(object, "mediaType", KO_MAX_MEDIA_TYPE, arena, &d.media_type, err) < 0 ||
        ko_json_text(object, "artifactType", KO_MAX_MEDIA_TYPE, arena, &d.artifact_type, err) < 0)
        return -1;
    if (d.media_type[0] == '\0')
        return ko_err_set(err, KO_E_INVALID, "mediaType is required");
    d.media = ko_media_of(ko_str_of(d.media_type));
    if (parse_digest(object, &d.digest, err) < 0 || parse_size(object, &d.size_bytes, err) < 0 ||
        parse_urls(object, &d, err) < 0 || parse_platform(object, arena, &d, err) < 0 ||
        ko_json_strings(object, "annotations", arena, &d.annotations, err) < 0)
        return -1;
    *out = d;
    return 0;
}

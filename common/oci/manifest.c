/* common/oci/manifest.c: reading manifests.
 *
 * The media type decides what a document is, and the document may not look like something else at
 * the same time: one with `manifests` as well as `layers` or `config` means an image to one client
 * and an index to another (CVE-2021-41190), so that what was scanned is not what runs. For the same
 * reason a mediaType inside must agree with the Content-Type, and keys may not repeat. */
#include "common/oci/manifest.h"

#include "common/base/limits.h"
#include "common/oci/json_priv.h"

typedef struct {
    const json_t *doc;
    ko_arena *arena;
    size_t refs; /* descriptors seen so far */
} reader;

static int refuse_schema1(ko_err *err)
{
    return ko_err_set(err, KO_E_INVALID, "docker schema 1 manifests are not supported");
}

/* ---- Which kind ---- */

static int decide_media(const json_t *doc, ko_str content_type, ko_media *out, ko_err *err)
{
    const json_t *inside = ko_json_member(doc, "mediaType");

    if (inside && !json_is_string(inside))
        return ko_err_set(err, KO_E_INVALID, "mediaType is not a string");
    ko_str said =
        inside ? (ko_str){json_string_value(inside), json_string_length(inside)} : KO_STR("");
    ko_str used = content_type.len > 0 ? content_type : said;
    if (used.len == 0)
        return ko_err_set(err, KO_E_INVALID, "neither Content-Type nor mediaType is given");

    ko_media media = ko_media_of(used);
    if (ko_media_is_schema1(media))
        return refuse_schema1(err);
    if (!ko_media_is_manifest(media))
        return ko_err_set(err, KO_E_INVALID, "media type \"" KO_STR_FMT "\" is not supported",
                          KO_STR_ARG(ko_str_slice(used, 0, 128)));
    if (said.len > 0 && !ko_str_eq(said, ko_str_of(ko_media_text(media))))
        return ko_err_set(err, KO_E_INVALID,
                          "mediaType \"" KO_STR_FMT "\" differs from Content-Type %s",
                          KO_STR_ARG(ko_str_slice(said, 0, 128)), ko_media_text(media));
    *out = media;
    return 0;
}

/* The artifact manifests of the release candidates have no schemaVersion. */
static int check_schema_version(const json_t *doc, ko_media media, ko_err *err)
{
    const json_t *version = ko_json_member(doc, "schemaVersion");

    if (!version && media == KO_MEDIA_OCI_ARTIFACT)
        return 0;
    if (!json_is_integer(version))
        return ko_err_set(err, KO_E_INVALID, "schemaVersion is required");
    if (json_integer_value(version) == 1)
        return refuse_schema1(err);
    if (json_integer_value(version) != 2)
        return ko_err_set(err, KO_E_INVALID, "schemaVersion is not 2");
    return 0;
}

/* What belongs to one kind may not stand in another. `blobs` outside of an artifact manifest means
 * nothing to any client, and is ignored as other unknown keys are. */
static int check_unambiguous(const json_t *doc, ko_media media, ko_err *err)
{
    bool image = ko_json_member(doc, "layers") || ko_json_member(doc, "config");
    bool index = ko_json_member(doc, "manifests");

    if (image && index)
        return ko_err_set(err, KO_E_INVALID,
                          "a document with manifests has neither layers nor config");
    if (image && (ko_media_is_index(media) || media == KO_MEDIA_OCI_ARTIFACT))
        return ko_err_set(err, KO_E_INVALID, "%s has neither layers nor config",
                          ko_media_text(media));
    if (index && !ko_media_is_index(media))
        return ko_err_set(err, KO_E_INVALID, "%s has no manifests", ko_media_text(media));
    return 0;
}

/* ---- Descriptors ---- */

/* *out is NULL when there is none. */
static int read_desc(reader *r, const char *key, const ko_desc **out, ko_err *err)
{
    const json_t *value = ko_json_member(r->doc, key);

    if (!value) {
        *out = NULL;
        return 0;
    }
    ko_desc *desc = ko_arena_new_obj(r->arena, ko_desc);
    if (ko_desc_parse(value, r->arena, desc, err) < 0)
        return ko_err_ctx(err, "%s", key);
    r->refs++;
    *out = desc;
    return 0;
}

/* Descriptors of an array into `blobs`, or into `children` where an index lists manifests. */
static int read_list(reader *r, const char *key, bool of_index, ko_manifest *out, ko_err *err)
{
    json_t *list;

    if (ko_json_array(r->doc, key, &list, err) < 0)
        return -1;
    /* "layers": null is how Go prints an image without layers */
    if (!list && !json_object_get(r->doc, key))
        return ko_err_set(err, KO_E_INVALID, "%s is required", key);
    size_t count = json_array_size(list);
    r->refs += count;
    if (r->refs > KO_MAX_MANIFEST_REFS)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %d descriptors", KO_MAX_MANIFEST_REFS);

    ko_desc *blobs = ko_arena_alloc_array(r->arena, count, sizeof(*blobs));
    ko_desc *children = of_index ? ko_arena_alloc_array(r->arena, count, sizeof(*blobs)) : NULL;
    for (size_t i = 0; i < count; i++) {
        ko_desc desc;
        if (ko_desc_parse(json_array_get(list, i), r->arena, &desc, err) < 0)
            return ko_err_ctx(err, "%s[%zu]", key, i);
        if (children && ko_media_is_manifest(desc.media))
            children[out->child_count++] = desc;
        else
            blobs[out->blob_count++] = desc;
    }
    out->blobs = blobs;
    out->children = children;
    return 0;
}

static int read_content(reader *r, ko_manifest *out, ko_err *err)
{
    if (ko_media_is_index(out->media))
        return read_list(r, "manifests", true, out, err);
    if (out->media == KO_MEDIA_OCI_ARTIFACT) {
        /* optional there: an artifact may be nothing but annotations on its subject */
        return ko_json_member(r->doc, "blobs") ? read_list(r, "blobs", false, out, err) : 0;
    }
    if (read_desc(r, "config", &out->config, err) < 0)
        return -1;
    if (!out->config)
        return ko_err_set(err, KO_E_INVALID, "config is required");
    return read_list(r, "layers", false, out, err);
}

int ko_manifest_parse(ko_str bytes, ko_str content_type, ko_arena *arena, ko_manifest *out,
                      ko_err *err)
{
    json_auto_t *doc = NULL;
    ko_manifest m = {0};

    if (ko_json_load(bytes, KO_MAX_MANIFEST, &doc, err) < 0 ||
        decide_media(doc, content_type, &m.media, err) < 0 ||
        check_schema_version(doc, m.media, err) < 0 || check_unambiguous(doc, m.media, err) < 0)
        return -1;

    reader r = {.doc = doc, .arena = arena};
    m.media_type = ko_media_text(m.media);
    if (read_content(&r, &m, err) < 0 || read_desc(&r, "subject", &m.subject, err) < 0 ||
        ko_json_text(doc, "artifactType", KO_MAX_MEDIA_TYPE, arena, &m.artifact_type, err) < 0 ||
        ko_json_strings(doc, "annotations", arena, &m.annotations, err) < 0)
        return -1;
    if (m.artifact_type[0] == '\0' && m.config)
        m.artifact_type = m.config->media_type;
    *out = m;
    return 0;
}

/* Manifests: every kind, every rule broken once, and hostile documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/limits.h"
#include "common/oci/manifest.h"
#include "tests/unit/common/oci/docs.h"

#define V2          "\"schemaVersion\":2,"
#define IMAGE(more) "{" V2 "\"config\":" CONFIG ",\"layers\":[" LAYER "]" more "}"
#define INDEX(list) "{" V2 "\"manifests\":[" list "]}"

static ko_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = ko_arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena = ko_arena_free(arena);
    return 0;
}

static ko_manifest parse(const char *text, const char *type)
{
    ko_manifest m;
    ko_err err = KO_ERR_INIT;

    if (ko_manifest_parse(ko_str_of(text), ko_str_of(type), arena, &m, &err) < 0)
        fail_msg("%s", err.text);
    return m;
}

/* ---- Well-formed ---- */

static void an_oci_image_manifest_is_read(void **state)
{
    (void)state;
    ko_manifest m = parse("{" V2 "\"mediaType\":\"" OCI_MANIFEST "\",\"config\":" CONFIG
                          ",\"layers\":[" LAYER "," DESC(OCI_LAYER, D3, "") "],\"subject\":" DESC(
                              OCI_MANIFEST, D3, "") ",\"annotations\":{\"k\":\"v\",\"\":\"\"}}",
                          OCI_MANIFEST);

    assert_int_equal(m.media, KO_MEDIA_OCI_MANIFEST);
    assert_string_equal(m.media_type, OCI_MANIFEST);
    assert_string_equal(m.artifact_type, OCI_CONFIG);
    assert_string_equal(m.config->digest.text, D1);
    assert_int_equal(m.config->size_bytes, 7);
    assert_int_equal(m.config->media, KO_MEDIA_OCI_CONFIG);
    assert_int_equal(m.blob_count, 2);
    assert_string_equal(m.blobs[0].digest.text, D2);
    assert_string_equal(m.blobs[1].digest.text, D3);
    assert_false(m.blobs[0].foreign);
    assert_int_equal(m.child_count, 0);
    assert_string_equal(m.subject->digest.text, D3);
    assert_int_equal(m.annotations.count, 2);
    assert_string_equal(ko_annotations_find(&m.annotations, "k"), "v");
    assert_string_equal(ko_annotations_find(&m.annotations, ""), "");
    assert_null(ko_annotations_find(&m.annotations, "x"));
}

static void a_docker_schema_2_manifest_is_read(void **state)
{
    (void)state;
    ko_manifest m =
        parse("{" V2 "\"mediaType\":\"" DOCKER_V2 "\",\"config\":" DESC(
                  "application/vnd.docker.container.image.v1+json", D1,
                  "") ",\"layers\":[" DESC("application/vnd.docker.image.rootfs.diff.tar.gzip", D2,
                                           "") "]}",
              DOCKER_V2);

    assert_int_equal(m.media, KO_MEDIA_DOCKER_MANIFEST);
    assert_string_equal(m.artifact_type, "application/vnd.docker.container.image.v1+json");
    assert_int_equal(m.blob_count, 1);
}

static void indexes_list_manifests_with_platforms(void **state)
{
    (void)state;
    static const char *const types[] = {OCI_INDEX, DOCKER_LIST};

    for (size_t i = 0; i < KO_ARRAY_LEN(types); i++) {
        ko_manifest m = parse(
            INDEX(DESC(
                OCI_MANIFEST, D1,
                ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":"
                "\"v8\",\"os.version\":\"1\",\"features\":[\"x\"]}") "," DESC(DOCKER_V2, D2,
                                                                              "") "," DESC(OCI_INDEX,
                                                                                           D3, "")),
            types[i]);
        assert_string_equal(m.media_type, types[i]);
        assert_string_equal(m.artifact_type, "");
        assert_null(m.config);
        assert_int_equal(m.blob_count, 0);
        assert_int_equal(m.child_count, 3);
        assert_true(m.children[0].has_platform);
        assert_string_equal(m.children[0].platform.os, "linux");
        assert_string_equal(m.children[0].platform.architecture, "arm64");
        assert_string_equal(m.children[0].platform.variant, "v8");
        assert_string_equal(m.children[0].platform.os_version, "1");
        assert_false(m.children[1].has_platform);
        assert_string_equal(m.children[1].platform.os, "");
    }
}

static void t39_a_cache_index_lists_blobs_without_platform(void **state)
{
    (void)state;
    ko_manifest m = parse(INDEX(LAYER "," DESC("application/vnd.buildkit.cacheconfig.v0", D3,
                                               "") "," DESC(OCI_MANIFEST, D1, "")),
                          OCI_INDEX);

    assert_int_equal(m.blob_count, 2);
    assert_string_equal(m.blobs[0].digest.text, D2);
    assert_string_equal(m.blobs[1].digest.text, D3);
    assert_int_equal(m.child_count, 1);
    assert_string_equal(m.children[0].digest.text, D1);
}

static void t41_foreign_layers_are_marked(void **state)
{
    (void)state;
    ko_manifest m = parse(
        "{" V2 "\"config\":" CONFIG
        ",\"layers\":[" DESC("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", D1, ",\"urls\":[\"https://example.com/x\"]") "," DESC(
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", D2,
            "") "," DESC(OCI_LAYER, D3,
                         ",\"urls\":[\"https://example.com/y\"]") "," DESC(OCI_LAYER, D3,
                                                                           ",\"urls\":[]") "," DESC(OCI_LAYER,
                                                                                                    D3,
                                                                                                    ",\"urls\":null") "]}",
        OCI_MANIFEST);

    assert_int_equal(m.blob_count, 5);
    assert_true(m.blobs[0].foreign);
    assert_true(m.blobs[1].foreign);
    assert_true(m.blobs[2].foreign);
    assert_false(m.blobs[3].foreign);
    assert_false(m.blobs[4].foreign);
}

static void an_artifact_manifest_is_read_without_schema_version(void **state)
{
    (void)state;
    ko_manifest m = parse("{\"mediaType\":\"" OCI_ARTIFACT
                          "\",\"artifactType\":\"application/x.sbom\",\"blobs\":[" LAYER
                          "],\"subject\":" DESC(OCI_MANIFEST, D3, "") "}",
                          OCI_ARTIFACT);

    assert_int_equal(m.media, KO_MEDIA_OCI_ARTIFACT);
    assert_string_equal(m.artifact_type, "application/x.sbom");
    assert_int_equal(m.blob_count, 1);
    assert_non_null(m.subject);
    assert_null(m.config);
    m = parse("{\"artifactType\":\"a/b\",\"annotations\":null}", OCI_ARTIFACT);
    assert_int_equal(m.blob_count, 0);
}

static void the_artifact_type_follows_the_rules_of_the_referrers_list(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type, *artifact_type;
    } rows[] = {
        {IMAGE(",\"artifactType\":\"a/b\""), OCI_MANIFEST, "a/b"},
        {IMAGE(""), OCI_MANIFEST, OCI_CONFIG},
        {IMAGE(",\"artifactType\":\"\""), OCI_MANIFEST, OCI_CONFIG},
        {IMAGE(",\"artifactType\":null"), OCI_MANIFEST, OCI_CONFIG},
        {"{" V2 "\"manifests\":[],\"artifactType\":\"a/b\"}", OCI_INDEX, "a/b"},
        {INDEX(""), OCI_INDEX, ""},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++)
        assert_string_equal(parse(rows[i].text, rows[i].type).artifact_type, rows[i].artifact_type);
}

static void null_and_unknown_members_are_ignored(void **state)
{
    (void)state;
    ko_manifest m = parse("{" V2 "\"mediaType\":null,\"config\":" CONFIG
                          ",\"layers\":null,\"subject\":null,\"annotations\":null,\"manifests\":"
                          "null,\"blobs\":3,\"future\":{\"a\":[1.5e3,true,null]}}",
                          OCI_MANIFEST);

    assert_int_equal(m.blob_count, 0);
    assert_null(m.subject);
    assert_int_equal(m.annotations.count, 0);
}

static void the_type_comes_from_header_or_body(void **state)
{
    (void)state;
    const char *typed = "{" V2 "\"mediaType\":\"" OCI_INDEX "\",\"manifests\":[]}";

    assert_int_equal(parse(typed, "").media, KO_MEDIA_OCI_INDEX);
    assert_int_equal(parse(typed, OCI_INDEX "; charset=utf-8").media, KO_MEDIA_OCI_INDEX);
    assert_int_equal(parse(INDEX(""), DOCKER_LIST).media, KO_MEDIA_DOCKER_LIST);
    assert_string_equal(parse(INDEX(""), "APPLICATION/vnd.oci.image.index.v1+json").media_type,
                        OCI_INDEX);
}

static void sizes_are_exact_up_to_int64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t size;
    } rows[] = {
        {"0", 0},
        {"9007199254740993", UINT64_C(9007199254740993)}, /* 2^53 + 1 */
        {"9223372036854775807", INT64_MAX},
    };

    for (size_t i = 0; i < KO_ARRAY_LEN(rows); i++) {
        const char *text = ko_arena_printf(arena,
                                           "{" V2 "\"config\":{\"mediaType\":\"a/b\",\"digest\":"
                                           "\"" D1 "\",\"size\":%s},\"layers\":[]}",
                                           rows[i].text);
        assert_true(parse(text, OCI_MANIFEST).config->size_bytes == rows[i].size);
    }
}

/* ---- Broken ---- */

typedef struct {
    const char *text, *type, *names; /* `names` stands in the error's text */
} broken_row;

static void refuse(const broken_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ko_manifest m = {.media_type = "untouched"};
        ko_err err = KO_ERR_INIT;
        if (ko_manifest_parse(ko_str_of(rows[i].text), ko_str_of(rows[i].type), arena, &m, &err) !=
            -1)
            fail_msg("accepted: %s", rows[i].text);
        assert_int_equal(err.code, KO_E_INVALID);
        if (!strstr(err.text, rows[i].names))
            fail_msg("\"%s\" does not name %s", err.text, rows[i].names);
        assert_string_equal(m.media_type, "untouched");
    }
}

static void what_is_not_a_json_object_is_invalid(void **state)
{
    (void)state;
    static const broken_row rows[] = {
        {"", OCI_MANIFEST, "not JSON"},
        {" ", OCI_MANIFEST, "not JSON"},
        {"[]", OCI_MANIFEST, "object"},
        {"null", OCI_MANIFEST, "not JSON"},
        {"{", OCI_MANIFEST, "not JSON"},
        {"{}}", OCI_MANIFEST, "not JSON"},
        {IMAGE("") "x", OCI_MANIFEST, "not JSON"},
        {"\xef\xbb\xbf" IMAGE(""), OCI_MANIFEST, "not JSON"},
        {IMAGE(",\"annotations\":{\"a\":\"\xff\"}"), OCI_MANIFEST, "not JSON"},
        {IMAGE(",\"annotations\":{\"a\":\"\\u0000\"}"), OCI_MANIFEST, "not JSON"},
        {IMAGE(",\"annotations\":{\"a\":\"\\ud800\"}"), OCI_MANIFEST, "not JSON"},
        {IMAGE(",\"a\":1,\"a\":1"), OCI_MANIFEST, "duplicate"},
        {IMAGE(",\"layers\":[]"), OCI_MANIFEST, "duplicate"},
        {IMAGE(",\"annotations\":{\"a\":\"1\",\"a\":\"2\"}"), OCI_MANIFEST, "duplicate"},
    };

    refuse(rows, KO_ARRAY_LEN(rows));
}

static void the_kind_must_be_clear(void **state)
{
    (void)state;
    static const broken_row rows[] = {
        {IMAGE(""), "", "Content-Type"},
        {IMAGE(""), "application/json", "application/json"},
        {IMAGE(""), OCI_CONFIG, "not supported"},
        {IMAGE(",\"mediaType\":\"" DOCKER_V2 "\""), OCI_MANIFEST, "differs"},
        {IMAGE(",\"mediaType\":\"\""), "", "Content-Type"},
        {IMAGE(",\"mediaType\":\"x/y\""), "", "x/y"},
        {IMAGE(",\"mediaType\":7"), OCI_MANIFEST, "mediaType"},
        {IMAGE(",\"mediaType\":\"Application/vnd.oci.image.manifest.v1+json\""), OCI_MANIFEST,
         "differs"},
        {"{\"config\":" CONFIG ",\"layers\":[]}", OCI_MANIFEST, "schemaVersion"},
        {"{\"schemaVersion\":3,\"config\":" CONFIG ",\"layers\":[]}", OCI_MANIFEST,
         "schemaVersion"},
        {"{\"schemaVersion\":\"2\",\"config\":" CONFIG ",\"layers\":[]}", OCI_MANIFEST,
         "schemaVersion"},
        {"{\"schemaVersion\":2.0,\"config\":" CONFIG ",\"layers\":[]}", OCI_MANIFEST,
         "schemaVersion"},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}", OCI_MANIFEST, "schema 1"},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}",
         "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}",
         "application/vnd.docker.distribution.manifest.v1+json", "schema 1"},
    };

    refuse(rows, KO_ARRAY_LEN(rows));
}

/* CVE-2021-41190 */
static void a_document_that_could_be_image_and_index_is_refused(void **state)
{
    (void)state;
    static const broken_row rows[] = {
        {IMAGE(",\"manifests\":[]"), OCI_MANIFEST, "manifests"},
        {IMAGE(",\"manifests\":[]"), OCI_INDEX, "manifests"},
        {IMAGE(",\"manifests\":{}"), OCI_MANIFEST, "manifests"},
        {"{" V2 "\"manifests\":[],\"config\":" CONFIG "}", OCI_INDEX, "config"},
        {"{" V2 "\"manifests\":[],\"layers\":[]}", DOCKER_LIST, "layers"},
        {IMAGE(""), OCI_INDEX, "layers"},
        {IMAGE(""), OCI_ARTIFACT, "layers"},
        {INDEX(""), OCI_MANIFEST, "manifests"},
        {INDEX(""), DOCKER_V2, "manifests"},
        {INDEX(""), OCI_ARTIFACT, "manifests"},
    };

    refuse(rows, KO_ARRAY_LEN(rows));
}

static void missing_and_mistyped_members_are_named(void **state)
{
    (void)state;
    static const broken_row rows[] = {
        {"{" V2 "\"layers\":[]}", OCI_MANIFEST, "config is required"},
        {"{" V2 "\"config\":null,\"layers\":[]}", OCI_MANIFEST, "config is required"},
        {"{" V2 "\"config\":" CONFIG "}", OCI_MANIFEST, "layers is required"},
        {"{" V2 "\"config\":" CONFIG ",\"layers\":{}}", OCI_MANIFEST, "layers"},
        {"{" V2 "\"config\":[],\"layers\":[]}", OCI_MANIFEST, "config"},
        {"{" V2 "\"config\":\"x\",\"layers\":[]}", OCI_MANIFEST, "config"},
        {"{" V2 "\"config\":" CONFIG ",\"layers\":[" LAYER ",7]}", OCI_MANIFEST, "layers[1]"},
        {"{" V2 "\"config\":" CONFIG ",\"layers\":[null]}", OCI_MANIFEST, "layers[0]"},
        {"{\"schemaVersion\":2}", OCI_INDEX, "manifests is required"},
        {"{" V2 "\"manifests\":7}", OCI_INDEX, "manifests"},
        {"{\"blobs\":{}}", OCI_ARTIFACT, "blobs"},
        {IMAGE(",\"subject\":\"" D1 "\""), OCI_MANIFEST, "subject"},
        {IMAGE(",\"subject\":{}"), OCI_MANIFEST, "subject"},
        {IMAGE(",\"artifactType\":7"), OCI_MANIFEST, "artifactType"},
        {IMAGE(",\"annotations\":[]"), OCI_MANIFEST, "annotations"},
        {IMAGE(",\"annotations\":{\"k\":7}"), OCI_MANIFEST, "annotations: k"},
        {IMAGE(",\"annotations\":{\"k\":null}"), OCI_MANIFEST, "annotations: k"},
    };

    refuse(rows, KO_ARRAY_LEN(rows));
}

#define WITH_CONFIG(text) "{" V2 "\"config\":" text ",\"layers\":[]}"

static void broken_descriptors_are_refused(void **state)
{
    (void)state;
    static const broken_row rows[] = {
        {WITH_CONFIG("{\"digest\":\"" D1 "\",\"size\":1}"), OCI_MANIFEST, "mediaType"},
        {WITH_CONFIG("{\"mediaType\":\"\",\"digest\":\"" D1 "\",\"size\":1}"), OCI_MANIFEST,
         "mediaType"},
        {WITH_CONFIG("{\"mediaType\":1,\"digest\":\"" D1 "\",\"size\":1}"), OCI_MANIFEST,
         "mediaType"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"size\":1}"), OCI_MANIFEST, "digest"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":7,\"size\":1}"), OCI_MANIFEST, "digest"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":\"sha256:00\",\"size\":1}"), OCI_MANIFEST,
         "digest"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":\"md5:00\",\"size\":1}"), OCI_MANIFEST,
         "md5"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\"}"), OCI_MANIFEST, "size"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":-1}"), OCI_MANIFEST,
         "negative"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":1.5}"), OCI_MANIFEST,
         "size"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":\"1\"}"), OCI_MANIFEST,
         "size"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":1e3}"), OCI_MANIFEST,
         "size"},
        {WITH_CONFIG("{\"mediaType\":\"a/b\",\"digest\":\"" D1 "\",\"size\":9223372036854775808}"),
         OCI_MANIFEST, "not JSON"},
        {WITH_CONFIG(DESC("a/b", D1, ",\"urls\":\"x\"")), OCI_MANIFEST, "urls"},
        {WITH_CONFIG(DESC("a/b", D1, ",\"platform\":\"linux\"")), OCI_MANIFEST, "platform"},
        {WITH_CONFIG(DESC("a/b", D1, ",\"platform\":{\"os\":1}")), OCI_MANIFEST, "platform: os"},
        {WITH_CONFIG(DESC("a/b", D1, ",\"annotations\":{\"k\":{}}")), OCI_MANIFEST,
         "config: annotations"},
    };

    refuse(rows, KO_ARRAY_LEN(rows));
}

static void a_media_type_may_have_255_bytes_but_not_256(void **state)
{
    (void)state;
    static const char fmt[] = "{" V2 "\"config\":{\"mediaType\":\"%0*d\",\"digest\":\"" D1
                              "\",\"size\":1},\"layers\":[]}";
    ko_manifest m;
    ko_err err = KO_ERR_INIT;

    assert_int_equal(strlen(parse(ko_arena_printf(arena, fmt, 255, 7), OCI_MANIFEST).artifact_type),
                     255);
    assert_int_equal(ko_manifest_parse(ko_str_of(ko_arena_printf(arena, fmt, 256, 7)),
                                       KO_STR(OCI_MANIFEST), arena, &m, &err),
                     -1);
    assert_int_equal(err.code, KO_E_INVALID);
}

/* ---- Hostile sizes ---- */

/* `count` times `piece`, joined by commas, between `head` and `tail`. */
static ko_str repeated(ko_buf *buf, const char *head, const char *piece, size_t count,
                       const char *tail)
{
    ko_buf_init(buf, 16 * KO_MIB);
    assert_int_equal(ko_buf_put_text(buf, head), 0);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            assert_int_equal(ko_buf_put_char(buf, ','), 0);
        assert_int_equal(ko_buf_put_text(buf, piece), 0);
    }
    assert_int_equal(ko_buf_put_text(buf, tail), 0);
    return ko_buf_str(buf);
}

static ko_err_code code_of(ko_str text, const char *type)
{
    ko_manifest m;
    ko_err err = KO_ERR_INIT;

    int rc = ko_manifest_parse(text, ko_str_of(type), arena, &m, &err);
    assert_int_equal(rc, err.code == KO_E_NONE ? 0 : -1);
    return err.code;
}

static void nesting_stops_at_the_limit(void **state)
{
    (void)state;
    for (int extra = -1; extra < 2; extra++) {
        ko_autobuf buf;
        ko_buf_init(&buf, KO_MIB);
        assert_int_equal(ko_buf_put_text(&buf, "{" V2 "\"manifests\":[],\"x\":"), 0);
        for (int i = 1; i < KO_MAX_JSON_DEPTH + extra; i++)
            assert_int_equal(ko_buf_put_char(&buf, '['), 0);
        for (int i = 1; i < KO_MAX_JSON_DEPTH + extra; i++)
            assert_int_equal(ko_buf_put_char(&buf, ']'), 0);
        assert_int_equal(ko_buf_put_char(&buf, '}'), 0);
        assert_int_equal(code_of(ko_buf_str(&buf), OCI_INDEX), extra > 0 ? KO_E_INVALID : 0);
    }
    ko_autobuf deep;
    ko_buf_init(&deep, 8 * KO_MIB);
    memset(ko_buf_reserve(&deep, 4 * KO_MIB), '[', 4 * KO_MIB);
    ko_buf_added(&deep, 4 * KO_MIB);
    assert_int_equal(code_of(ko_buf_str(&deep), OCI_INDEX), KO_E_INVALID);
}

static void brackets_inside_strings_are_not_nesting(void **state)
{
    (void)state;
    ko_autobuf buf;

    ko_buf_init(&buf, KO_MIB);
    assert_int_equal(ko_buf_put_text(&buf, "{" V2 "\"manifests\":[],\"x\":\"\\\""), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ko_buf_put_text(&buf, "[{\\\\"), 0);
    assert_int_equal(ko_buf_put_text(&buf, "\"}"), 0);
    assert_int_equal(code_of(ko_buf_str(&buf), OCI_INDEX), KO_E_NONE);
}

static void a_flood_of_small_values_is_too_large(void **state)
{
    (void)state;
    ko_autobuf empty_objects, numbers;

    assert_int_equal(
        code_of(repeated(&empty_objects, "{" V2 "\"manifests\":[],\"x\":[", "{}", 1000000, "]}"),
                OCI_INDEX),
        KO_E_TOO_LARGE);
    assert_int_equal(
        code_of(repeated(&numbers, "{" V2 "\"manifests\":[],\"x\":[", "0", 2000000, "]}"),
                OCI_INDEX),
        KO_E_TOO_LARGE);
}

static void descriptors_are_counted(void **state)
{
    (void)state;
    ko_autobuf most, more;

    assert_int_equal(code_of(repeated(&most, "{" V2 "\"manifests\":[", DESC(OCI_MANIFEST, D1, ""),
                                      KO_MAX_MANIFEST_REFS, "]}"),
                             OCI_INDEX),
                     KO_E_NONE);
    assert_int_equal(code_of(repeated(&more, "{" V2 "\"manifests\":[", DESC(OCI_MANIFEST, D1, ""),
                                      KO_MAX_MANIFEST_REFS + 1, "]}"),
                             OCI_INDEX),
                     KO_E_TOO_LARGE);
}

static void annotations_are_counted(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        ko_autobuf buf;
        ko_buf_init(&buf, KO_MIB);
        assert_int_equal(ko_buf_put_text(&buf, "{" V2 "\"manifests\":[],\"annotations\":{"), 0);
        for (int i = 0; i < KO_MAX_ANNOTATIONS + extra; i++)
            assert_int_equal(ko_buf_printf(&buf, "%s\"%d\":\"\"", i ? "," : "", i), 0);
        assert_int_equal(ko_buf_put_text(&buf, "}}"), 0);
        assert_int_equal(code_of(ko_buf_str(&buf), OCI_INDEX), extra ? KO_E_TOO_LARGE : KO_E_NONE);
    }
}

static void a_manifest_may_have_4_mib_and_no_byte_more(void **state)
{
    (void)state;
    static const char head[] = "{" V2 "\"manifests\":[],\"annotations\":{\"k\":\"", tail[] = "\"}}";
    size_t fill = KO_MAX_MANIFEST - strlen(head) - strlen(tail);
    ko_autobuf buf;

    ko_buf_init(&buf, KO_MAX_MANIFEST + 1);
    assert_int_equal(ko_buf_put_text(&buf, head), 0);
    memset(ko_buf_reserve(&buf, fill), 'x', fill);
    ko_buf_added(&buf, fill);
    assert_int_equal(ko_buf_put_text(&buf, tail), 0);
    assert_int_equal(buf.len, KO_MAX_MANIFEST);
    assert_int_equal(code_of(ko_buf_str(&buf), OCI_INDEX), KO_E_NONE);
    assert_int_equal(ko_buf_put_char(&buf, ' '), 0);
    assert_int_equal(code_of(ko_buf_str(&buf), OCI_INDEX), KO_E_TOO_LARGE);
}

static void a_cut_document_is_never_accepted(void **state)
{
    (void)state;
    ko_str whole = KO_STR(IMAGE(",\"annotations\":{\"a\\\"b\":\"c\\\\\"}"));

    assert_int_equal(code_of(whole, OCI_MANIFEST), KO_E_NONE);
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(code_of(ko_str_slice(whole, 0, len), OCI_MANIFEST), KO_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_oci_image_manifest_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_docker_schema_2_manifest_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(indexes_list_manifests_with_platforms, setup, teardown),
        cmocka_unit_test_setup_teardown(t39_a_cache_index_lists_blobs_without_platform, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(t41_foreign_layers_are_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(an_artifact_manifest_is_read_without_schema_version, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_artifact_type_follows_the_rules_of_the_referrers_list,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(null_and_unknown_members_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(the_type_comes_from_header_or_body, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_are_exact_up_to_int64, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_a_json_object_is_invalid, setup, teardown),
        cmocka_unit_test_setup_teardown(the_kind_must_be_clear, setup, teardown),
        cmocka_unit_test_setup_teardown(a_document_that_could_be_image_and_index_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(missing_and_mistyped_members_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_descriptors_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_media_type_may_have_255_bytes_but_not_256, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nesting_stops_at_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(brackets_inside_strings_are_not_nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_small_values_is_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptors_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(annotations_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_manifest_may_have_4_mib_and_no_byte_more, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_cut_document_is_never_accepted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

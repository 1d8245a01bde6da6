/* Fuzz target for manifests, under every media type: the view keeps its promises, and what it gives
 * can be printed and read again. */
#include "common/base/limits.h"
#include "common/oci/index.h"
#include "common/oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_desc(const ko_desc *d)
{
    ko_digest again;

    KO_ASSERT(ko_digest_parse(ko_str_of(d->digest.text), &again, NULL) == 0);
    KO_ASSERT(d->size_bytes <= INT64_MAX);
    KO_ASSERT(d->media_type[0] != '\0' && strlen(d->media_type) <= KO_MAX_MEDIA_TYPE);
    KO_ASSERT(d->artifact_type && d->platform.os && d->platform.architecture);
    KO_ASSERT(ko_str_is_utf8(ko_str_of(d->media_type)));
}

/* As a referrers list would show this manifest. */
static void check_listing(const ko_manifest *m, ko_arena *arena)
{
    ko_digest digest;
    ko_manifest list;
    ko_index_writer writer;
    ko_autobuf annotations, out;

    ko_digest_of(KO_HASH_SHA256, "", 0, &digest);
    ko_buf_init(&annotations, 32 * KO_MIB);
    ko_buf_init(&out, KO_MAX_MANIFEST);
    KO_ASSERT(ko_annotations_print(&m->annotations, &annotations) == 0);
    ko_index_begin(&writer, &out);
    int added = ko_index_add(&writer, &(ko_index_entry){&digest, 1, ko_str_of(m->media_type),
                                                        ko_str_of(m->artifact_type),
                                                        ko_buf_str(&annotations)});
    KO_ASSERT(ko_index_end(&writer, NULL) == 0);
    KO_ASSERT(ko_manifest_parse(ko_buf_str(&out), KO_STR(""), arena, &list, NULL) == 0);
    if (added < 0)
        return;
    KO_ASSERT(list.child_count == 1);
    KO_ASSERT(strcmp(list.children[0].artifact_type, m->artifact_type) == 0);
    KO_ASSERT(list.children[0].annotations.count == m->annotations.count);
}

static void check(const ko_manifest *m, ko_arena *arena)
{
    bool index = ko_media_is_index(m->media);

    KO_ASSERT(strcmp(m->media_type, ko_media_text(m->media)) == 0);
    KO_ASSERT(m->blob_count + m->child_count <= KO_MAX_MANIFEST_REFS);
    KO_ASSERT(index || m->child_count == 0);
    KO_ASSERT(!index || !m->config);
    KO_ASSERT(m->artifact_type);
    for (size_t i = 0; i < m->blob_count; i++)
        check_desc(&m->blobs[i]);
    for (size_t i = 0; i < m->child_count; i++) {
        check_desc(&m->children[i]);
        KO_ASSERT(ko_media_is_manifest(m->children[i].media));
    }
    if (m->config)
        check_desc(m->config);
    if (m->subject)
        check_desc(m->subject);
    check_listing(m, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ko_media types[] = {KO_MEDIA_OTHER,       KO_MEDIA_OCI_MANIFEST,
                                     KO_MEDIA_OCI_INDEX,   KO_MEDIA_DOCKER_MANIFEST,
                                     KO_MEDIA_DOCKER_LIST, KO_MEDIA_OCI_ARTIFACT};
    ko_str text = {(const char *)data, size};

    for (size_t i = 0; i < KO_ARRAY_LEN(types); i++) {
        ko_autoptr(ko_arena) arena = ko_arena_new();
        ko_err err = KO_ERR_INIT;
        ko_manifest m;
        /* OTHER has the empty name: no Content-Type at all. */
        if (ko_manifest_parse(text, ko_str_of(ko_media_text(types[i])), arena, &m, &err) == 0)
            check(&m, arena);
        else
            KO_ASSERT(err.code == KO_E_INVALID || err.code == KO_E_TOO_LARGE);
    }
    return 0;
}

/* common/oci/index.c: an index as text. Room for the end is kept free from the beginning, so that
 * an index that was begun can always be ended. */
#include "common/oci/index.h"

#include <inttypes.h>

#include "common/oci/media.h"

static const char head[] =
    "{\"schemaVersion\":2,\"mediaType\":\"" KO_MEDIA_OCI "image.index.v1+json\",\"manifests\":[";
static const char tail[] = "]}";
#define TAIL_LEN (sizeof(tail) - 1)

void ko_index_begin(ko_index_writer *writer, ko_buf *out)
{
    *writer = (ko_index_writer){.out = out};
    (void)ko_buf_put_text(out, head); /* ko_index_end() tells */
}

static void put_entry(ko_buf *out, const ko_index_entry *e)
{
    (void)ko_buf_put_text(out, "{\"mediaType\":");
    (void)ko_buf_put_json(out, e->media_type);
    (void)ko_buf_printf(out, ",\"digest\":\"%s\",\"size\":%" PRIu64, e->digest->text,
                        e->size_bytes);
    if (e->artifact_type.len > 0) {
        (void)ko_buf_put_text(out, ",\"artifactType\":");
        (void)ko_buf_put_json(out, e->artifact_type);
    }
    if (e->annotations.len > 0) {
        (void)ko_buf_put_text(out, ",\"annotations\":");
        (void)ko_buf_put_str(out, e->annotations);
    }
    (void)ko_buf_put_char(out, '}');
}

int ko_index_add(ko_index_writer *writer, const ko_index_entry *entry)
{
    ko_buf *out = writer->out;
    size_t before = out->len;

    if (out->overflow)
        return -1;
    if (writer->count > 0)
        (void)ko_buf_put_char(out, ',');
    put_entry(out, entry);
    if (out->overflow || out->max - out->len < TAIL_LEN) {
        ko_buf_truncate(out, before);
        return -1;
    }
    writer->count++;
    return 0;
}

int ko_index_end(ko_index_writer *writer, ko_err *err)
{
    (void)ko_buf_put_text(writer->out, tail);
    return ko_buf_ok(writer->out, err);
}

/* storage/blob.c: the front of the blob store: checks what every back end would have to check, then
 * calls it. */
#include "storage/blob.h"

#include "storage/blob_priv.h"

/* Ids name files in the file system back end, so nothing but these bytes may pass. */
static int check_id(const char *id, ko_err *err)
{
    size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

    if (len == 0 || len >= KO_BLOB_STAGE_ID_MAX || id[len] != '\0')
        return ko_err_set(err, KO_E_INVALID, "not the id of a staging area");
    return 0;
}

static int check_range(uint64_t size, size_t len, uint64_t offset, ko_err *err)
{
    if (offset > size || len > size - offset)
        return ko_err_set(err, KO_E_INVALID, "read of %zu bytes at %llu, past the end at %llu", len,
                          (unsigned long long)offset, (unsigned long long)size);
    return 0;
}

ko_blob_store *ko_blob_store_free(ko_blob_store *store)
{
    if (store)
        store->ops->store_free(store);
    return NULL;
}

int ko_blob_stat(ko_blob_store *store, const ko_digest *digest, uint64_t *out_bytes, ko_err *err)
{
    return store->ops->stat(store, digest, out_bytes, err);
}

int ko_blob_open(ko_blob_store *store, const ko_digest *digest, ko_blob_reader **out, ko_err *err)
{
    return store->ops->open(store, digest, out, err);
}

ko_blob_reader *ko_blob_reader_free(ko_blob_reader *reader)
{
    if (reader)
        reader->ops->reader_free(reader);
    return NULL;
}

uint64_t ko_blob_reader_size(const ko_blob_reader *reader)
{
    return reader->size_bytes;
}

int ko_blob_reader_fd(const ko_blob_reader *reader)
{
    return reader->fd;
}

int ko_blob_read(ko_blob_reader *reader, void *into, size_t len, uint64_t offset, ko_err *err)
{
    if (check_range(reader->size_bytes, len, offset, err) < 0)
        return -1;
    return reader->ops->read(reader, into, len, offset, err);
}

int ko_blob_stage_new(ko_blob_store *store, const char *id, ko_blob_stage **out, ko_err *err)
{
    if (check_id(id, err) < 0)
        return -1;
    return store->ops->stage_new(store, id, out, err);
}

int ko_blob_stage_open(ko_blob_store *store, const char *id, ko_blob_stage **out, ko_err *err)
{
    if (check_id(id, err) < 0)
        return -1;
    return store->ops->stage_open(store, id, out, err);
}

ko_blob_stage *ko_blob_stage_close(ko_blob_stage *stage)
{
    if (stage)
        stage->store->ops->stage_close(stage);
    return NULL;
}

uint64_t ko_blob_stage_size(const ko_blob_stage *stage)
{
    return stage->size_bytes;
}

int ko_blob_stage_append(ko_blob_stage *stage, const void *bytes, size_t len, ko_err *err)
{
    uint64_t size;

    if (stage->sealed)
        return ko_err_set(err, KO_E_CONFLICT, "staging area %s is published", stage->id);
    if (ko_add_u64(stage->size_bytes, len, &size, err) < 0)
        return -1;
    if (stage->store->ops->stage_append(stage, bytes, len, err) < 0)
        return ko_err_ctx(err, "stage %s", stage->id);
    stage->size_bytes = size;
    return 0;
}

int ko_blob_stage_read(ko_blob_stage *stage, void *into, size_t len, uint64_t offset, ko_err *err)
{
    if (check_range(stage->size_bytes, len, offset, err) < 0)
        return -1;
    return stage->store->ops->stage_read(stage, into, len, offset, err);
}

int ko_blob_stage_publish(ko_blob_stage *stage, const ko_digest *digest, ko_err *err)
{
    if (stage->store->ops->stage_publish(stage, digest, err) < 0)
        return ko_err_ctx(err, "publish %s", digest->text);
    return 0;
}

int ko_blob_stage_discard(ko_blob_store *store, const char *id, ko_err *err)
{
    if (check_id(id, err) < 0)
        return -1;
    return store->ops->stage_discard(store, id, err);
}

int ko_blob_quarantine(ko_blob_store *store, const ko_digest *digest, ko_err *err)
{
    if (store->ops->quarantine(store, digest, err) < 0)
        return ko_err_ctx(err, "quarantine %s", digest->text);
    return 0;
}

int ko_blob_restore(ko_blob_store *store, const ko_digest *digest, ko_err *err)
{
    if (store->ops->restore(store, digest, err) < 0)
        return ko_err_ctx(err, "restore %s", digest->text);
    return 0;
}

int ko_blob_open_quarantined(ko_blob_store *store, const ko_digest *digest, ko_blob_reader **out,
                             ko_err *err)
{
    return store->ops->open_quarantined(store, digest, out, err);
}

int ko_blob_purge(ko_blob_store *store, const ko_digest *digest, ko_err *err)
{
    if (store->ops->purge(store, digest, err) < 0)
        return ko_err_ctx(err, "purge %s", digest->text);
    return 0;
}

int ko_blob_walk(ko_blob_store *store, ko_blob_where where, ko_blob_walk_fn *fn, void *arg,
                 ko_err *err)
{
    return store->ops->walk(store, where, fn, arg, err);
}

int ko_blob_space(ko_blob_store *store, uint64_t *free_bytes, uint64_t *total_bytes, ko_err *err)
{
    return store->ops->space(store, free_bytes, total_bytes, err);
}

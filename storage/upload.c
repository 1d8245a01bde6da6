/* storage/upload.c: receiving a blob.
 *
 * Bytes are hashed as they are written, so that finishing costs a flush and one commit whatever the
 * size. The running hash is only a shortcut: `hashed` says how far it has come, and what is missing
 * (all of it after a restart, or when the client finishes with another algorithm than it announced)
 * is read back from the staging area when the session is finished. Hence a session can be put away
 * and found again at no cost but one more reading, at most once.
 *
 * Finishing: verify, publish the file, then in ONE durable write the blob's row, its link with a
 * lease, and the removal of the session's row; last the staging area goes. A crash between any two
 * leaves the session finishable again, or, after the commit, a staging area nobody knows, which the
 * reaper takes.
 *
 * The collector hides files only inside write transactions. So inside ours the file is looked for,
 * and published again from the staging area, whose bytes were just verified, when it has been
 * hidden since. A copy in quarantine is not brought back: it may be there because it is damaged. */
#include "storage/upload.h"

#include "common/base/log.h"
#include "storage/meta_blob.h"
#include "storage/upload_priv.h"

#define READ_BACK (256 * KO_KIB)
#define TOUCH_S   3600 /* the row's time of last use is this exact, seconds */

/* ---- Getters ---- */

const char *ko_upload_id(const ko_upload *upload)
{
    return upload->row.id;
}

const char *ko_upload_repo(const ko_upload *upload)
{
    return upload->row.repo;
}

int64_t ko_upload_account(const ko_upload *upload)
{
    return upload->row.account_id;
}

uint64_t ko_upload_offset(const ko_upload *upload)
{
    return atomic_load(&upload->offset);
}

void ko_upload_limit(ko_upload *upload, uint64_t max_bytes)
{
    upload->max_bytes = max_bytes;
}

static int64_t now_s(const ko_upload *upload)
{
    return upload->owner->options.now_s();
}

/* ---- Removing ---- */

/* Removing what is not there is success: the repository may have been deleted meanwhile, and its
 * sessions with it. */
static int remove_row(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const ko_upload *upload = arg;
    ko_err local = KO_ERR_INIT;

    if (upload->kind == KO_UPLOAD_ONCE ||
        ko_meta_upload_remove(tx, ko_str_of(upload->row.id), &local) == 0 ||
        local.code == KO_E_NOT_FOUND)
        return 0;
    if (err)
        *err = local;
    return -1;
}

int ko_upload_remove(ko_upload *upload, ko_err *err)
{
    ko_uploads *uploads = upload->owner;

    if (upload->kind == KO_UPLOAD_RESUMABLE &&
        ko_meta_write(uploads->meta, KO_META_LAZY, remove_row, upload, err) < 0)
        return ko_err_ctx(err, "remove upload %s", upload->row.id);
    upload->stage = ko_blob_stage_close(upload->stage);
    return ko_blob_stage_discard(uploads->store, upload->row.id, err);
}

/* These two are for when the answer is known already; what stays behind is the reaper's. */
static void remove_quietly(ko_upload *upload)
{
    ko_err err = KO_ERR_INIT;

    if (ko_upload_remove(upload, &err) < 0)
        ko_log(KO_DEBUG, "upload.remove", KO_F_STR("upload", upload->row.id), KO_F_ERR(&err));
}

static void discard_quietly(ko_upload *upload)
{
    ko_err err = KO_ERR_INIT;

    upload->stage = ko_blob_stage_close(upload->stage);
    if (ko_blob_stage_discard(upload->owner->store, upload->row.id, &err) < 0)
        ko_log(KO_DEBUG, "upload.discard", KO_F_STR("upload", upload->row.id), KO_F_ERR(&err));
}

/* ---- Beginning and finding ---- */

static int add_row(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return ko_meta_upload_add(tx, arg, err);
}

static ko_upload *upload_new(ko_uploads *uploads, ko_upload_kind kind, ko_str repo,
                             int64_t account_id, ko_hash_alg alg)
{
    char id[KO_IDS_UUID_MAX];

    ko_ids_uuid(id);
    ko_upload *upload = ko_upload_blank(uploads, id);
    upload->kind = kind;
    (void)snprintf(upload->row.repo, sizeof(upload->row.repo), KO_STR_FMT, KO_STR_ARG(repo));
    upload->row.account_id = account_id;
    upload->row.alg = alg;
    upload->row.created_at_s = upload->row.touched_at_s = now_s(upload);
    atomic_store(&upload->loaded, true);
    return upload;
}

int ko_upload_begin(ko_uploads *uploads, ko_str repo, int64_t account_id, ko_hash_alg alg,
                    ko_upload_kind kind, ko_upload **out, ko_err *err)
{
    if (repo.len > KO_MAX_REPO_NAME)
        return ko_err_set(err, KO_E_INVALID, "repository name is too long");
    ko_upload *upload = upload_new(uploads, kind, repo, account_id, alg);
    if (kind == KO_UPLOAD_RESUMABLE &&
        ko_meta_write(uploads->meta, KO_META_LAZY, add_row, &upload->row, err) < 0) {
        ko_upload_drop(upload);
        return ko_err_ctx(err, "begin upload");
    }
    upload->hash = ko_hash_new(alg);
    ko_upload_table_add(uploads, upload);
    *out = upload;
    return 0;
}

typedef struct {
    ko_str id;
    ko_str repo;
    ko_meta_upload *out;
} find_args;

static int find_row(ko_meta_tx *tx, void *arg, ko_err *err)
{
    find_args *a = arg;

    return ko_meta_upload_find(tx, a->id, a->repo, a->out, err);
}

/* Opens the staging area if there is one: it is made when the first byte arrives. */
static int open_stage(ko_blob_store *store, const char *id, ko_blob_stage **out, ko_err *err)
{
    ko_err local = KO_ERR_INIT;

    if (ko_blob_stage_open(store, id, out, &local) < 0 && local.code != KO_E_NOT_FOUND) {
        if (err)
            *err = local;
        return -1;
    }
    return 0;
}

/* Fills in a session that was put in the table blank. */
static int load(ko_upload *upload, ko_str repo, ko_err *err)
{
    find_args args = {ko_str_of(upload->row.id), repo, &upload->row};

    if (ko_meta_read(upload->owner->meta, find_row, &args, err) < 0 ||
        open_stage(upload->owner->store, upload->row.id, &upload->stage, err) < 0)
        return -1;
    upload->hash = ko_hash_new(upload->row.alg);
    atomic_store(&upload->offset, upload->stage ? ko_blob_stage_size(upload->stage) : 0);
    atomic_store(&upload->loaded, true);
    return 0;
}

static int unknown(ko_err *err)
{
    return ko_err_set(err, KO_E_NOT_FOUND, "no such upload session");
}

/* Ids are ours, so anything that cannot be one is simply unknown. */
static int copy_id(ko_str id, char out[static KO_IDS_UUID_MAX], ko_err *err)
{
    if (id.len != KO_IDS_UUID_MAX - 1 || memchr(id.ptr, '\0', id.len))
        return unknown(err);
    memcpy(out, id.ptr, id.len);
    out[id.len] = '\0';
    return 0;
}

int ko_upload_find(ko_uploads *uploads, ko_str repo, ko_str id, ko_upload_info *out, ko_err *err)
{
    ko_autoptr(ko_blob_stage) stage = NULL;
    ko_meta_upload row;
    find_args args = {id, repo, &row};
    ko_upload_info info;

    if (ko_upload_table_info(uploads, id, &info)) {
        if (!ko_str_eq(ko_str_of(info.repo), repo))
            return unknown(err);
        *out = info;
        return 0;
    }
    if (ko_meta_read(uploads->meta, find_row, &args, err) < 0 ||
        open_stage(uploads->store, row.id, &stage, err) < 0)
        return -1;
    out->account_id = row.account_id;
    out->alg = row.alg;
    out->offset = stage ? ko_blob_stage_size(stage) : 0;
    out->started_at_s = row.created_at_s;
    memcpy(out->id, row.id, sizeof(out->id));
    memcpy(out->repo, row.repo, sizeof(out->repo));
    return 0;
}

int ko_upload_open(ko_uploads *uploads, ko_str repo, ko_str id, ko_upload **out, ko_err *err)
{
    char name[KO_IDS_UUID_MAX];

    if (copy_id(id, name, err) < 0)
        return -1;
    ko_upload *upload = ko_upload_table_grab(uploads, name);
    if (!upload)
        return ko_err_set(err, KO_E_CONFLICT, "another request is using this upload session");
    if (!atomic_load(&upload->loaded)) {
        if (load(upload, repo, err) < 0) {
            ko_upload_table_remove(upload);
            ko_upload_drop(upload);
            return -1;
        }
    } else if (!ko_str_eq(ko_str_of(upload->row.repo), repo)) {
        ko_upload_table_rest(upload);
        return unknown(err);
    }
    upload->max_bytes = UINT64_MAX;
    *out = upload;
    return 0;
}

ko_upload *ko_upload_release(ko_upload *upload)
{
    if (!upload)
        return NULL;
    if (!upload->over && upload->kind == KO_UPLOAD_RESUMABLE) {
        ko_upload_table_rest(upload);
        return NULL;
    }
    if (!upload->over)
        remove_quietly(upload);
    ko_upload_table_remove(upload);
    return ko_upload_drop(upload);
}

/* ---- Receiving ---- */

static int make_stage(ko_upload *upload, ko_err *err)
{
    if (upload->stage)
        return 0;
    if (ko_blob_stage_new(upload->owner->store, upload->row.id, &upload->stage, err) < 0)
        return ko_err_ctx(err, "upload %s", upload->row.id);
    return 0;
}

static int touch_row(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const ko_upload *upload = arg;

    return ko_meta_upload_touch(tx, ko_str_of(upload->row.id), upload->row.touched_at_s, err);
}

/* Tells the reaper now and then that the session is alive. */
static void touch(ko_upload *upload)
{
    int64_t now = now_s(upload);
    ko_err err = KO_ERR_INIT;

    if (upload->kind != KO_UPLOAD_RESUMABLE || now - upload->row.touched_at_s < TOUCH_S)
        return;
    upload->row.touched_at_s = now;
    if (ko_meta_write(upload->owner->meta, KO_META_LAZY, touch_row, upload, &err) < 0)
        /* Missing it once costs nothing: days must go by before the reaper comes. */
        ko_log(KO_DEBUG, "upload.touch", KO_F_STR("upload", upload->row.id), KO_F_ERR(&err));
}

int ko_upload_append(ko_upload *upload, const void *bytes, size_t len, ko_err *err)
{
    uint64_t offset = atomic_load(&upload->offset);

    KO_ASSERT(!upload->over);
    if (len == 0)
        return 0;
    if (offset > upload->max_bytes || len > upload->max_bytes - offset)
        return ko_err_set(err, KO_E_TOO_LARGE, "blob is larger than %llu bytes",
                          (unsigned long long)upload->max_bytes);
    if (make_stage(upload, err) < 0 || ko_blob_stage_append(upload->stage, bytes, len, err) < 0)
        return -1;
    if (upload->hashed == offset) {
        ko_hash_update(upload->hash, bytes, len);
        upload->hashed += len;
    }
    atomic_store(&upload->offset, offset + len);
    touch(upload);
    return 0;
}

/* ---- Finishing ---- */

/* Feeds the staged bytes from `from` on to the hash. */
static int read_back(ko_upload *upload, ko_hash *hash, uint64_t from, ko_err *err)
{
    uint64_t size = ko_blob_stage_size(upload->stage);

    if (from == size)
        return 0;
    ko_autofree uint8_t *chunk = ko_xmalloc(READ_BACK);
    while (from < size) {
        size_t n = size - from < READ_BACK ? (size_t)(size - from) : READ_BACK;
        if (ko_blob_stage_read(upload->stage, chunk, n, from, err) < 0)
            return ko_err_ctx(err, "read back upload %s", upload->row.id);
        ko_hash_update(hash, chunk, n);
        from += n;
    }
    return 0;
}

/* The digest of all that was received, by the algorithm asked for. */
static int compute(ko_upload *upload, ko_hash_alg alg, ko_digest *out, ko_err *err)
{
    ko_autoptr(ko_hash) other = NULL;

    if (alg == ko_hash_algorithm(upload->hash)) {
        if (read_back(upload, upload->hash, upload->hashed, err) < 0) {
            /* How far the hash has come is unknown now: begin again next time. */
            ko_hash_free(upload->hash);
            upload->hash = ko_hash_new(upload->row.alg);
            upload->hashed = 0;
            return -1;
        }
        upload->hashed = ko_blob_stage_size(upload->stage);
        ko_digest_of_hash(upload->hash, out);
        return 0;
    }
    other = ko_hash_new(alg);
    if (read_back(upload, other, 0, err) < 0)
        return -1;
    ko_digest_of_hash(other, out);
    return 0;
}

typedef struct {
    ko_upload *upload;
    const ko_digest *digest;
    ko_meta_fn *also;
    void *also_arg;
} commit_args;

/* Inside the write: is the published file still in its place? See the head of this file. */
static int secure_file(ko_upload *upload, const ko_digest *digest, ko_err *err)
{
    uint64_t size;

    if (ko_blob_stat(upload->owner->store, digest, &size, NULL) == 0 &&
        size == ko_blob_stage_size(upload->stage))
        return 0;
    return ko_blob_stage_publish(upload->stage, digest, err);
}

static int commit(ko_meta_tx *tx, void *arg, ko_err *err)
{
    commit_args *a = arg;
    ko_upload *upload = a->upload;
    int64_t now = now_s(upload);
    ko_meta_repo repo;
    ko_meta_blob blob;

    if (a->also && a->also(tx, a->also_arg, err) < 0)
        return -1;
    if (ko_meta_repo_find(tx, ko_str_of(upload->row.repo), &repo, err) < 0 ||
        ko_meta_blob_put(tx, a->digest, ko_blob_stage_size(upload->stage), now, &blob, NULL, err) <
            0 ||
        secure_file(upload, a->digest, err) < 0)
        return -1;
    if (ko_meta_blob_link(tx, &repo, a->digest, now + (int64_t)upload->owner->options.lease_s, NULL,
                          err) < 0)
        return -1;
    return remove_row(tx, upload, err);
}

static int disown(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const commit_args *a = arg;

    return ko_meta_blob_disown(tx, a->digest, ko_blob_stage_size(a->upload->stage),
                               now_s(a->upload), err);
}

/* The file is in its place and may never be committed: leaves it to the collector. */
static void disown_quietly(commit_args *args)
{
    ko_err err = KO_ERR_INIT;

    if (ko_meta_write(args->upload->owner->meta, KO_META_LAZY, disown, args, &err) < 0)
        ko_log(KO_DEBUG, "upload.disown", KO_F_STR("blob", args->digest->text), KO_F_ERR(&err));
}

/* Publishes and commits bytes whose digest is known to be right. */
static int settle(ko_upload *upload, const ko_digest *digest, ko_meta_fn *also, void *also_arg,
                  ko_err *err)
{
    commit_args args = {upload, digest, also, also_arg};
    ko_uploads *uploads = upload->owner;

    if (ko_blob_stage_publish(upload->stage, digest, err) < 0)
        return ko_err_ctx(err, "finish upload %s", upload->row.id);
    if (ko_meta_write(uploads->meta, KO_META_DURABLE, commit, &args, err) < 0) {
        disown_quietly(&args);
        if (err && err->code == KO_E_DENIED) /* a quota: told to the client as it is */
            return -1;
        return ko_err_ctx(err, "finish upload %s", upload->row.id);
    }
    upload->over = true;
    discard_quietly(upload);
    return 0;
}

static int mismatch(const ko_digest *want, const ko_digest *got, ko_err *err)
{
    return ko_err_set(err, KO_E_DIGEST_MISMATCH, "want %s, got %s", want->text, got->text);
}

int ko_upload_finish(ko_upload *upload, const ko_digest *digest, ko_meta_fn *also, void *also_arg,
                     ko_err *err)
{
    ko_digest got;

    KO_ASSERT(!upload->over);
    if (make_stage(upload, err) < 0 || compute(upload, digest->alg, &got, err) < 0)
        return -1;
    if (!ko_digest_eq(digest, &got)) {
        remove_quietly(upload);
        upload->over = true;
        return mismatch(digest, &got, err);
    }
    return settle(upload, digest, also, also_arg, err);
}

int ko_upload_cancel(ko_upload *upload, ko_err *err)
{
    KO_ASSERT(!upload->over);
    if (ko_upload_remove(upload, err) < 0)
        return -1;
    upload->over = true;
    return 0;
}

int ko_upload_once(ko_uploads *uploads, ko_str repo, const ko_digest *digest, const void *bytes,
                   size_t len, ko_meta_fn *also, void *also_arg, ko_err *err)
{
    ko_autoptr(ko_upload) upload = NULL;
    ko_digest got;

    ko_digest_of(digest->alg, bytes, len, &got);
    if (!ko_digest_eq(digest, &got))
        return mismatch(digest, &got, err);
    if (ko_upload_begin(uploads, repo, 0, digest->alg, KO_UPLOAD_ONCE, &upload, err) < 0 ||
        make_stage(upload, err) < 0 || ko_blob_stage_append(upload->stage, bytes, len, err) < 0)
        return -1;
    return settle(upload, digest, also, also_arg, err);
}

/* storage/blob.h: content-addressed bytes. Write once, verify always.
 *
 * A store keeps two things: blobs, found by digest, and staging areas, found by upload id, in which
 * bytes are collected until their digest is known. It knows nothing of repositories or rights.
 *
 * Back ends: blob_fs.c (files), blob_mem.c (tests). Each is a `ko_blob_ops`; nothing above storage/
 * knows which one it has.
 *
 * Spec:    OCI Distribution 1.1 "Pulling blobs"; OCI Image 1.1, descriptor.md "Digests".
 * Threads: ko_blob_store from any thread; a reader or a stage from one thread at a time.
 * Blocks:  every function here may block: call from a work item, never from a loop. */
#ifndef KO_STORAGE_BLOB_H
#define KO_STORAGE_BLOB_H

#include "common/base/err.h"
#include "common/base/own.h"
#include "common/oci/digest.h"

typedef struct ko_blob_store ko_blob_store;
typedef struct ko_blob_reader ko_blob_reader;
typedef struct ko_blob_stage ko_blob_stage;

ko_blob_store *ko_blob_store_free(ko_blob_store *store);
KO_DEFINE_AUTOPTR(ko_blob_store, ko_blob_store_free);

/* ---- Reading ---- */

/* The size of a blob. errors NOT_FOUND, IO. */
KO_MUST_USE int ko_blob_stat(ko_blob_store *store, const ko_digest *digest, uint64_t *out_bytes,
                             ko_err *err);

/* Opens a blob for reading.
 * out     new reader, owned by the caller: ko_blob_reader_free().
 * errors  NOT_FOUND; IO. */
KO_MUST_USE int ko_blob_open(ko_blob_store *store, const ko_digest *digest, ko_blob_reader **out,
                             ko_err *err);
ko_blob_reader *ko_blob_reader_free(ko_blob_reader *reader);
KO_DEFINE_AUTOPTR(ko_blob_reader, ko_blob_reader_free);
uint64_t ko_blob_reader_size(const ko_blob_reader *reader);
/* A descriptor that can be pread and sendfiled from, valid while the reader lives; -1 when this
 * back end has none and ko_blob_read() must be used. */
int ko_blob_reader_fd(const ko_blob_reader *reader);
/* Exactly `len` bytes from `offset`. errors INVALID past the end; CORRUPT shorter than its size;
 * IO. */
KO_MUST_USE int ko_blob_read(ko_blob_reader *reader, void *into, size_t len, uint64_t offset,
                             ko_err *err);

/* ---- Staging ---- */

/* Makes an empty staging area, or opens the one left under this id (after a restart). `id` is an
 * upload's: letters, digits and '-'. errors NOT_FOUND (open), EXISTS (new), NO_SPACE, IO. */
KO_MUST_USE int ko_blob_stage_new(ko_blob_store *store, const char *id, ko_blob_stage **out,
                                  ko_err *err);
KO_MUST_USE int ko_blob_stage_open(ko_blob_store *store, const char *id, ko_blob_stage **out,
                                   ko_err *err);
/* Lets go of the handle; the bytes stay for ko_blob_stage_open(). */
ko_blob_stage *ko_blob_stage_close(ko_blob_stage *stage);
KO_DEFINE_AUTOPTR(ko_blob_stage, ko_blob_stage_close);
uint64_t ko_blob_stage_size(const ko_blob_stage *stage); /* bytes received so far */
/* All of the bytes or none. errors CONFLICT: published already (its bytes may be shared with the
 * blob by now); NO_SPACE, IO. */
KO_MUST_USE int ko_blob_stage_append(ko_blob_stage *stage, const void *bytes, size_t len,
                                     ko_err *err);
/* Reads back, to hash again what an earlier process received. */
KO_MUST_USE int ko_blob_stage_read(ko_blob_stage *stage, void *into, size_t len, uint64_t offset,
                                   ko_err *err);
/* Makes the bytes durable and visible under `digest`, which the caller has verified. A blob already
 * there is success (two clients may push the same one at once). The staging area stays until
 * ko_blob_stage_discard(), so that publishing can be repeated. errors NO_SPACE, IO. */
KO_MUST_USE int ko_blob_stage_publish(ko_blob_stage *stage, const ko_digest *digest, ko_err *err);
/* Removes a staging area; one that is not there is success. */
KO_MUST_USE int ko_blob_stage_discard(ko_blob_store *store, const char *id, ko_err *err);

/* ---- Removing ---- */

/* Hides a blob at once (a rename); the bytes stay for ko_blob_restore() until ko_blob_purge().
 * One that is not there is success. */
KO_MUST_USE int ko_blob_quarantine(ko_blob_store *store, const ko_digest *digest, ko_err *err);
/* Brings a quarantined blob back, as durably as publishing; one that is not hidden is success.
 * errors NOT_FOUND: neither there nor in quarantine; IO. */
KO_MUST_USE int ko_blob_restore(ko_blob_store *store, const ko_digest *digest, ko_err *err);
/* Opens a quarantined blob, to look at it before it is brought back. errors NOT_FOUND; IO. */
KO_MUST_USE int ko_blob_open_quarantined(ko_blob_store *store, const ko_digest *digest,
                                         ko_blob_reader **out, ko_err *err);
/* Removes a quarantined blob for good; one that is not there is success. */
KO_MUST_USE int ko_blob_purge(ko_blob_store *store, const ko_digest *digest, ko_err *err);

/* ---- Upkeep ---- */

typedef enum { KO_BLOB_LIVE, KO_BLOB_QUARANTINED, KO_BLOB_STAGED } ko_blob_where;
/* What a walk sees: digest for blobs, id for staging areas. Return -1 with err to end the walk. */
typedef int ko_blob_walk_fn(void *arg, const ko_digest *digest, const char *stage_id,
                            uint64_t size_bytes, int64_t changed_at_s, ko_err *err);
/* Visits everything stored, in no order; for check, scrub and reaper, never to serve a request. */
KO_MUST_USE int ko_blob_walk(ko_blob_store *store, ko_blob_where where, ko_blob_walk_fn *fn,
                             void *arg, ko_err *err);
/* Bytes that can still be written, and in all; UINT64_MAX where the back end has no such bound. */
KO_MUST_USE int ko_blob_space(ko_blob_store *store, uint64_t *free_bytes, uint64_t *total_bytes,
                              ko_err *err);

/* ---- Back ends ---- */

typedef enum {
    KO_SYNC_ALWAYS, /* 201 means: survives a power cut */
    KO_SYNC_NEVER   /* survives a crash of the program, not of the machine */
} ko_blob_sync;

/* Files below `dir` (made when missing): blobs/<alg>/<2 hex>/<hex>, uploads/<id>, quarantine/.
 * Owned by the caller: ko_blob_store_free(). errors IO, DENIED, NO_SPACE. */
KO_MUST_USE int ko_blob_fs_new(const char *dir, ko_blob_sync sync, ko_blob_store **out,
                               ko_err *err);
/* Memory, for tests; at most `max_bytes`, then NO_SPACE. */
ko_blob_store *ko_blob_mem_new(uint64_t max_bytes);

#endif

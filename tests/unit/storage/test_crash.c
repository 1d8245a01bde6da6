/* A process that pushes is killed again and again; whatever it was told is stored must be there,
 * whole, and the store in order. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/base/fd.h"
#include "common/base/ids.h"
#include "storage/check.h"
#include "storage/gc.h"
#include "storage/meta_upload.h"
#include "tests/unit/storage/bed.h"

#define ROUNDS  25
#define WRITERS 2

typedef struct {
    bed *bed;
    int acks; /* a pipe: digests whose push succeeded, each KO_MAX_DIGEST bytes */
} pusher;

/* Pushes random blobs through sessions, in pieces, until it is killed. */
static void *push_for_ever(void *arg)
{
    const pusher *p = arg;
    static const size_t sizes[] = {0, 10, 4096, 200000};
    ko_autofree uint8_t *bytes = ko_xmalloc(200000);

    for (;;) {
        ko_autoptr(ko_upload) up = NULL;
        uint8_t pick;
        ko_digest d;
        ko_ids_random(&pick, 1);
        size_t len = sizes[pick % KO_ARRAY_LEN(sizes)];
        ko_ids_random(bytes, len);
        ko_digest_of(pick & 64 ? KO_HASH_SHA512 : KO_HASH_SHA256, bytes, len, &d);
        if (ko_upload_begin(p->bed->uploads, KO_STR("lab/a"), 0, KO_HASH_SHA256,
                            pick & 128 ? KO_UPLOAD_ONCE : KO_UPLOAD_RESUMABLE, &up, NULL) < 0 ||
            ko_upload_append(up, bytes, len / 3, NULL) < 0 ||
            ko_upload_append(up, bytes + len / 3, len - len / 3, NULL) < 0 ||
            ko_upload_finish(up, &d, NULL, NULL, NULL) < 0 ||
            ko_fd_write_all(p->acks, d.text, KO_MAX_DIGEST, NULL) < 0)
            _exit(1);
    }
    return NULL;
}

static void child_main(bed *b, int acks)
{
    pthread_t threads[WRITERS];
    pusher p = {b, acks};

    bed_open(b);
    for (size_t i = 0; i < WRITERS; i++)
        if (pthread_create(&threads[i], NULL, push_for_ever, &p) != 0)
            _exit(1);
    for (;;)
        (void)pause();
}

/* Every acknowledged blob is linked and has its bytes. */
static size_t assert_acknowledged(bed *b, int acks)
{
    ko_digest d = {0};
    size_t got;
    size_t n = 0;

    for (;; n++) {
        ssize_t r = 0;
        for (got = 0; got < KO_MAX_DIGEST; got += (size_t)r)
            if ((r = read(acks, d.text + got, KO_MAX_DIGEST - got)) <= 0)
                break;
        if (got < KO_MAX_DIGEST)
            return n; /* the rest of a message whose sender was killed */
        ko_digest whole;
        assert_int_equal(ko_digest_parse(ko_str_of(d.text), &whole, NULL), 0);
        assert_true(bed_linked(b, "lab/a", &whole, NULL));
        ko_autoptr(ko_blob_reader) reader = NULL;
        assert_int_equal(ko_blob_open(b->store, &whole, &reader, NULL), 0);
    }
}

static void assert_in_order(bed *b)
{
    const ko_check_options options = {.deep = true, .now_s = ko_clock_wall_s()};
    ko_check_stats stats = {0};

    assert_int_equal(ko_check_run(b->meta, b->store, &options, &stats, NULL), 0);
    assert_int_equal(ko_check_faults(&stats), 0);
}

static size_t one_round(bed *b, unsigned kill_after_ms)
{
    int acks[2];
    int status = 0;

    assert_int_equal(pipe(acks), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(acks[0]);
        child_main(b, acks[1]);
    }
    (void)close(acks[1]);
    (void)poll(NULL, 0, (int)kill_after_ms);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    bed_open(b);
    size_t n = assert_acknowledged(b, acks[0]);
    assert_in_order(b);
    bed_close(b);
    (void)close(acks[0]);
    return n;
}

static void whatever_was_acknowledged_survives_a_kill(void **state)
{
    bed *b = *state;
    size_t pushed = 0;
    uint8_t ms;

    bed_close(b); /* the children open it, one after another */
    for (int round = 0; round < ROUNDS; round++) {
        ko_ids_random(&ms, 1);
        pushed += one_round(b, 10 + ms % 60);
    }
    assert_true(pushed > 0);
    bed_open(b);
}

/* What the kills have left lying can all be swept away, and nothing else is. */
static void leftovers_of_kills_are_reaped(void **state)
{
    bed *b = *state;
    size_t sessions = 0;
    size_t orphans = 0;

    bed_close(b);
    for (int round = 0; round < 5; round++)
        one_round(b, 30);
    bed_open(b);
    bed_now_s = ko_clock_wall_s() + 100;
    assert_int_equal(ko_uploads_reap(b->uploads, 50, 50, &sessions, &orphans, NULL), 0);
    assert_int_equal(bed_count(b, KO_BLOB_STAGED), 0);
    assert_in_order(b);
}

#define DISK(test) cmocka_unit_test_setup_teardown(test, bed_setup_disk, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISK(whatever_was_acknowledged_survives_a_kill),
        DISK(leftovers_of_kills_are_reaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

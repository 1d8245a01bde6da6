/* common/base/err.h: the one error idiom of the project.
 *
 * A fallible function returns 0 or -1 and takes a caller-owned ko_err as its last parameter. The
 * error is a value without pointers: it may lie inside a work item and cross threads. Outputs of a
 * function are untouched when it fails. The context grows to the left, outermost first:
 * "push team/app:1: finish upload 7f3a: fsync: No space left on device".
 *
 * Codes say what the *caller* can do; translation to an HTTP status or an exit code happens once
 * per program (server/problem.c).
 *
 * Threads: a ko_err belongs to whoever holds it; no globals. */
#ifndef KO_BASE_ERR_H
#define KO_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define KO_ERR_CODES(X)                                                                            \
    X(NONE, "none")                       /* no error */                                           \
    X(NOT_FOUND, "not found")             /* the named thing does not exist */                     \
    X(EXISTS, "exists")                   /* it exists already */                                  \
    X(INVALID, "invalid")                 /* input that can never succeed */                       \
    X(DENIED, "denied")                   /* the caller may not do this */                         \
    X(TOO_LARGE, "too large")             /* over a limit */                                       \
    X(CONFLICT, "conflict")               /* state changed meanwhile: look again, then retry */    \
    X(CORRUPT, "corrupt")                 /* stored data is not what it should be */               \
    X(DIGEST_MISMATCH, "digest mismatch") /* bytes do not have the digest they were said to */     \
    X(UNAVAILABLE, "unavailable")         /* busy or shutting down: retry later */                 \
    X(NO_SPACE, "no space")               /* the store is full */                                  \
    X(IO, "i/o")                          /* the system refused; errno says why */

typedef enum {
#define X(name, text) KO_E_##name,
    KO_ERR_CODES(X)
#undef X
} ko_err_code;

typedef struct {
    ko_err_code code;
    int sys;          /* errno at the place of the failure, or 0 */
    const char *file; /* where it was first set (string literals) */
    int line;
    char text[400]; /* human text, always terminated, cut with "..." when too long */
} ko_err;

#define KO_MUST_USE          __attribute__((warn_unused_result))
#define KO_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* An error object with nothing in it. */
#define KO_ERR_INIT ((ko_err){.code = KO_E_NONE})

/* Sets the error; `err` may be NULL when nobody wants to know. Always returns -1. */
#define ko_err_set(err, code, ...)                                                                 \
    (ko_err_set_at(err, code, 0, __FILE__, __LINE__, __VA_ARGS__), ko_err_failed())

/* Sets the error from errno: ": strerror" is appended to the text. ENOENT becomes NOT_FOUND, EEXIST
 * EXISTS, ENOSPC, EDQUOT and EFBIG NO_SPACE, EACCES and EPERM DENIED, ENOMEM and EMFILE
 * UNAVAILABLE, all others IO. Always returns -1. */
#define ko_err_sys(err, ...) (ko_err_sys_at(err, __FILE__, __LINE__, __VA_ARGS__), ko_err_failed())

/* Puts "context: " in front of the text already there, keeping the code. Always returns -1. */
#define ko_err_ctx(err, ...) (ko_err_ctx_add(err, __VA_ARGS__), ko_err_failed())

/* The code's lower-case English name, e.g. "not found". */
const char *ko_err_name(ko_err_code code);

/* For the macros above, which end in a visible -1 so that compilers and analysers know it too. */
static inline int ko_err_failed(void)
{
    return -1;
}
void ko_err_set_at(ko_err *err, ko_err_code code, int sys, const char *file, int line,
                   const char *fmt, ...) KO_PRINTF(6, 7);
void ko_err_sys_at(ko_err *err, const char *file, int line, const char *fmt, ...) KO_PRINTF(4, 5);
void ko_err_ctx_add(ko_err *err, const char *fmt, ...) KO_PRINTF(2, 3);

/* A broken invariant is a bug, not an error: says the place and aborts, in release builds too.
 * Never assert on input, files, peers or the database. */
#define KO_ASSERT(cond) ((cond) ? (void)0 : ko_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void ko_assert_failed(const char *cond, const char *file, int line);

#endif

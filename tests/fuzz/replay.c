/* Runs a fuzz target over the files of corpus directories, without a fuzzer: so every compiler and
 * sanitizer build checks what fuzzing once found.
 *
 *     fuzz_ref DIRECTORY...
 *
 * Each input is copied to memory of exactly its size, so that a sanitizer sees reads past its end.
 * Prints the name of a file before it runs, when KONTOR_FUZZ_VERBOSE is set. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/base/fd.h"
#include "common/base/limits.h"
#include "common/base/own.h"

#define INPUT_CAP (16 * KO_MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(int dir, const char *name, ko_err *err)
{
    ko_autobuf file;

    ko_buf_init(&file, INPUT_CAP);
    if (ko_fd_load(dir, name, &file, err) < 0)
        return -1;
    if (getenv("KONTOR_FUZZ_VERBOSE"))
        (void)fprintf(stderr, "%s\n", name);
    ko_autofree uint8_t *exact = ko_xmalloc(file.len);
    if (file.len > 0)
        memcpy(exact, file.data, file.len);
    (void)LLVMFuzzerTestOneInput(exact, file.len); /* 0 by libFuzzer's contract */
    return 0;
}

static int run_dir(const char *path, size_t *count, ko_err *err)
{
    DIR *dir = opendir(path);
    int rc = 0;

    if (!dir)
        return ko_err_sys(err, "open %s", path);
    for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        rc = run_file(dirfd(dir), e->d_name, err);
        *count += rc == 0;
    }
    (void)closedir(dir); /* only read from */
    return rc;
}

int main(int argc, char **argv)
{
    ko_err err = KO_ERR_INIT;
    size_t count = 0;

    for (int i = 1; i < argc; i++) {
        if (run_dir(argv[i], &count, &err) < 0) {
            (void)fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    }
    printf("%zu files\n", count);
    return count > 0 ? 0 : 1;
}

/* common/base/options_near.c: "did you mean": the optimal string alignment distance, in which a
 * swapped pair of letters counts one, as do a missing, an added and a wrong letter. */
#include "common/base/options.h"

#define MAX_WORD 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t rows[3][MAX_WORD + 1];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);

    if (a_len > MAX_WORD || b_len > MAX_WORD)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *two_above = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = least(above[j] + 1, now[j - 1] + 1);

            best = least(best, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = least(best, two_above[j - 2] + 1);
            now[j] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

const char *ko_option_nearest(const char *word, const char *const *names, size_t count)
{
    const char *found = NULL;
    size_t best = strlen(word) / 3 + 2; /* farther than this is another word */

    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);

        if (d < best) {
            best = d;
            found = names[i];
        }
    }
    return found;
}

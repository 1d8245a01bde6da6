/* storage/meta_search.c: full-text search.
 *
 * What a person types is cut into words here and each is wrapped by the driver's quotes, so nothing
 * typed is ever read as query syntax; the number of words is bounded. */
#include "storage/meta_search.h"

#include "storage/meta_priv.h"

#define MAX_WORDS 16
#define MAX_TYPED 256 /* bytes of the query that are looked at */

int ko_meta_search_set_text(ko_meta_tx *tx, const ko_meta_repo *repo, ko_str text, ko_err *err)
{
    ko_str cut = ko_str_slice(text, 0, KO_MAX_SEARCH_TEXT);

    return ko_meta_run(tx, KO_Q_search_set_text, KO_ARGS(KO_INT(repo->id), KO_TEXT(cut)), NULL,
                       err);
}

/* Bytes above 0x7f belong to letters, as the tokeniser will judge, if the text is UTF-8 at all. */
static bool in_word(char c, bool is_utf8)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           ((unsigned char)c > 0x7f && is_utf8);
}

/* The query in the database's language; empty when nothing typed is a word. */
static ko_str words_of(const ko_db_ops *ops, ko_str typed, ko_arena *arena)
{
    bool is_utf8 = ko_str_is_utf8(typed);
    const char *query = "";
    size_t at = 0;

    for (int words = 0; words < MAX_WORDS; words++) {
        while (at < typed.len && !in_word(typed.ptr[at], is_utf8))
            at++;
        size_t start = at;
        while (at < typed.len && in_word(typed.ptr[at], is_utf8))
            at++;
        if (at == start)
            break;
        ko_str word = ko_str_slice(typed, start, at);
        query = ko_arena_printf(arena, "%s%s%s" KO_STR_FMT "%s", query, words ? ops->word_and : "",
                                ops->word_open, KO_STR_ARG(word), ops->word_close);
    }
    return ko_str_of(query);
}

/* Names are lower case, and what is typed is compared with them. */
static ko_str lower(ko_str typed, ko_arena *arena)
{
    char *copy = ko_arena_strndup(arena, typed.ptr, typed.len);

    for (size_t i = 0; i < typed.len; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] - 'A' + 'a');
    }
    return (ko_str){copy, typed.len};
}

static int read_hit(ko_db_rows *rows, void *element, ko_arena *arena, ko_err *err)
{
    ko_meta_search_hit *out = element;

    out->description = ko_meta_col_bytes(rows, KO_META_REPO_COLUMNS, arena);
    return ko_meta_col_repo(rows, 0, &out->repo, err);
}

static const ko_meta_element hit_element = {sizeof(ko_meta_search_hit), read_hit};

int ko_meta_search(ko_meta_tx *tx, ko_meta_caller caller, ko_str query, size_t offset, size_t limit,
                   ko_arena *arena, ko_meta_search_hit **out, size_t *count, ko_err *err)
{
    ko_str typed = ko_str_trim(ko_str_slice(query, 0, MAX_TYPED));
    ko_str words = words_of(tx->db->ops, typed, arena);

    if (words.len == 0)
        return ko_meta_list(tx, KO_Q_search_everything,
                            KO_ARGS(KO_INT(caller.account_id), KO_INT(caller.is_admin),
                                    KO_INT(offset), KO_INT(limit)),
                            &hit_element, arena, out, count, err);
    return ko_meta_list(tx, KO_Q_search_words,
                        KO_ARGS(KO_INT(caller.account_id), KO_INT(caller.is_admin), KO_INT(offset),
                                KO_INT(limit), KO_TEXT(words), KO_TEXT(lower(typed, arena))),
                        &hit_element, arena, out, count, err);
}

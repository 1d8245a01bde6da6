/* auth/scope.c: the scope grammar.
 *
 * The text comes from the query of the token endpoint, from whoever asks. It is checked byte by
 * byte before anything is stored, and what is stored are views of a copy in the arena. Names are
 * not judged here: "repository:Not A Name" fails by its space, "repository:UPPER/case" parses and
 * is granted nothing, because no repository can have that name. */
#include "auth/scope.h"

#include "common/base/limits.h"
#include "common/base/own.h"

static const struct {
    const char *word;
    ko_actions bit;
} ACTION_WORDS[] = {
#define X(name, text, bit) {text, bit},
    KO_ACTIONS(X)
#undef X
};

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name_char(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || (c != '\0' && strchr("._-/:*", c));
}

static bool all_chars(ko_str s, bool (*accept)(char))
{
    for (size_t i = 0; i < s.len; i++)
        if (!accept(s.ptr[i]))
            return false;
    return s.len > 0;
}

static ko_actions action_bit(ko_str word)
{
    for (size_t i = 0; i < KO_ARRAY_LEN(ACTION_WORDS); i++)
        if (ko_str_eq(word, ko_str_of(ACTION_WORDS[i].word)))
            return ACTION_WORDS[i].bit;
    return 0;
}

static bool is_action_word(ko_str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.ptr[i] < 'a' || word.ptr[i] > 'z')
            return false;
    return true; /* scope.md: action := [a-z]*, so an empty one is well-formed */
}

int ko_scope_parse_actions(ko_str text, bool allow_unknown, ko_actions *out, ko_err *err)
{
    ko_actions actions = 0;
    ko_str word;

    while (ko_str_split(&text, ',', &word)) {
        ko_actions bit = ko_str_eq(word, KO_STR("*")) ? KO_ACTION_ALL : action_bit(word);
        bool fine = bit != 0 || (allow_unknown && is_action_word(word));

        if (!fine)
            return ko_err_set(err, KO_E_INVALID,
                              "an action is one of pull, push, delete, admin or *");
        actions |= bit;
    }
    *out = actions;
    return 0;
}

/* "repository" or "repository(plugin)". */
static int parse_type(ko_str text, ko_scope *out, ko_err *err)
{
    size_t open = ko_str_find_char(text, '(');
    ko_str type = ko_str_slice(text, 0, open);

    out->class_name = (ko_str){"", 0};
    if (open != SIZE_MAX) {
        if (text.ptr[text.len - 1] != ')')
            return ko_err_set(err, KO_E_INVALID, "scope: the class of a type ends in ')'");
        out->class_name = ko_str_slice(text, open + 1, text.len - 1);
    }
    if (!all_chars(type, is_lower_alnum) ||
        (open != SIZE_MAX && !all_chars(out->class_name, is_lower_alnum)))
        return ko_err_set(err, KO_E_INVALID, "scope: a resource type is of [a-z0-9]");
    out->type = ko_str_eq(type, KO_STR("repository")) ? KO_SCOPE_REPOSITORY : KO_SCOPE_UNKNOWN;
    if (ko_str_eq(type, KO_STR("registry")) && open == SIZE_MAX)
        out->type = KO_SCOPE_CATALOG; /* until the name says otherwise */
    return 0;
}

static int parse_one(ko_str text, ko_scope *out, ko_err *err)
{
    size_t first = ko_str_find_char(text, ':');
    size_t last = ko_str_rfind_char(text, ':');

    if (first == SIZE_MAX || first == last)
        return ko_err_set(err, KO_E_INVALID, "scope: want type:name:actions");
    if (parse_type(ko_str_slice(text, 0, first), out, err) < 0)
        return -1;
    out->name = ko_str_slice(text, first + 1, last);
    if (!all_chars(out->name, is_name_char))
        return ko_err_set(err, KO_E_INVALID, "scope: bad character in the resource name");
    if (out->name.len > KO_MAX_REPO_NAME)
        return ko_err_set(err, KO_E_TOO_LARGE, "scope: resource name over %d bytes",
                          KO_MAX_REPO_NAME);
    if (out->type == KO_SCOPE_CATALOG && !ko_str_eq(out->name, KO_STR("catalog")))
        out->type = KO_SCOPE_UNKNOWN;
    if (ko_scope_parse_actions(ko_str_slice(text, last + 1, text.len), true, &out->actions, err) <
        0)
        return ko_err_ctx(err, "scope");
    return 0;
}

static ko_scope *find_same(ko_scopes *scopes, const ko_scope *scope)
{
    for (size_t i = 0; i < scopes->count; i++) {
        ko_scope *s = &scopes->items[i];

        if (s->type == scope->type && ko_str_eq(s->name, scope->name) &&
            ko_str_eq(s->class_name, scope->class_name))
            return s;
    }
    return NULL;
}

/* How many scopes at most a text can hold. */
static size_t count_parts(ko_str text)
{
    size_t n = 0;
    ko_str part;

    while (ko_str_split(&text, ' ', &part))
        n += part.len > 0;
    return n;
}

int ko_scope_parse(ko_str text, ko_arena *arena, ko_scopes *out, ko_err *err)
{
    if (text.len > KO_MAX_SCOPE_TEXT)
        return ko_err_set(err, KO_E_TOO_LARGE, "scope over %d bytes", KO_MAX_SCOPE_TEXT);

    size_t room = count_parts(text);
    if (room == 0)
        return 0;
    if (room > KO_MAX_SCOPES)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %d scopes", KO_MAX_SCOPES);

    ko_scopes next = {.count = out->count};
    next.items = ko_arena_alloc_array(arena, out->count + room, sizeof(ko_scope));
    if (out->count)
        memcpy(next.items, out->items, out->count * sizeof(ko_scope));

    ko_str rest = ko_arena_str(arena, text);
    ko_str part;
    while (ko_str_split(&rest, ' ', &part)) {
        ko_scope scope = {0};

        if (part.len == 0)
            continue;
        if (parse_one(part, &scope, err) < 0)
            return -1;
        ko_scope *same = find_same(&next, &scope);
        if (same)
            same->actions |= scope.actions;
        else
            next.items[next.count++] = scope;
    }
    if (next.count > KO_MAX_SCOPES)
        return ko_err_set(err, KO_E_TOO_LARGE, "more than %d scopes", KO_MAX_SCOPES);
    *out = next;
    return 0;
}

int ko_scope_print_actions(ko_actions actions, ko_buf *out)
{
    const char *separator = "";
    int rc = 0;

    for (size_t i = 0; i < KO_ARRAY_LEN(ACTION_WORDS); i++) {
        if (!(actions & ACTION_WORDS[i].bit))
            continue;
        rc |= ko_buf_put_text(out, separator);
        rc |= ko_buf_put_text(out, ACTION_WORDS[i].word);
        separator = ",";
    }
    return rc;
}

int ko_scope_print(const ko_scope *scope, ko_buf *out)
{
    int rc = 0;

    if (scope->type == KO_SCOPE_CATALOG)
        return ko_buf_put_text(out, "registry:catalog:*");
    rc |= ko_buf_put_text(out, scope->type == KO_SCOPE_REPOSITORY ? "repository" : "unknown");
    if (scope->class_name.len)
        rc |= ko_buf_printf(out, "(" KO_STR_FMT ")", KO_STR_ARG(scope->class_name));
    rc |= ko_buf_put_char(out, ':');
    rc |= ko_buf_put_str(out, scope->name);
    rc |= ko_buf_put_char(out, ':');
    rc |= ko_scope_print_actions(scope->actions, out);
    return rc;
}

int ko_scope_print_all(const ko_scopes *scopes, ko_buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < scopes->count; i++) {
        if (i > 0)
            rc |= ko_buf_put_char(out, ' ');
        rc |= ko_scope_print(&scopes->items[i], out);
    }
    return rc;
}

static int compare(const void *left, const void *right)
{
    const ko_scope *a = left;
    const ko_scope *b = right;

    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    int by_name = ko_str_cmp(a->name, b->name);
    return by_name ? by_name : ko_str_cmp(a->class_name, b->class_name);
}

void ko_scope_sort(ko_scopes *scopes)
{
    size_t kept = 0;

    for (size_t i = 0; i < scopes->count; i++)
        if (scopes->items[i].actions && scopes->items[i].type != KO_SCOPE_UNKNOWN)
            scopes->items[kept++] = scopes->items[i];
    scopes->count = kept;
    if (kept > 1)
        qsort(scopes->items, kept, sizeof(ko_scope), compare);
}

ko_actions ko_scope_actions_on(const ko_scopes *scopes, ko_str repo, bool patterns)
{
    ko_actions actions = 0;

    for (size_t i = 0; i < scopes->count; i++) {
        const ko_scope *s = &scopes->items[i];

        if (s->type != KO_SCOPE_REPOSITORY)
            continue;
        if (patterns ? ko_scope_matches(s->name, repo) : ko_str_eq(s->name, repo))
            actions |= s->actions;
    }
    return actions;
}

bool ko_scope_has_catalog(const ko_scopes *scopes)
{
    for (size_t i = 0; i < scopes->count; i++)
        if (scopes->items[i].type == KO_SCOPE_CATALOG && scopes->items[i].actions)
            return true;
    return false;
}

bool ko_scope_matches(ko_str pattern, ko_str name)
{
    if (ko_str_has_suffix(pattern, KO_STR("*")))
        return ko_str_has_prefix(name, ko_str_slice(pattern, 0, pattern.len - 1));
    return ko_str_eq(pattern, name);
}

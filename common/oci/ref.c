/* common/oci/ref.c: hand-written matchers for the two regular expressions of the specification;
 * each says which rule is broken. */
#include "common/oci/ref.h"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Length of the separator at the front: ".", "_", "__" or any number of "-"; 0 for none. */
static size_t separator_len(ko_str s)
{
    size_t len = 0;

    if (s.len > 0 && s.ptr[0] == '.')
        return 1;
    if (s.len > 0 && s.ptr[0] == '_')
        return s.len > 1 && s.ptr[1] == '_' ? 2 : 1;
    while (len < s.len && s.ptr[len] == '-')
        len++;
    return len;
}

static int check_component(ko_str part, ko_err *err)
{
    size_t at = 0;

    if (part.len == 0)
        return ko_err_set(err, KO_E_INVALID, "repository name has an empty component");
    while (at < part.len && is_lower_alnum(part.ptr[at])) {
        while (at < part.len && is_lower_alnum(part.ptr[at]))
            at++;
        if (at == part.len)
            return 0;
        size_t sep = separator_len(ko_str_slice(part, at, part.len));
        if (sep == 0)
            break;
        at += sep;
    }
    if (at == part.len)
        return ko_err_set(err, KO_E_INVALID, "repository name: a component ends in a separator");
    return ko_err_set(err, KO_E_INVALID,
                      "repository name: only a-z and 0-9, joined by one of . _ __ or dashes");
}

int ko_ref_check_repo(ko_str name, ko_err *err)
{
    ko_str rest = name, part;
    size_t parts = 0;

    if (name.len > KO_MAX_REPO_NAME)
        return ko_err_set(err, KO_E_INVALID, "repository name is longer than %d characters",
                          KO_MAX_REPO_NAME);
    while (ko_str_split(&rest, '/', &part)) {
        if (check_component(part, err) < 0)
            return -1;
        parts++;
    }
    if (parts == 0)
        return ko_err_set(err, KO_E_INVALID, "repository name is empty");
    return 0;
}

static bool is_word(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

int ko_ref_check_tag(ko_str tag, ko_err *err)
{
    if (tag.len == 0)
        return ko_err_set(err, KO_E_INVALID, "tag is empty");
    if (tag.len > KO_MAX_TAG)
        return ko_err_set(err, KO_E_INVALID, "tag is longer than %d characters", KO_MAX_TAG);
    if (!is_word(tag.ptr[0]))
        return ko_err_set(err, KO_E_INVALID, "tag does not begin with a letter, digit or _");
    for (size_t i = 1; i < tag.len; i++)
        if (!is_word(tag.ptr[i]) && tag.ptr[i] != '.' && tag.ptr[i] != '-')
            return ko_err_set(err, KO_E_INVALID, "tag: only letters, digits, _ . and -");
    return 0;
}

ko_str ko_ref_namespace(ko_str repo)
{
    return ko_str_slice(repo, 0, ko_str_find_char(repo, '/'));
}

int ko_ref_parse(ko_str text, ko_ref *out, ko_err *err)
{
    ko_ref ref = {.is_digest = ko_str_find_char(text, ':') != SIZE_MAX};

    if (ref.is_digest) {
        if (ko_digest_parse(text, &ref.digest, err) < 0)
            return -1;
    } else {
        if (ko_ref_check_tag(text, err) < 0)
            return -1;
        memcpy(ref.tag, text.ptr, text.len);
    }
    *out = ref;
    return 0;
}

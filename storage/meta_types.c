/* storage/meta_types.c: texts of the shared enumerations. */
#include "storage/meta_types.h"

const char *ko_meta_visibility_name(ko_meta_visibility visibility)
{
    switch (visibility) {
#define X(name, number, text)                                                                      \
    case KO_META_##name:                                                                           \
        return text;
        KO_META_VISIBILITIES(X)
#undef X
    }
    return "private";
}

int ko_meta_visibility_parse(ko_str text, ko_meta_visibility *out, ko_err *err)
{
#define X(name, number, word)                                                                      \
    if (ko_str_eq(text, KO_STR(word))) {                                                           \
        *out = KO_META_##name;                                                                     \
        return 0;                                                                                  \
    }
    KO_META_VISIBILITIES(X)
#undef X
    return ko_err_set(err, KO_E_INVALID, "a visibility is \"public\" or \"private\"");
}

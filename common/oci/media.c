/* common/oci/media.c: the table of media types. Twenty strings: a linear search that compares
 * lengths first is quicker than hashing. */
#include "common/oci/media.h"

#include "common/base/own.h"

static const ko_str names[] = {[KO_MEDIA_OTHER] = {"", 0},
#define X(name, text) [KO_MEDIA_##name] = {text, sizeof(text) - 1},
                               KO_MEDIA_TYPES(X)
#undef X
};

ko_media ko_media_of(ko_str text)
{
    ko_str name = ko_str_trim(ko_str_slice(text, 0, ko_str_find_char(text, ';')));

    for (size_t i = 1; i < KO_ARRAY_LEN(names); i++)
        if (ko_str_eq_nocase(name, names[i]))
            return (ko_media)i;
    return KO_MEDIA_OTHER;
}

const char *ko_media_text(ko_media media)
{
    return names[media].ptr;
}

bool ko_media_is_schema1(ko_media media)
{
    return media == KO_MEDIA_DOCKER_SCHEMA1 || media == KO_MEDIA_DOCKER_SCHEMA1_SIGNED;
}

bool ko_media_is_index(ko_media media)
{
    return media == KO_MEDIA_OCI_INDEX || media == KO_MEDIA_DOCKER_LIST;
}

bool ko_media_is_manifest(ko_media media)
{
    return media == KO_MEDIA_OCI_MANIFEST || media == KO_MEDIA_DOCKER_MANIFEST ||
           media == KO_MEDIA_OCI_ARTIFACT || ko_media_is_index(media) || ko_media_is_schema1(media);
}

bool ko_media_is_nondistributable(ko_media media)
{
    return (media >= KO_MEDIA_OCI_NONDIST && media <= KO_MEDIA_OCI_NONDIST_ZSTD) ||
           media == KO_MEDIA_DOCKER_FOREIGN || media == KO_MEDIA_DOCKER_FOREIGN_GZIP;
}

/* RFC 6838 section 4.2: restricted-name, at most 127 characters. */
static bool is_restricted_name(ko_str s)
{
    static const char others[] = "!#$&-^_.+";

    if (s.len == 0 || s.len > 127)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || c == '\0' || !strchr(others, c)))
            return false;
    }
    return true;
}

bool ko_media_well_formed(ko_str text)
{
    size_t slash = ko_str_find_char(text, '/');

    return slash != SIZE_MAX && is_restricted_name(ko_str_slice(text, 0, slash)) &&
           is_restricted_name(ko_str_slice(text, slash + 1, text.len));
}

/* Fuzz target for names: what is accepted can go into a path or a URL as it stands. */
#include "common/oci/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_characters(ko_str name, const char *allowed)
{
    for (size_t i = 0; i < name.len; i++)
        KO_ASSERT(name.ptr[i] != '\0' && strchr(allowed, name.ptr[i]));
}

static void check_repo(ko_str name)
{
    check_characters(name, "abcdefghijklmnopqrstuvwxyz0123456789._-/");
    KO_ASSERT(name.len > 0 && name.len <= KO_MAX_REPO_NAME);
    KO_ASSERT(ko_str_find(name, KO_STR("..")) == SIZE_MAX);
    KO_ASSERT(ko_str_find(name, KO_STR("//")) == SIZE_MAX);
    KO_ASSERT(!strchr("/.-_", name.ptr[0]) && !strchr("/.-_", name.ptr[name.len - 1]));
    KO_ASSERT(ko_str_has_prefix(name, ko_ref_namespace(name)));
    KO_ASSERT(ko_ref_check_repo(ko_ref_namespace(name), NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ko_str text = {(const char *)data, size};
    ko_ref ref;

    if (ko_ref_check_repo(text, NULL) == 0)
        check_repo(text);
    bool is_tag = ko_ref_check_tag(text, NULL) == 0;
    if (ko_ref_parse(text, &ref, NULL) == 0) {
        KO_ASSERT(ref.is_digest != is_tag);
        KO_ASSERT(ko_str_eq(ko_str_of(ref.is_digest ? ref.digest.text : ref.tag), text));
        if (is_tag)
            KO_ASSERT(ref.tag[0] != '.' && ref.tag[0] != '-');
    } else {
        KO_ASSERT(!is_tag);
    }
    return 0;
}

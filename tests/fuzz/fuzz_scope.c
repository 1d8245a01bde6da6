/* Fuzz target for scopes: what is accepted prints as text that means the same. */
#include "auth/scope.h"
#include "common/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(ko_str name)
{
    KO_ASSERT(name.len > 0 && name.len <= KO_MAX_REPO_NAME);
    for (size_t i = 0; i < name.len; i++)
        KO_ASSERT(name.ptr[i] > ' ' && name.ptr[i] < 0x7f && !strchr("\"\\<>&,", name.ptr[i]));
}

static void check_round_trip(const ko_scopes *scopes, ko_arena *arena)
{
    ko_autobuf text;
    ko_autobuf again;
    ko_scopes back = {0};

    ko_buf_init(&text, 64 * KO_KIB);
    ko_buf_init(&again, 64 * KO_KIB);
    KO_ASSERT(ko_scope_print_all(scopes, &text) == 0);
    /* Classes make printing longer than what was read, but not much. */
    if (text.len > KO_MAX_SCOPE_TEXT)
        return;
    KO_ASSERT(ko_scope_parse(ko_buf_str(&text), arena, &back, NULL) == 0);
    KO_ASSERT(back.count == scopes->count);
    KO_ASSERT(ko_scope_print_all(&back, &again) == 0);
    KO_ASSERT(ko_str_eq(ko_buf_str(&text), ko_buf_str(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ko_autoptr(ko_arena) arena = ko_arena_new();
    ko_scopes scopes = {0};
    ko_str text = {(const char *)data, size};

    if (ko_scope_parse(text, arena, &scopes, NULL) < 0) {
        KO_ASSERT(scopes.count == 0 && !scopes.items);
        return 0;
    }
    KO_ASSERT(scopes.count <= KO_MAX_SCOPES);
    for (size_t i = 0; i < scopes.count; i++) {
        check_name(scopes.items[i].name);
        KO_ASSERT((scopes.items[i].actions & ~(ko_actions)KO_ACTION_ALL) == 0);
    }
    ko_scope_sort(&scopes);
    check_round_trip(&scopes, arena);
    return 0;
}

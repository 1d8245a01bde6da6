/* auth/json_claims.c: see the header. Times are whole seconds from 0 to 2^53, so that arithmetic on
 * them cannot overflow and other implementations read the same number. */
#include "auth/json_claims.h"

#include <jansson.h>

#include "common/base/limits.h"
#include "common/base/own.h"

#define MAX_TIME_S (1LL << 53)

static void drop_json(json_t **json)
{
    json_decref(*json);
}
#define autojson __attribute__((cleanup(drop_json))) json_t

/* The object, owned by the caller; NULL with err set. The size of a token bounds the depth. */
static json_t *load_object(ko_str text, const char *what, ko_err *err)
{
    json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(root))
        return root;
    json_decref(root);
    (void)ko_err_set(err, KO_E_INVALID, "%s: not a JSON object", what);
    return NULL;
}

static ko_str copy_text(const json_t *value, ko_arena *arena)
{
    return ko_arena_str(arena, (ko_str){json_string_value(value), json_string_length(value)});
}

int ko_claims_parse_header(ko_str json, ko_arena *arena, ko_jwt_header *out, ko_err *err)
{
    static const char *const refused[] = {"crit", "jwk", "jku", "x5u", "b64"};
    autojson *root = load_object(json, "token header", err);

    if (!root)
        return -1;
    for (size_t i = 0; i < KO_ARRAY_LEN(refused); i++)
        if (json_object_get(root, refused[i]))
            return ko_err_set(err, KO_E_INVALID, "token header: %s is not accepted", refused[i]);

    const json_t *alg = json_object_get(root, "alg");
    const json_t *kid = json_object_get(root, "kid");
    const json_t *typ = json_object_get(root, "typ");
    if (!json_is_string(alg) || !json_is_string(kid))
        return ko_err_set(err, KO_E_INVALID, "token header: alg and kid are required");
    if (typ && !(json_is_string(typ) &&
                 ko_str_eq_nocase(ko_str_of(json_string_value(typ)), KO_STR("JWT"))))
        return ko_err_set(err, KO_E_INVALID, "token header: typ is not JWT");
    out->alg = copy_text(alg, arena);
    out->kid = copy_text(kid, arena);
    return 0;
}

/* ---- Reading claims ---- */

static int take_text(const json_t *root, const char *name, ko_arena *arena, ko_str *out,
                     ko_err *err)
{
    const json_t *value = json_object_get(root, name);

    if (!json_is_string(value))
        return ko_err_set(err, KO_E_INVALID, "token: claim %s is missing or not a string", name);
    *out = copy_text(value, arena);
    return 0;
}

static int take_time(const json_t *root, const char *name, int64_t *out, ko_err *err)
{
    const json_t *value = json_object_get(root, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > MAX_TIME_S)
        return ko_err_set(err, KO_E_INVALID, "token: claim %s is missing or not a time", name);
    *out = json_integer_value(value);
    return 0;
}

static bool text_is(const json_t *value, ko_str text)
{
    return json_is_string(value) &&
           ko_str_eq((ko_str){json_string_value(value), json_string_length(value)}, text);
}

/* RFC 7519 section 4.1.3: one string or an array of them. */
static int check_audience(const json_t *root, ko_str audience, ko_err *err)
{
    const json_t *aud = json_object_get(root, "aud");

    if (text_is(aud, audience))
        return 0;
    for (size_t i = 0; json_is_array(aud) && i < json_array_size(aud); i++)
        if (text_is(json_array_get(aud, i), audience))
            return 0;
    return ko_err_set(err, KO_E_DENIED, "token: made for another service");
}

static int take_actions(const json_t *list, ko_actions *out, ko_err *err)
{
    ko_actions all = 0;

    if (!json_is_array(list))
        return ko_err_set(err, KO_E_INVALID, "token: access without actions");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *word = json_array_get(list, i);
        ko_actions one = 0;

        if (!json_is_string(word) ||
            ko_scope_parse_actions(ko_str_of(json_string_value(word)), true, &one, err) < 0)
            return ko_err_set(err, KO_E_INVALID, "token: bad action in access");
        all |= one;
    }
    *out = all;
    return 0;
}

static int take_scope(const json_t *entry, ko_arena *arena, ko_scope *out, ko_err *err)
{
    const json_t *type = json_object_get(entry, "type");
    const json_t *name = json_object_get(entry, "name");
    const json_t *class_name = json_object_get(entry, "class");

    if (!json_is_string(type) || !json_is_string(name) ||
        (class_name && !json_is_string(class_name)))
        return ko_err_set(err, KO_E_INVALID, "token: access wants type, name and actions");
    *out = (ko_scope){.type = KO_SCOPE_UNKNOWN, .name = copy_text(name, arena)};
    out->class_name = class_name ? copy_text(class_name, arena) : (ko_str){"", 0};
    if (text_is(type, KO_STR("repository")))
        out->type = KO_SCOPE_REPOSITORY;
    else if (text_is(type, KO_STR("registry")) && text_is(name, KO_STR("catalog")))
        out->type = KO_SCOPE_CATALOG;
    return take_actions(json_object_get(entry, "actions"), &out->actions, err);
}

static int take_access(const json_t *root, ko_arena *arena, ko_scopes *out, ko_err *err)
{
    const json_t *list = json_object_get(root, "access");
    size_t count = json_array_size(list); /* 0 when it is no array */

    *out = (ko_scopes){0};
    if (!list)
        return 0;
    if (!json_is_array(list) || count > KO_MAX_SCOPES)
        return ko_err_set(err, KO_E_INVALID, "token: access is not a list or too long");
    out->items = ko_arena_alloc_array(arena, count ? count : 1, sizeof(ko_scope));
    for (size_t i = 0; i < count; i++)
        if (take_scope(json_array_get(list, i), arena, &out->items[i], err) < 0)
            return -1;
    out->count = count;
    return 0;
}

int ko_claims_parse(ko_str json, ko_str audience, ko_arena *arena, ko_claims *out, ko_err *err)
{
    autojson *root = load_object(json, "token", err);
    ko_claims claims = {.audience = audience};

    if (!root)
        return -1;
    if (take_text(root, "iss", arena, &claims.issuer, err) < 0 ||
        take_text(root, "sub", arena, &claims.subject, err) < 0 ||
        take_text(root, "jti", arena, &claims.id, err) < 0 ||
        take_time(root, "iat", &claims.issued_at_s, err) < 0 ||
        take_time(root, "nbf", &claims.not_before_s, err) < 0 ||
        take_time(root, "exp", &claims.expires_at_s, err) < 0 ||
        take_time(root, "ko_account", &claims.account_id, err) < 0 ||
        take_access(root, arena, &claims.access, err) < 0 ||
        check_audience(root, audience, err) < 0)
        return -1;
    claims.whole = json_is_true(json_object_get(root, "ko_whole"));
    *out = claims;
    return 0;
}

/* ---- Writing claims ---- */

static int print_actions(ko_actions actions, ko_buf *out)
{
    static const struct {
        const char *quoted;
        ko_actions bit;
    } words[] = {
#define X(name, text, bit) {"\"" text "\"", bit},
        KO_ACTIONS(X)
#undef X
    };
    const char *separator = "";
    int rc = 0;

    for (size_t i = 0; i < KO_ARRAY_LEN(words); i++) {
        if (!(actions & words[i].bit))
            continue;
        rc |= ko_buf_printf(out, "%s%s", separator, words[i].quoted);
        separator = ",";
    }
    return rc;
}

static int print_scope(const ko_scope *scope, ko_buf *out)
{
    int rc = 0;

    if (scope->type == KO_SCOPE_CATALOG)
        return ko_buf_put_text(
            out, "{\"type\":\"registry\",\"class\":\"\",\"name\":\"catalog\",\"actions\":[\"*\"]}");
    rc |= ko_buf_put_text(out, "{\"type\":\"repository\",\"class\":");
    rc |= ko_buf_put_json(out, scope->class_name);
    rc |= ko_buf_put_text(out, ",\"name\":");
    rc |= ko_buf_put_json(out, scope->name);
    rc |= ko_buf_put_text(out, ",\"actions\":[");
    rc |= print_actions(scope->actions, out);
    rc |= ko_buf_put_text(out, "]}");
    return rc;
}

static int print_text(const char *name, ko_str value, ko_buf *out)
{
    int rc = ko_buf_printf(out, "\"%s\":", name);

    rc |= ko_buf_put_json(out, value);
    rc |= ko_buf_put_char(out, ',');
    return rc;
}

int ko_claims_print(const ko_claims *claims, ko_buf *out)
{
    int rc = ko_buf_put_char(out, '{');

    rc |= print_text("iss", claims->issuer, out);
    rc |= print_text("sub", claims->subject, out);
    rc |= print_text("aud", claims->audience, out);
    rc |= print_text("jti", claims->id, out);
    rc |= ko_buf_printf(out, "\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld,\"ko_account\":%lld,",
                        (long long)claims->issued_at_s, (long long)claims->not_before_s,
                        (long long)claims->expires_at_s, (long long)claims->account_id);
    if (claims->whole)
        rc |= ko_buf_put_text(out, "\"ko_whole\":true,");
    rc |= ko_buf_put_text(out, "\"access\":[");
    for (size_t i = 0; i < claims->access.count; i++) {
        if (i > 0)
            rc |= ko_buf_put_char(out, ',');
        rc |= print_scope(&claims->access.items[i], out);
    }
    rc |= ko_buf_put_text(out, "]}");
    return rc;
}

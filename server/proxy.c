/* server/proxy.c: see proxy.h. */
#include "server/proxy.h"

#include <arpa/inet.h>

#include "server/req.h"

/* Every address as sixteen bytes, IPv4 as IPv4-mapped IPv6. */
typedef struct {
    uint8_t bytes[16];
    unsigned bits; /* of the prefix */
} network;

struct ko_proxy_list {
    size_t count;
    network items[];
};

static bool parse_address(const char *text, uint8_t out[static 16], bool *is_v4)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct in_addr v4;
    struct in6_addr v6;

    *is_v4 = inet_pton(AF_INET, text, &v4) == 1;
    if (*is_v4) {
        memcpy(out, mapped, sizeof(mapped));
        memcpy(out + 12, &v4, 4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    memcpy(out, &v6, 16);
    return true;
}

static int parse_network(const char *text, network *out, ko_err *err)
{
    char address[INET6_ADDRSTRLEN];
    ko_str all = ko_str_of(text);
    size_t slash = ko_str_find_char(all, '/');
    ko_str host = ko_str_slice(all, 0, slash);
    uint64_t bits;
    bool is_v4;

    if (host.len >= sizeof(address))
        return ko_err_set(err, KO_E_INVALID, "%s is no address or network", text);
    memcpy(address, host.ptr, host.len);
    address[host.len] = '\0';
    if (!parse_address(address, out->bytes, &is_v4))
        return ko_err_set(err, KO_E_INVALID, "%s is no address or network", text);
    bits = is_v4 ? 32 : 128;
    if (slash != SIZE_MAX &&
        ko_parse_u64(ko_str_slice(all, slash + 1, all.len), bits, &bits, err) < 0)
        return ko_err_set(err, KO_E_INVALID, "%s: bad prefix length", text);
    out->bits = (unsigned)bits + (is_v4 ? 96 : 0);
    return 0;
}

int ko_proxy_list_parse(const char *const *networks, size_t count, ko_arena *arena,
                        const ko_proxy_list **out, ko_err *err)
{
    ko_proxy_list *list = ko_arena_alloc(arena, sizeof(*list) + count * sizeof(network));

    list->count = count;
    for (size_t i = 0; i < count; i++)
        if (parse_network(networks[i], &list->items[i], err) < 0)
            return -1;
    *out = list;
    return 0;
}

static bool matches(const network *net, const uint8_t address[static 16])
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;

    if (memcmp(net->bytes, address, whole) != 0)
        return false;
    return rest == 0 || (net->bytes[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool ko_proxy_list_has(const ko_proxy_list *list, const char *address)
{
    uint8_t bytes[16];
    bool is_v4;

    if (list->count == 0 || !parse_address(address, bytes, &is_v4))
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (matches(&list->items[i], bytes))
            return true;
    return false;
}

/* All X-Forwarded-For fields as the one list that they are (RFC 9110 section 5.3): a proxy may add
 * a field of its own behind the client's. */
static ko_str forwarded_list(const ko_headers *headers, ko_arena *arena)
{
    ko_str list = KO_STR(""), value;
    size_t iter = 0;

    while (ko_headers_next(headers, "X-Forwarded-For", &iter, &value))
        list = list.len == 0 ? value
                             : ko_str_of(ko_arena_printf(arena, KO_STR_FMT "," KO_STR_FMT,
                                                         KO_STR_ARG(list), KO_STR_ARG(value)));
    return list;
}

/* Walks the list from the right: the first address that is not a trusted proxy is the client. What
 * stands further left was written by the client itself. */
const char *ko_proxy_client(const ko_proxy_list *trusted, const char *peer,
                            const ko_headers *headers, ko_arena *arena)
{
    ko_str forwarded;

    if (!ko_proxy_list_has(trusted, peer))
        return peer;
    forwarded = forwarded_list(headers, arena);
    while (forwarded.len > 0 && ko_proxy_list_has(trusted, peer)) {
        size_t comma = ko_str_rfind_char(forwarded, ',');
        ko_str last =
            ko_str_trim(ko_str_slice(forwarded, comma == SIZE_MAX ? 0 : comma + 1, forwarded.len));
        const char *address = ko_arena_strndup(arena, last.ptr, last.len);
        uint8_t bytes[16];
        bool is_v4;

        if (!parse_address(address, bytes, &is_v4))
            break;
        peer = address;
        forwarded.len = comma == SIZE_MAX ? 0 : comma;
    }
    return peer;
}

void ko_proxy_resolve(ko_req *req)
{
    const ko_proxy_list *trusted = req->settings->trusted_proxies;
    const char *peer = ko_http_peer(req->x);

    req->behind_proxy = ko_proxy_list_has(trusted, peer);
    req->peer = ko_proxy_client(trusted, peer, &req->head->headers, req->arena);
}

const char *ko_proxy_base_url(ko_req *req)
{
    ko_str host = KO_STR("localhost"), value, scheme;
    bool https = ko_http_is_tls(req->x);

    if (req->settings->public_url)
        return req->settings->public_url;
    (void)ko_headers_get(&req->head->headers, "Host", &host);
    if (req->behind_proxy) {
        /* With several proxies it is a list, and the client's side comes first. */
        if (ko_headers_get(&req->head->headers, "X-Forwarded-Proto", &value) &&
            ko_str_split(&value, ',', &scheme))
            https = ko_str_eq_nocase(ko_str_trim(scheme), KO_STR("https"));
        (void)ko_headers_get(&req->head->headers, "X-Forwarded-Host", &host);
    }
    return ko_arena_printf(req->arena, "%s://" KO_STR_FMT, https ? "https" : "http",
                           KO_STR_ARG(host));
}

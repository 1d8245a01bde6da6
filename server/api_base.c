/* server/api_base.c: the /v2/ ping, capability discovery, and the page at "/". */
#include "server/req.h"

static ko_step_ret ping(ko_req *req)
{
    return ko_req_reply_body(req, 200, "application/json", KO_STR("{}"));
}

const ko_step ko_base_get_steps[] = {KO_STEP(ping), KO_STEPS_END};

/* OCI Distribution, extensions/_oci.md. */
static ko_step_ret discover(ko_req *req)
{
    return ko_req_reply_body(
        req, 200, "application/json",
        KO_STR(
            "{\"extensions\":["
            "{\"name\":\"_oci\",\"description\":\"discovery of extensions\","
            "\"url\":\"https://github.com/opencontainers/distribution-spec/tree/main/extensions\","
            "\"endpoints\":[\"_oci/ext/discover\"]},"
            "{\"name\":\"_kontor\",\"description\":\"accounts, groups, rights, repositories\","
            "\"endpoints\":[\"_kontor/accounts\",\"_kontor/groups\",\"_kontor/tokens\","
            "\"_kontor/grants\",\"_kontor/repositories\",\"_kontor/history\",\"_kontor/"
            "audit\"]}]}\n"));
}

const ko_step ko_discover_get_steps[] = {KO_STEP(discover), KO_STEPS_END};

/* server/json_repo.h: the documents that clients send about repositories and grants (docs/api.md).
 *
 * Threads: values; memory from the arena. */
#ifndef KO_SERVER_JSON_REPO_H
#define KO_SERVER_JSON_REPO_H

#include "server/json_object.h"

typedef struct {
    ko_json_visibility visibility;
    ko_json_prose description;
} ko_json_repo_change;

typedef struct {
    ko_json_text repository; /* name or pattern */
    ko_json_text account;    /* exactly one of these two */
    ko_json_text group;
    ko_json_actions actions;
} ko_json_grant;

/* errors of each: INVALID, naming the member; TOO_LARGE. */
KO_MUST_USE int ko_json_repo_change_read(ko_str bytes, ko_arena *arena, ko_json_repo_change *out,
                                         ko_err *err);
KO_MUST_USE int ko_json_grant_read(ko_str bytes, ko_arena *arena, ko_json_grant *out, ko_err *err);

/* What a change changes, for the audit log: "visibility". */
int ko_json_repo_change_print(const ko_json_repo_change *doc, ko_buf *out);

#endif

/* server/json_account.h: the documents that clients send about accounts, groups and tokens
 * (docs/api.md).
 *
 * Threads: values; memory from the arena. */
#ifndef KO_SERVER_JSON_ACCOUNT_H
#define KO_SERVER_JSON_ACCOUNT_H

#include "server/json_object.h"

#define KO_MAX_MEMBERS_CHANGE 1000 /* in one document */

typedef struct {
    ko_json_text name;
    ko_json_secret password;
    ko_json_text email;
    ko_json_text display;
    ko_json_visibility default_visibility;
    /* Administrators only. */
    ko_json_flag admin;
    ko_json_flag robot;
    ko_json_quota quota_private_repositories;
    ko_json_quota quota_bytes;
} ko_json_account_new;

typedef struct {
    ko_json_secret password;
    ko_json_secret current_password;
    ko_json_text email;
    ko_json_text display;
    ko_json_visibility default_visibility;
    /* Administrators only. */
    ko_json_flag admin;
    ko_json_flag disabled;
    ko_json_quota quota_private_repositories;
    ko_json_quota quota_bytes;
} ko_json_account_change;

/* Of a new group and of a change of one; `name` and `display` only of a new one. */
typedef struct {
    ko_json_text name;
    ko_json_text display;
    ko_json_visibility default_visibility;
    ko_json_roles members;
    /* Administrators only. */
    ko_json_quota quota_private_repositories;
    ko_json_quota quota_bytes;
} ko_json_group;

typedef struct {
    ko_json_text name;
    ko_json_text scope;
    ko_json_number expires_in; /* seconds; 0 or absent: never */
    ko_json_text account;      /* whose: administrators may say */
} ko_json_secret_new;

/* errors of each: INVALID, naming the member; TOO_LARGE. Wipe secrets also after a failure. */
KO_MUST_USE int ko_json_account_new_read(ko_str bytes, ko_arena *arena, ko_json_account_new *out,
                                         ko_err *err);
KO_MUST_USE int ko_json_account_change_read(ko_str bytes, ko_arena *arena,
                                            ko_json_account_change *out, ko_err *err);
KO_MUST_USE int ko_json_group_new_read(ko_str bytes, ko_arena *arena, ko_json_group *out,
                                       ko_err *err);
KO_MUST_USE int ko_json_group_change_read(ko_str bytes, ko_arena *arena, ko_json_group *out,
                                          ko_err *err);
KO_MUST_USE int ko_json_secret_new_read(ko_str bytes, ko_arena *arena, ko_json_secret_new *out,
                                        ko_err *err);

/* What a change changes, for the audit log: "password, email". */
int ko_json_account_change_print(const ko_json_account_change *doc, ko_buf *out);
int ko_json_group_change_print(const ko_json_group *doc, ko_buf *out);

#endif

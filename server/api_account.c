/* server/api_account.c: accounts: self sign-up, the administrators' list, and what people change
 * about their own.
 *
 * A sign-up hashes a password for a stranger, so it is paced by address (ko_app.sign_ups) and runs
 * on the pool for logins. A new password needs the old one, which goes through the same back-off
 * as a login: a stolen session must not be a place to guess. Account names are no secret here - who
 * signs up learns that a name is taken - but everything else about an account is seen by itself and
 * by administrators only.
 *
 * Documented in docs/api.md. */
#include "auth/account.h"
#include "common/base/clock.h"
#include "server/answer.h"
#include "server/audit.h"
#include "server/json_account.h"
#include "server/owner.h"
#include "storage/meta_group.h"

typedef struct {
    ko_answer answer;
    ko_str name;
    const ko_settings *settings;
    bool by_admin;
    char *address;
    ko_json_account_new made;
    ko_json_account_change change;
    char hash[KO_PASSWORD_HASH_MAX]; /* of the new password; "": none is set */
} account_job;

static void account_drop(ko_job *base)
{
    account_job *job = (account_job *)base;

    ko_json_wipe(&job->made.password);
    ko_json_wipe(&job->change.password);
    ko_json_wipe(&job->change.current_password);
    ko_answer_drop(base);
}

static account_job *account_job_new(ko_req *req, int (*run)(ko_job *base, ko_err *err))
{
    account_job *job = ko_answer_new(req, account_job, run, account_drop);
    ko_arena *arena = job->answer.job.arena;

    job->name = ko_arena_str(arena, req->route.ref);
    job->settings = req->settings;
    job->by_admin = ko_answer_by_admin(req);
    job->address = ko_arena_strdup(arena, req->peer);
    return job;
}

static bool is_self(const ko_req *req)
{
    return req->identity->kind != KO_ID_ANONYMOUS &&
           ko_str_eq(req->route.ref, ko_str_of(req->identity->name));
}

static ko_str given(const ko_json_text *text)
{
    return text->set ? text->value : KO_STR("");
}

/* ---- GET of one ---- */

static void print_profile(const ko_meta_account *account, ko_buf *out)
{
    ko_print_text(out, "name", ko_str_of(account->owner.name));
    ko_print_text(out, "kind", account->kind == KO_META_ROBOT ? KO_STR("robot") : KO_STR("person"));
    ko_print_bool(out, "admin", account->is_admin);
    ko_print_bool(out, "disabled", account->is_disabled);
    ko_print_text(out, "display", ko_str_of(account->display));
    ko_print_text(out, "email", ko_str_of(account->email));
}

static int print_groups(ko_meta_tx *tx, account_job *job, int64_t id, ko_err *err)
{
    ko_buf *out = &job->answer.body;
    ko_meta_membership *groups;
    size_t count;

    if (ko_meta_group_list_of(tx, id, KO_STR(""), KO_MAX_PAGE, job->answer.job.arena, &groups,
                              &count, err) < 0)
        return -1;
    ko_print_begin(out, "groups", '{');
    for (size_t i = 0; i < count; i++)
        ko_print_text(out, groups[i].name, ko_str_of(ko_meta_role_name(groups[i].role)));
    ko_print_end(out, '}');
    return 0;
}

static int view_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    account_job *job = arg;
    ko_buf *out = &job->answer.body;
    ko_meta_account account;

    if (ko_meta_account_find(tx, job->name, job->answer.job.arena, &account, err) < 0)
        return -1;
    ko_buf_reset(out);
    ko_print_begin(out, NULL, '{');
    print_profile(&account, out);
    if (ko_owner_print(tx, &account.owner, job->settings, out, err) < 0 ||
        print_groups(tx, job, account.owner.id, err) < 0)
        return -1;
    ko_print_end(out, '}');
    return ko_buf_ok(out, err);
}

static int view_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, view_tx, base, err);
}

static ko_step_ret account_find(ko_req *req)
{
    if (!is_self(req) && !ko_answer_by_admin(req))
        return ko_answer_deny(req, "an account is seen by itself and by administrators");
    return ko_req_work(req, &account_job_new(req, view_run)->answer.job);
}

const ko_step ko_account_get_steps[] = {KO_STEP(account_find), KO_STEP(ko_answer_send),
                                        KO_STEPS_END};

/* ---- GET of all ---- */

static int list_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    account_job *job = arg;
    ko_answer *answer = &job->answer;
    ko_meta_account *accounts;
    size_t count;

    if (ko_meta_account_list(tx, answer->last, ko_answer_want(answer), answer->job.arena, &accounts,
                             &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        answer->next = ko_str_of(accounts[count - 1].owner.name);
    ko_buf_reset(&answer->body);
    ko_print_begin(&answer->body, NULL, '{');
    ko_print_begin(&answer->body, "accounts", '[');
    for (size_t i = 0; i < count; i++) {
        ko_print_begin(&answer->body, NULL, '{');
        print_profile(&accounts[i], &answer->body);
        ko_print_time(&answer->body, "created_at", accounts[i].owner.created_at_s);
        ko_print_end(&answer->body, '}');
    }
    ko_print_end(&answer->body, ']');
    ko_print_end(&answer->body, '}');
    return ko_buf_ok(&answer->body, err);
}

static int list_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, list_tx, base, err);
}

static ko_step_ret accounts_find(ko_req *req)
{
    account_job *job = account_job_new(req, list_run);

    if (ko_answer_page(req, &job->answer) == KO_DONE)
        return KO_DONE;
    return ko_req_work(req, &job->answer.job);
}

const ko_step ko_account_list_steps[] = {KO_STEP(accounts_find), KO_STEP(ko_answer_send),
                                         KO_STEPS_END};

/* ---- POST: a new one ---- */

static ko_step_ret make_admit(ko_req *req)
{
    ko_str peer = ko_str_of(req->peer);
    uint64_t now_ms = ko_clock_mono_ms(), wait_ms;
    ko_headers headers;

    if (ko_answer_by_admin(req))
        return KO_NEXT;
    if (!req->settings->sign_up)
        return ko_answer_deny(req, "sign-up is switched off here: ask an administrator");
    wait_ms = ko_backoff_wait_ms(req->app->sign_ups, KO_STR(""), peer, now_ms);
    ko_backoff_failed(req->app->sign_ups, KO_STR(""), peer, now_ms);
    if (wait_ms == 0)
        return KO_NEXT;
    ko_req_headers(req, &headers);
    ko_headers_addf(&headers, "Retry-After", "%llu", (unsigned long long)(wait_ms + 999) / 1000);
    return ko_req_problem(req, 429, KO_P_TOOMANYREQUESTS,
                          "too many new accounts from this address: wait, then try again", NULL,
                          &headers);
}

static int make_run(ko_job *base, ko_err *err)
{
    account_job *job = (account_job *)base;
    const ko_json_account_new *doc = &job->made;
    const ko_json_quota *repos = &doc->quota_private_repositories, *bytes = &doc->quota_bytes;
    ko_account_quota quota = {repos->set ? repos->value : KO_META_QUOTA_DEFAULT,
                              bytes->set ? bytes->value : KO_META_QUOTA_DEFAULT};
    ko_account_new spec = {
        .kind = doc->robot.value ? KO_META_ROBOT : KO_META_PERSON,
        .name = doc->name.value,
        .password = doc->password.set ? doc->password.value : KO_STR(""),
        .display = given(&doc->display),
        .email = given(&doc->email),
        .is_admin = doc->admin.value,
        .default_visibility = doc->default_visibility.set ? doc->default_visibility.value
                                                          : job->settings->default_visibility,
        .quota = &quota,
    };
    int64_t id;

    if (ko_account_create(base->app->meta, job->settings->password_cost, &spec, &id, err) < 0)
        return -1;
    job->name = doc->name.value;
    job->answer.status = 201;
    job->answer.location =
        ko_arena_printf(base->arena, "/v2/_kontor/accounts/" KO_STR_FMT, KO_STR_ARG(job->name));
    return ko_meta_read(base->app->meta, view_tx, job, err);
}

static ko_step_ret account_make(ko_req *req)
{
    account_job *job = account_job_new(req, make_run);
    const ko_json_account_new *doc = &job->made;
    ko_err err;
    int rc =
        ko_json_account_new_read(ko_answer_document(req), job->answer.job.arena, &job->made, &err);

    ko_answer_wipe_document(req);
    if (rc < 0) {
        ko_job_drop(&job->answer.job);
        return ko_req_fail(req, &err);
    }
    if (!job->by_admin && (doc->admin.set || doc->robot.set ||
                           doc->quota_private_repositories.set || doc->quota_bytes.set)) {
        ko_job_drop(&job->answer.job);
        return ko_answer_deny(req, "only an administrator gives admin, robot and quotas");
    }
    return ko_req_work_login(req, &job->answer.job);
}

static ko_step_ret account_made(ko_req *req)
{
    const account_job *job = ko_req_job(req, account_job);

    ko_audit_target(req, "account.add", ko_arena_strndup(req->arena, job->name.ptr, job->name.len),
                    "ok");
    return ko_answer_send(req);
}

const ko_step ko_account_post_steps[] = {KO_STEP(make_admit), KO_STEP(ko_answer_read),
                                         KO_STEP(account_make), KO_STEP(account_made),
                                         KO_STEPS_END};

/* ---- PATCH ---- */

static int check_current_password(account_job *job, ko_err *err)
{
    const ko_json_secret *current = &job->change.current_password;
    ko_autoid identity = NULL;

    if (!current->set)
        return ko_err_set(err, KO_E_INVALID, "a new password needs current_password");
    if (ko_auth_basic(job->answer.job.app->auth, job->name, current->value, ko_str_of(job->address),
                      &identity, err) < 0 &&
        err->code != KO_E_DENIED)
        return -1;
    /* A personal token opens the account as well, but it is not the password. */
    if (!identity || identity->via != KO_VIA_PASSWORD)
        return ko_err_set(err, KO_E_DENIED, "current_password is not right");
    return 0;
}

static int hash_password(account_job *job, ko_err *err)
{
    const ko_json_secret *password = &job->change.password;

    if (!password->set)
        return 0;
    if (!job->by_admin && check_current_password(job, err) < 0)
        return -1;
    if (ko_password_check_new(password->value, err) < 0)
        return -1;
    return ko_password_hash(job->settings->password_cost, password->value, job->hash, err);
}

static int change_flags(ko_meta_tx *tx, const ko_json_account_change *doc,
                        const ko_meta_account *account, ko_err *err)
{
    if (!doc->admin.set && !doc->disabled.set)
        return 0;
    return ko_account_set_flags(tx, account, doc->admin.set ? doc->admin.value : account->is_admin,
                                doc->disabled.set ? doc->disabled.value : account->is_disabled,
                                err);
}

static int change_profile(ko_meta_tx *tx, const ko_json_account_change *doc,
                          const ko_meta_account *account, ko_err *err)
{
    if (!doc->display.set && !doc->email.set)
        return 0;
    return ko_meta_account_set_profile(
        tx, account->owner.id, doc->display.set ? doc->display.value : ko_str_of(account->display),
        doc->email.set ? doc->email.value : ko_str_of(account->email), err);
}

static int change_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    account_job *job = arg;
    const ko_json_account_change *doc = &job->change;
    ko_meta_account account;

    if (ko_meta_account_find(tx, job->name, job->answer.job.arena, &account, err) < 0)
        return -1;
    if (job->hash[0] != '\0' && ko_account_set_hash(tx, &account, ko_str_of(job->hash), err) < 0)
        return -1;
    if (change_flags(tx, doc, &account, err) < 0 || change_profile(tx, doc, &account, err) < 0)
        return -1;
    return ko_owner_change(tx, &account.owner, &doc->default_visibility,
                           &doc->quota_private_repositories, &doc->quota_bytes, err);
}

static int change_run(ko_job *base, ko_err *err)
{
    account_job *job = (account_job *)base;

    if (hash_password(job, err) < 0 ||
        ko_meta_write(base->app->meta, KO_META_DURABLE, change_tx, job, err) < 0)
        return -1;
    return ko_meta_read(base->app->meta, view_tx, job, err);
}

static ko_step_ret change_admit(ko_req *req)
{
    if (!is_self(req) && !ko_answer_by_admin(req))
        return ko_answer_deny(req, "an account is changed by itself and by administrators");
    return ko_answer_read(req);
}

static ko_step_ret account_change(ko_req *req)
{
    account_job *job = account_job_new(req, change_run);
    const ko_json_account_change *doc = &job->change;
    ko_err err;
    int rc = ko_json_account_change_read(ko_answer_document(req), job->answer.job.arena,
                                         &job->change, &err);

    ko_answer_wipe_document(req);
    if (rc < 0) {
        ko_job_drop(&job->answer.job);
        return ko_req_fail(req, &err);
    }
    if (!job->by_admin && (doc->admin.set || doc->disabled.set ||
                           doc->quota_private_repositories.set || doc->quota_bytes.set)) {
        ko_job_drop(&job->answer.job);
        return ko_answer_deny(req, "only an administrator changes admin, disabled and quotas");
    }
    if (doc->password.set)
        return ko_req_work_login(req, &job->answer.job);
    return ko_req_work(req, &job->answer.job);
}

static ko_step_ret account_changed(ko_req *req)
{
    const account_job *job = ko_req_job(req, account_job);
    ko_autobuf text = {0};

    ko_buf_init(&text, KO_MAX_AUDIT_FIELD);
    (void)ko_buf_printf(&text, KO_STR_FMT ": ", KO_STR_ARG(job->name));
    (void)ko_json_account_change_print(&job->change, &text);
    ko_audit_target(req, "account.change", ko_buf_str(&text).ptr, "ok");
    return ko_answer_send(req);
}

const ko_step ko_account_patch_steps[] = {KO_STEP(change_admit), KO_STEP(account_change),
                                          KO_STEP(account_changed), KO_STEPS_END};

/* ---- DELETE ---- */

static int remove_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const account_job *job = arg;
    ko_meta_account account;

    if (ko_meta_account_find(tx, job->name, job->answer.job.arena, &account, err) < 0)
        return -1;
    return ko_account_remove(tx, &account, false, err);
}

static int remove_run(ko_job *base, ko_err *err)
{
    return ko_meta_write(base->app->meta, KO_META_DURABLE, remove_tx, base, err);
}

static ko_step_ret account_remove(ko_req *req)
{
    if (!is_self(req) && !ko_answer_by_admin(req))
        return ko_answer_deny(req, "an account is removed by itself and by administrators");
    if (!ko_answer_by_admin(req) && req->identity->via != KO_VIA_PASSWORD)
        return ko_answer_deny(req, "log in with the password, not with a token, to remove it");
    return ko_req_work(req, &account_job_new(req, remove_run)->answer.job);
}

static ko_step_ret account_removed(ko_req *req)
{
    const account_job *job = ko_req_job(req, account_job);

    ko_audit_target(req, "account.remove",
                    ko_arena_strndup(req->arena, job->name.ptr, job->name.len), "ok");
    return ko_req_reply_empty(req, 204);
}

const ko_step ko_account_delete_steps[] = {KO_STEP(account_remove), KO_STEP(account_removed),
                                           KO_STEPS_END};
